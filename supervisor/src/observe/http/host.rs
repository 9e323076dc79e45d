//! Which Host headers are answered: those that mean this host. A page that somebody else serves under a name of its own, which it
//! lets point here, must not read what stands here (DNS rebinding).

use std::net::IpAddr;

use kafkavisor::text::shown;

/// Names that mean us.
#[derive(Debug, Clone)]
pub(super) struct Hosts {
    names: Vec<String>,
}

impl Hosts {
    /// This host's name, and those of `admin.hosts`.
    pub(super) fn new(host: &str, named: &[String]) -> Self {
        let short = host.split('.').next().unwrap_or(host);
        let ours = ["localhost", host, short].into_iter().map(str::to_owned);
        let names = ours.chain(named.iter().cloned()).map(|name| canonical(&name)).collect();
        Self { names }
    }

    /// Refuses an authority, `HOST[:PORT]`, that means somebody else.
    pub(super) fn check(&self, authority: &str) -> Result<(), String> {
        let host = without_port(authority);
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if bare.parse::<IpAddr>().is_ok() || self.names.contains(&canonical(host)) {
            return Ok(());
        }
        Err(format!(
            "{} is no name of this host: ask by its address or by localhost, or add the name to `admin.hosts`\n",
            shown(authority)
        ))
    }
}

fn canonical(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !host.ends_with(':') => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_means_this_host_is_answered() {
        let hosts = Hosts::new("Box7.example.com", &["kafkavisor.internal".to_owned()]);
        for ours in [
            "127.0.0.1",
            "127.0.0.1:9464",
            "[::1]:9464",
            "[::1]",
            "10.0.0.7",
            "localhost",
            "LOCALHOST:1",
            "localhost.",
            "box7",
            "box7.example.com:80",
            "BOX7.example.com.",
            "kafkavisor.internal:9464",
        ] {
            assert_eq!(hosts.check(ours), Ok(()), "{ours}");
        }
        for other in [
            "evil.example",
            "localhost.evil.example:9464",
            "127.0.0.1.nip.io",
            "",
            ":80",
            "box7.evil",
            "[box7]",
        ] {
            assert!(hosts.check(other).is_err(), "{other}");
        }
    }
}
