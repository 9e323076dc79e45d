//! What `kafka` says of logins and TLS, and what of it does not fit together.

use std::fs;

use super::refuses::{complaints, refused as refused_at};
use super::*;

const LOGIN: &str = "security.protocol: sasl_ssl, sasl.username: u, sasl.password: p";

fn with(properties: &str) -> String {
    format!("{MINIMAL}kafka: {{{properties}}}\n")
}

/// The one thing that is wrong.
#[track_caller]
fn one(properties: &str) -> String {
    let found = complaints(&with(properties));
    assert_eq!(found.len(), 1, "{properties}: {found:#?}");
    found[0].clone()
}

#[test]
fn a_login_has_a_mechanism_that_there_is_and_what_that_needs() {
    refused_at("kafka: {sasl.mechanism: GSSAPI}", 9, "Kerberos (GSSAPI) is not available; use PLAIN");
    refused_at(
        "kafka: {security.protocol: sasl_ssl}",
        9,
        "wants a login: set `kafka.sasl.mechanism` to PLAIN, SCRAM",
    );
    for (properties, words) in [
        ("security.protocol: sasl_ssl, sasl.mechanism: DIGEST-MD5", "there is no such mechanism; use PLAIN"),
        (
            "security.protocol: sasl_ssl, sasl.mechanism: SCRAM-SHA-512",
            "`kafka.sasl.mechanism`: needs `kafka.sasl.username` and `kafka.sasl.password`: set",
        ),
        (
            "security.protocol: sasl_ssl, sasl.mechanism: plain, sasl.username: u",
            "needs `kafka.sasl.password`",
        ),
    ] {
        let found = one(properties);
        assert!(found.starts_with("5:38: ") && found.contains(words), "{properties}: {found}");
    }
    assert!(load(&with("security.protocol: ssl")).kafka.get("sasl.mechanism").is_none());
}

#[test]
fn what_the_protocol_would_leave_aside_is_refused() {
    for (properties, named, without, wanted) in [
        (
            "sasl.mechanism: PLAIN, sasl.username: u, sasl.password: p",
            "sasl.mechanism",
            "without",
            "SASL_SSL (SASL_PLAINTEXT",
        ),
        ("sasl.password: p", "sasl.password", "without", "SASL_SSL (SASL_PLAINTEXT"),
        (
            "security.protocol: plaintext, sasl.mechanism: PLAIN",
            "sasl.mechanism",
            "with `kafka.security.protocol` PLAINTEXT",
            "SASL_SSL (",
        ),
        (
            "security.protocol: SSL, sasl.mechanism: PLAIN",
            "sasl.mechanism",
            "with `kafka.security.protocol` SSL",
            "SASL_SSL, or remove all `sasl.*`",
        ),
        ("ssl.ca.location: Cargo.toml", "ssl.ca.location", "without", "SSL, or remove all `ssl.*`"),
        ("ssl.ca.location: Cargo.toml, sasl.mechanism: PLAIN", "sasl.mechanism", "without", "SASL_SSL, or"),
        (
            "security.protocol: SASL_PLAINTEXT, sasl.mechanism: OAUTHBEARER, sasl.oauthbearer.method: oidc, ssl.ca.pem: x",
            "ssl.ca.pem",
            "with `kafka.security.protocol` SASL_PLAINTEXT",
            "SASL_SSL, or remove all `ssl.*`",
        ),
        ("security.protocol: PLAINTEXT, ssl.key.password: x", "ssl.key.password", "PLAINTEXT", "SSL, or"),
    ] {
        let found = one(properties);
        let words = [&format!("`kafka.{named}`: is for "), without, &format!("set that to {wanted}")];
        assert!(words.iter().all(|words| found.contains(*words)), "{properties}: {found}");
    }
    // How TLS would be spoken harms nobody.
    load(&with("ssl.endpoint.identification.algorithm: https, ssl.cipher.suites: x"));
}

#[test]
fn what_is_for_tokens_wants_the_mechanism_that_has_them() {
    for property in ["sasl.oauthbearer.method: oidc", "https.ca.location: Cargo.toml"] {
        let found = one(&format!("{LOGIN}, sasl.mechanism: PLAIN, {property}"));
        assert!(found.contains("is for `kafka.sasl.mechanism: OAUTHBEARER`: set that"), "{found}");
    }
    let bearer = "security.protocol: sasl_ssl, sasl.mechanism: oauthbearer, sasl.oauthbearer.method: OIDC";
    assert_eq!(load(&with(bearer)).kafka.texts()["sasl.mechanism"], "OAUTHBEARER");
    let command = "security.protocol: sasl_ssl, sasl.mechanism: OAuthBearer";
    assert!(load(&format!("{}oauth: {{token_command: [x]}}\n", with(command))).oauth.is_some());
}

#[test]
fn a_certificate_and_its_key_come_together() {
    for (given, with) in [("certificate", "key"), ("key", "certificate")] {
        for (form, value) in [("location", "Cargo.toml"), ("pem", "x")] {
            let found = one(&format!("security.protocol: ssl, ssl.{given}.{form}: {value}"));
            let words = format!("`kafka.ssl.{given}.{form}`: needs `kafka.ssl.{with}.location`");
            assert!(found.contains(&words), "{found}");
        }
    }
    load(&with("security.protocol: ssl, ssl.certificate.location: Cargo.toml, ssl.key.pem: x"));
}

#[test]
fn a_file_that_is_named_can_be_read_and_what_is_none_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    fs::write(&key, "-----BEGIN PRIVATE KEY-----\nhush\n").unwrap();
    let tls = "security.protocol: ssl, ssl.certificate.location: Cargo.toml";
    for (properties, words) in [
        (
            "security.protocol: ssl, ssl.ca.location: /no/such.pem".to_owned(),
            "the file /no/such.pem can't be read",
        ),
        ("security.protocol: ssl, ssl.keystore.location: /".to_owned(), "/ is no regular file"),
        (
            format!("{tls}, ssl.key.location: {{file: {}}}", key.display()),
            "the text itself is for `kafka.ssl.key.pem`",
        ),
        (
            format!("{tls}, ssl.key.location: \"-----BEGIN PRIVATE KEY-----hush\""),
            "the text itself is for `kafka.ssl.key.pem`",
        ),
        (format!("{tls}, ssl.key.location: {{env: PATH}}"), "the file that is named there can't be read"),
    ] {
        let found = one(&properties);
        assert!(found.contains(words) && !found.contains("hush"), "{properties}: {found}");
    }
    load(&with("security.protocol: ssl, ssl.ca.location: /"));
    load(&with("security.protocol: ssl, ssl.ca.location: probe"));
}

#[test]
fn what_could_not_be_read_is_the_only_thing_that_is_wrong() {
    for properties in [
        "security.protocol: {env: KAFKAVISOR_NO_SUCH}, sasl.mechanism: PLAIN, ssl.ca.location: Cargo.toml",
        "security.protocol: sasl_ssl, sasl.mechanism: {env: KAFKAVISOR_NO_SUCH}, sasl.oauthbearer.method: oidc",
        "security.protocol: sasl_ssl, sasl.mechanism: PLAIN, sasl.username: u, sasl.password: {env: KAFKAVISOR_NO_SUCH}",
        "security.protocol: ssl, ssl.certificate.location: Cargo.toml, ssl.key.pem: {env: KAFKAVISOR_NO_SUCH}",
    ] {
        let found = one(properties);
        assert!(found.contains("there is no environment variable KAFKAVISOR_NO_SUCH"), "{found}");
    }
    let text = with("security.protocol: sasl_ssl, sasl.mechanism: {env: KAFKAVISOR_NO_SUCH}");
    assert_eq!(complaints(&format!("{text}oauth: {{token_command: [x]}}\n")).len(), 1);
}

#[test]
fn a_slip_in_what_librdkafka_never_sees_is_refused() {
    let login = "security.protocol: SASL_SSL, sasl.mechanism: OAUTHBEARER, sasl.oauthbearer.method: oidc";
    let found = one(&format!("{login}, sasl.oauthbearer.skope: x"));
    assert!(found.ends_with("there is no such property; did you mean `sasl.oauthbearer.scope`?"), "{found}");
    for fine in ["client.credentials.client.id: x", "assertion.file: x", "config: x"] {
        load(&with(&format!("{login}, sasl.oauthbearer.{fine}")));
    }
}

#[test]
fn a_secret_that_librdkafka_would_change_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    let password = format!("{LOGIN}, sasl.mechanism: PLAIN")
        .replace("sasl.password: p", &format!("sasl.password: {{file: {}}}", file.display()));
    for (content, words) in [
        (" hush", "begins with a blank, which librdkafka takes away"),
        ("\u{feff}hush", "begins with a byte order mark: save it as UTF-8 without one"),
    ] {
        fs::write(&file, content).unwrap();
        let found = one(&password);
        assert!(found.contains(words) && !found.contains("hush"), "{found}");
    }
    fs::write(&file, "hush \n").unwrap();
    assert_eq!(load(&with(&password)).kafka.get("sasl.password"), Some("hush "));
}
