//! Secrets: where they may stand, that they are read again, and that nothing shows them.

use std::fs;
use std::path::Path;

use super::refuses::{complaints, refused as refused_at};
use super::*;

const SECRET: &str = "correct-horse-9f2c61";

/// With a login, of which the password is not given yet.
fn with_kafka(properties: &str) -> String {
    let properties = properties.trim_start_matches('{');
    format!(
        "{MINIMAL}kafka: {{security.protocol: sasl_ssl, sasl.mechanism: PLAIN, sasl.username: u, {properties}\n"
    )
}

fn with_cluster(keys: &str) -> String {
    MINIMAL.replace("zookeeper: z:1", &format!("zookeeper: z:1, {keys}"))
}

fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn a_secret_is_a_text_or_stands_in_a_file_or_a_variable() {
    let folder = tempfile::tempdir().unwrap();
    for (content, secret) in [("s", "s"), ("s\n", "s"), ("s\r\n", "s"), ("s\n\n", "s\n"), ("s ", "s ")] {
        let path = file(folder.path(), "s", content);
        let config = load(&with_kafka(&format!("{{sasl.password: {{file: {path}}}}}")));
        assert_eq!(config.kafka.get("sasl.password"), Some(secret), "{content:?}");
        let config =
            load(&with_cluster(&format!("zookeeper_auth: {{username: u, password: {{file: {path}}}}}")));
        assert_eq!(config.cluster.zookeeper_auth.unwrap().password.expose(), secret);
    }
    let path = std::env::var("PATH").unwrap();
    let config = load(&with_kafka("{sasl.password: {env: PATH}, ssl.key.password: plain}"));
    assert_eq!(config.kafka.get("sasl.password"), Some(path.as_str()));
    assert_eq!(config.kafka.get("ssl.key.password"), Some("plain"));
    assert_eq!(config.identity().secret_variables().collect::<Vec<_>>(), ["PATH"]);
}

#[test]
fn it_is_read_again_and_stays_what_it_was_where_it_cannot_be() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "s", "old\n");
    let mut config = load(&with_kafka(&format!("{{sasl.password: {{file: {path}}}}}")));
    assert!(config.kafka.changes());
    fs::write(&path, "new\n").unwrap();
    assert_eq!(config.kafka.read_again(), []);
    assert_eq!(config.kafka.get("sasl.password"), Some("new"));
    fs::remove_file(&path).unwrap();
    let failed = config.kafka.read_again();
    assert!(failed.len() == 1 && failed[0].0 == "sasl.password", "{failed:?}");
    assert_eq!(config.kafka.get("sasl.password"), Some("new"));
    assert!(!load(&with_kafka("{sasl.password: s}")).kafka.changes());
}

#[test]
fn nothing_shows_it_and_what_is_shown_loads_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "s", SECRET);
    let text = with_cluster(&format!("zookeeper_auth: {{username: u, password: {SECRET}, acl: creator}}"));
    let text = format!(
        "{text}kafka: {{security.protocol: sasl_ssl, sasl.mechanism: PLAIN, sasl.username: u, sasl.password: {{file: {path}}}, client.id: {{file: {path}}}, ssl.key.password: {SECRET}}}\n"
    );
    let config = load(&text);
    let shown = config.to_yaml();
    for said in [shown.as_str(), &config.to_json().to_string(), &format!("{config:?}")] {
        assert!(!said.contains(SECRET), "{said}");
    }
    assert!(shown.contains("acl: creator") && shown.contains(&format!("file: {path}")), "{shown}");
    assert_eq!(load(&shown).kafka.get("sasl.password"), Some(SECRET));
}

#[test]
fn what_is_no_secret_is_refused_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let empty = file(folder.path(), "empty", "\n");
    let nul = file(folder.path(), "nul", "a\0b");
    for (value, words) in [
        ("{file: /no/such/file}".to_owned(), "the file /no/such/file can't be read"),
        ("{file: /}".to_owned(), "/ is no regular file"),
        (format!("{{file: {empty}}}"), "is empty: write the secret into it"),
        (format!("{{file: {nul}}}"), "holds a NUL character"),
        ("{env: KAFKAVISOR_NO_SUCH}".to_owned(), "no environment variable KAFKAVISOR_NO_SUCH"),
        ("{file: a, env: b}".to_owned(), "write either {file: PATH} or {env: NAME}"),
        ("{}".to_owned(), "write either {file: PATH} or {env: NAME}"),
        ("{file: ''}".to_owned(), "is no name of one"),
        ("{env: 'A=B'}".to_owned(), "is no name of one"),
        ("{file: 5}".to_owned(), "put it in quotes"),
        ("{flie: x}".to_owned(), "write the property's whole name"),
    ] {
        let found = complaints(&with_kafka(&format!("{{sasl.password: {value}}}")));
        assert!(found.len() == 1 && found[0].contains(words), "{value}: {found:#?}");
    }
    let found = complaints(&with_cluster("zookeeper_auth: {username: u, password: 123456}"));
    assert!(
        found.len() == 1 && found[0].contains("put it in quotes") && !found[0].contains("123456"),
        "{found:#?}"
    );
}

#[test]
fn who_we_are_to_zookeeper_is_checked() {
    for (keys, words) in [
        ("zookeeper_auth: {username: u}", "`cluster.zookeeper_auth` needs `password`"),
        ("zookeeper_auth: {password: s}", "`cluster.zookeeper_auth` needs `username`"),
        ("zookeeper_auth: {username: 'a:b', password: s}", "holds a `:`"),
        ("zookeeper_auth: {username: u, password: s, acl: all}", "expected `open` or `creator`"),
        ("zookeeper_auth: yes", "expected a map"),
        ("zookeeper_tls: {ca: /no/such.pem}", "/no/such.pem can't be read"),
        ("zookeeper_tls: {ca: /dev/null}", "/dev/null is no regular file"),
        ("zookeeper_tls: {certificate: Cargo.toml}", "needs `cluster.zookeeper_tls.key`"),
        ("zookeeper_tls: {key: Cargo.toml}", "needs `cluster.zookeeper_tls.certificate`"),
    ] {
        let found = complaints(&with_cluster(keys));
        assert!(found.len() == 1 && found[0].contains(words), "{keys}: {found:#?}");
    }
    let config = load(&with_cluster("zookeeper_tls: {ca: Cargo.toml}"));
    assert_eq!(load(&config.to_yaml()), config);
}

#[test]
fn tokens_have_one_source_and_a_use() {
    let bearer = "security.protocol: sasl_ssl, sasl.mechanism: OAUTHBEARER";
    let of = |kafka: &str, oauth: &str| format!("{MINIMAL}kafka: {{{kafka}}}\n{oauth}\n");
    let config = load(&of(bearer, "oauth: {token_command: [./token, --for, kafka]}"));
    assert_eq!(config.oauth.as_ref().unwrap().token_command, ["./token", "--for", "kafka"]);
    assert_eq!(load(&config.to_yaml()), config);
    refused_at("oauth: {token_command: [a]}", 1, "`oauth` is for `kafka.sasl.mechanism: OAUTHBEARER`");
    for (kafka, oauth, words) in [
        (bearer, "", "needs tokens: set `oauth.token_command`"),
        (bearer, "oauth: {}", "`oauth` needs `token_command`"),
        (bearer, "oauth: {token_command: []}", "is empty"),
        (bearer, "oauth: {token_command: x}", "expected a list"),
        (
            &format!("{bearer}, sasl.oauthbearer.method: oidc"),
            "oauth: {token_command: [x]}",
            "keep one of the two",
        ),
    ] {
        let found = complaints(&of(kafka, oauth));
        assert!(found.len() == 1 && found[0].contains(words), "{kafka} {oauth}: {found:#?}");
    }
}

#[test]
fn what_may_be_a_secret_at_the_wrong_place_is_not_shown() {
    for line in [
        "kafka: sasl.password=hunter2",
        "kafka: {sasl.password:hunter2}",
        "kafka: {sasl.password: !hunter2 x}",
        "kafka: {sasl.password: !!int hunter2}",
        "oauth: svc:hunter2",
        "oauth: {token_command: ./token hunter2}",
        "discovery: {url: 'http://svc:hunter2@k:1'}",
        "discovery: {url: 'http://k:1/?key=hunter2'}",
    ] {
        let found = complaints(&format!("{MINIMAL}{line}\n"));
        assert!(!found.is_empty() && !found.concat().contains("hunter2"), "{line}: {found:#?}");
    }
    for auth in [
        "svc:hunter2",
        "'svc:hunter2'",
        "{svc:hunter2}",
        "{hunter2}",
        "{svc: hunter2}",
        "[svc, hunter2]",
        "{username: u, password: {hunter2}}",
        "{username: u, password: [hunter2]}",
        "{username: u, password: *hunter2}",
    ] {
        let text = MINIMAL.replace("zookeeper: z:1", &format!("zookeeper: z:1, zookeeper_auth: {auth}"));
        let found = complaints(&text);
        assert!(!found.is_empty() && !found.concat().contains("hunter2"), "{auth}: {found:#?}");
    }
    assert!(!complaints("svc:hunter2").concat().contains("hunter2"));
    let url = "https://svc:hunter2@login/token?key=hunter2";
    let config = load(&format!(
        "{MINIMAL}kafka: {{security.protocol: sasl_ssl, sasl.mechanism: OAUTHBEARER, sasl.oauthbearer.method: oidc, sasl.oauthbearer.token.endpoint.url: '{url}'}}\n"
    ));
    assert!(!config.to_yaml().contains("hunter2"), "{}", config.to_yaml());
    assert_eq!(config.kafka.get("sasl.oauthbearer.token.endpoint.url"), Some(url));
}
