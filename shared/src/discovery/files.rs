//! The files that discovery looks at: `services.yaml`, and those that name the local region and superregion.
//!
//! A file that is a pipe or a device is never waited for, and one without end is not read to its end.

use std::fs::File;
use std::io::Read as _;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::errors::ConfigurationError;
use super::yaml;
use crate::config::is_host;

/// Largest YAML file that is read, in bytes: `services.yaml` has an entry for each service there is.
const MAX_YAML: u64 = 32 << 20;
/// Largest file with one name in it, in bytes.
const MAX_NAME: u64 = 4 << 10;
/// The entry of `services.yaml`.
const ENTRY: &str = "kafka_discovery.main";
const HOST_ALONE: &str = "write the host alone, as in `kafka_discovery.main: {host: HOST, port: PORT}`: no scheme, user, port or path with it";
const REMEDY: &str = "write `kafka_discovery.main: {host: HOST, port: PORT}`";

/// What is wrong with `file`, and what to do.
pub(super) fn wrong(file: &Path, problem: impl Into<String>, remedy: &str) -> ConfigurationError {
    ConfigurationError { file: file.to_owned(), problem: problem.into(), remedy: remedy.to_owned() }
}

/// The YAML in `file`; none where there is no such file.
pub(super) fn read_yaml(file: &Path) -> Result<Option<Value>, ConfigurationError> {
    let Some(text) = read(file, MAX_YAML)? else { return Ok(None) };
    yaml::parse(&text).map(Some).map_err(|what| ConfigurationError {
        file: PathBuf::from(format!("{}:{}", file.display(), what.split(": ").next().unwrap_or_default())),
        problem: what.split_once(": ").map_or(what.as_str(), |(_, what)| what).to_owned(),
        remedy: "correct it there".to_owned(),
    })
}

/// The one name in `file`. From yelp_kafka: `_get_local_region`, `_get_local_superregion`.
pub(super) fn read_name(file: &Path, what: &str) -> Result<String, ConfigurationError> {
    let remedy = format!("say which {what} is meant, or write this machine's into the file");
    let text = read(file, MAX_NAME)?
        .ok_or_else(|| wrong(file, format!("no such file, and no {what} was said"), &remedy))?;
    let name = text.trim();
    if name.is_empty() {
        return Err(wrong(file, format!("is empty, where the local {what} should stand"), &remedy));
    }
    if name.contains(char::is_control) {
        return Err(wrong(file, format!("holds more than the name of one {what}"), &remedy));
    }
    Ok(name.to_owned())
}

/// The service's root as `services.yaml` has it; none where there is no such file or entry. From yelp_kafka:
/// `config.get_swagger_url`.
pub(super) fn service_root(file: &Path) -> Result<Option<String>, ConfigurationError> {
    let Some(services) = read_yaml(file)? else { return Ok(None) };
    if !services.is_object() && !services.is_null() {
        return Err(wrong(file, "expected a map of services", REMEDY));
    }
    let Some(entry) = services.get(ENTRY) else { return Ok(None) };
    let malformed = |what: &str| wrong(file, format!("`{ENTRY}` {what}"), REMEDY);
    let host = match entry.get("host") {
        Some(Value::String(host)) if !host.trim().is_empty() => {
            in_url(host.trim()).ok_or_else(|| wrong(file, no_host(host.trim()), HOST_ALONE))?
        }
        Some(Value::Null) | None => return Err(malformed("has no `host`")),
        Some(other) => return Err(malformed(&format!("has the host {other}, which is none"))),
    };
    let port = match entry.get("port") {
        Some(Value::Number(port)) => port.to_string(),
        Some(Value::String(port)) => port.clone(),
        Some(Value::Null) | None => return Err(malformed("has no `port`")),
        Some(other) => other.to_string(),
    };
    let port: u16 =
        port.parse().ok().filter(|port| *port != 0).ok_or_else(|| {
            malformed(&format!("has the port {port:?}, which is no number from 1 to 65535"))
        })?;
    Ok(Some(format!("http://{host}:{port}")))
}

/// A host's name or address as it stands in an URL, an IPv6 address in brackets; none where it is no such thing.
fn in_url(host: &str) -> Option<String> {
    let host = if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]") } else { host.to_owned() };
    is_host(&host).then_some(host)
}

fn no_host(given: &str) -> String {
    // A user's password is not repeated.
    let shown = if given.contains('@') { "...@..." } else { given };
    format!("`{ENTRY}` has the host {shown:?}, which is no name or address of a host")
}

/// The text of `file`; none where there is no such file.
fn read(file: &Path, limit: u64) -> Result<Option<String>, ConfigurationError> {
    let failed = |error: std::io::Error| {
        wrong(file, format!("can't be read: {error}"), "check the path and its permissions")
    };
    match std::fs::metadata(file) {
        Ok(found) if !found.is_file() => return Err(wrong(file, "is no file", "name a file")),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    }
    let mut bytes = Vec::new();
    File::open(file).map_err(failed)?.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(wrong(
            file,
            format!("is larger than {} KiB", limit >> 10),
            "check whether this is the file that is meant",
        ));
    }
    String::from_utf8(bytes).map(Some).map_err(|_| wrong(file, "is not UTF-8", "save it as UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, text).unwrap();
        (folder, file)
    }

    fn root(text: &str) -> Result<Option<String>, String> {
        let (folder, file) = written(text.as_bytes());
        service_root(&file)
            .map_err(|error| error.to_string().replace(&folder.path().display().to_string(), ""))
    }

    #[test]
    fn the_service_stands_in_services_yaml() {
        for (text, expected) in [
            ("kafka_discovery.main: {host: h, port: 2222}", Some("http://h:2222")),
            ("kafka_discovery.main: {host: h, port: '2222', more: 1}\nother.main: 7", Some("http://h:2222")),
            ("kafka_discovery.main: {host: '::1', port: 1}", Some("http://[::1]:1")),
            ("kafka_discovery.main: {host: '[::1]', port: 1}", Some("http://[::1]:1")),
            ("kafka_discovery.main: {host: k-1.local_net, port: 1}", Some("http://k-1.local_net:1")),
            (
                "kafka_discovery.main: {host: 169.254.255.254, port: 20495}",
                Some("http://169.254.255.254:20495"),
            ),
            ("service1.main: {host: h, port: 1}", None),
            ("", None),
        ] {
            assert_eq!(root(text), Ok(expected.map(str::to_owned)), "{text}");
        }
        assert_eq!(service_root(Path::new("/nowhere/services.yaml")), Ok(None));
    }

    #[test]
    fn an_entry_of_another_shape_is_an_error_that_says_what_to_write() {
        for (text, says) in [
            ("kafka_discovery.main:", "has no `host`"),
            ("kafka_discovery.main: {port: 1}", "has no `host`"),
            ("kafka_discovery.main: {host: [h], port: 1}", "has the host [\"h\"], which is none"),
            ("kafka_discovery.main: {host: h/path, port: 1}", "has the host \"h/path\", which is no name"),
            ("kafka_discovery.main: {host: 'http://h', port: 1}", "no scheme, user, port or path"),
            ("kafka_discovery.main: {host: 'h:2222', port: 1}", "has the host \"h:2222\""),
            ("kafka_discovery.main: {host: 'h?x', port: 1}", "has the host \"h?x\""),
            ("kafka_discovery.main: {host: 'a b', port: 1}", "has the host \"a b\""),
            ("kafka_discovery.main: {host: '[::1', port: 1}", "has the host \"[::1\""),
            ("kafka_discovery.main: {host: 'me:secret@h', port: 1}", "has the host \"...@...\""),
            ("kafka_discovery.main: {host: h}", "has no `port`"),
            ("kafka_discovery.main: {host: h, port: x}", "has the port \"x\""),
            ("kafka_discovery.main: {host: h, port: 65536}", "has the port \"65536\""),
            ("kafka_discovery.main: {host: h, port: 0}", "has the port \"0\""),
            ("[a]", "expected a map"),
            ("a: [", "/file:2:1"),
            ("a: [", "not valid YAML"),
        ] {
            let error = root(text).unwrap_err();
            assert!(error.contains(says) && error.starts_with("/file"), "{text}: {error}");
        }
    }

    #[test]
    fn the_local_region_is_what_its_file_names() {
        let (_folder, file) = written(b" uswest2-prod \n");
        assert_eq!(read_name(&file, "region"), Ok("uswest2-prod".to_owned()));
        for (bytes, says) in [
            (&b""[..], "is empty, where the local region should stand"),
            (b"\n", "is empty"),
            (b"a\nb\n", "more than the name of one region"),
            (b"\xff", "not UTF-8"),
            (&[b'x'; 5000], "larger than 4 KiB"),
        ] {
            let (_folder, file) = written(bytes);
            let error = read_name(&file, "region").unwrap_err().to_string();
            assert!(error.contains(says) && error.contains("/file"), "{error}");
        }
        let error = read_name(Path::new("/nowhere/region"), "region").unwrap_err().to_string();
        assert_eq!(
            error,
            "/nowhere/region: no such file, and no region was said: say which region is meant, or write this machine's into the file"
        );
        assert!(read_name(Path::new("/dev/zero"), "region").unwrap_err().problem.contains("is no file"));
    }
}
