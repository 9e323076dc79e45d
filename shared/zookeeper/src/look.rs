//! A look at each server, as its client would speak to it: ZooKeeper's client says of all that can go wrong with TLS that there
//! is no connection. Blocks, for a few seconds at most.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use rustls::{AlertDescription, CertificateError, ClientConfig, ClientConnection, RootCertStore, Stream};

use crate::tls::{TlsFiles, server_name};
use crate::trouble::Trouble;

/// For a connection, and for each answer.
const WITHIN: Duration = Duration::from_secs(2);
/// A question that every server answers, if only by refusing it.
const QUESTION: &[u8] = b"srvr";
/// ZooKeeper's own.
const PORT: u16 = 2181;

/// What was seen of a server.
enum Sight {
    /// It answers.
    Fine,
    /// Nothing that has a name: it may be down.
    Nothing,
    Trouble(Trouble),
}

/// What is wrong, where no server can be used and that has a name.
pub(crate) fn look(servers: &str, tls: Option<&TlsFiles>) -> Option<Trouble> {
    let mut found = None;
    for (host, port) in addresses(servers) {
        let sight = match tls {
            Some(files) => look_with_tls(&host, port, files),
            None => look_plain(&host, port),
        };
        match sight {
            Sight::Fine => return None,
            Sight::Nothing => {}
            Sight::Trouble(trouble) => found = found.or(Some(trouble)),
        }
    }
    found
}

/// Each server's host and port.
pub(crate) fn addresses(servers: &str) -> Vec<(String, u16)> {
    let one = |server: &str| {
        let (host, port) = match server.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().unwrap_or(PORT)),
            _ => (server, PORT),
        };
        (host.trim_start_matches('[').trim_end_matches(']').to_owned(), port)
    };
    servers.split(',').map(str::trim).filter(|server| !server.is_empty()).map(one).collect()
}

fn look_plain(host: &str, port: u16) -> Sight {
    if answers_in_plain(host, port) {
        return Sight::Fine;
    }
    let Some(mut stream) = connect(host, port) else { return Sight::Nothing };
    let Ok(name) = server_name(host) else { return Sight::Nothing };
    // Whoever it is: nobody is trusted.
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth());
    let connection = config.and_then(|config| ClientConnection::new(Arc::new(config), name));
    let Ok(mut connection) = connection else { return Sight::Nothing };
    let spoken = match connection.complete_io(&mut stream) {
        Ok(_) => true,
        Err(error) => matches!(
            said(&error),
            Some(rustls::Error::InvalidCertificate(_) | rustls::Error::AlertReceived(_))
        ),
    };
    if spoken {
        Sight::Trouble(Trouble::TlsPort { server: format!("{host}:{port}") })
    } else {
        Sight::Nothing
    }
}

fn look_with_tls(host: &str, port: u16, files: &TlsFiles) -> Sight {
    let server = format!("{host}:{port}");
    let (name, config) = match (server_name(host), files.client_config()) {
        (Ok(name), Ok(config)) => (name, config),
        (Err(trouble), _) => return Sight::Trouble(trouble),
        (_, Err(error)) => return Sight::Trouble(error.into()),
    };
    let Some(mut stream) = connect(host, port) else { return Sight::Nothing };
    let Ok(mut connection) = ClientConnection::new(config, name) else { return Sight::Nothing };
    let asked = ask(&mut Stream::new(&mut connection, &mut stream));
    let shaken = !connection.is_handshaking();
    match asked {
        Ok(true) => Sight::Fine,
        Ok(false) if shaken => Sight::Trouble(certificate_refused(server, files, "it closes the connection")),
        Err(error) => match said(&error) {
            Some(error) => of_tls(server, files, error, || answers_in_plain(host, port)),
            None if error.kind() == io::ErrorKind::WouldBlock => Sight::Nothing,
            None if shaken => Sight::Trouble(certificate_refused(server, files, "it closes the connection")),
            None => plain(server, answers_in_plain(host, port)),
        },
        Ok(false) => plain(server, answers_in_plain(host, port)),
    }
}

fn plain(server: String, answers: bool) -> Sight {
    if answers { Sight::Trouble(Trouble::PlainPort { server }) } else { Sight::Nothing }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "TLS can fail in many ways, and only some have a name")]
fn of_tls(
    server: String,
    files: &TlsFiles,
    error: &rustls::Error,
    plain_answers: impl FnOnce() -> bool,
) -> Sight {
    Sight::Trouble(match error {
        rustls::Error::InvalidCertificate(why) => match why {
            CertificateError::UnknownIssuer => {
                Trouble::UnknownCa { server, ca: files.ca().display().to_string() }
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                Trouble::Expired { server }
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Trouble::NotYetValid { server }
            }
            CertificateError::NotValidForName => Trouble::WrongHost { server, names: String::new() },
            CertificateError::NotValidForNameContext { presented, .. } => {
                // Each as in DnsName("k1.example").
                let name = |shown: &String| shown.split('"').nth(1).unwrap_or(shown).to_owned();
                let names =
                    format!(", but for {}", presented.iter().map(name).collect::<Vec<_>>().join(", "));
                Trouble::WrongHost { server, names: if presented.is_empty() { String::new() } else { names } }
            }
            why => Trouble::Tls { server, why: format!("its certificate can't be used ({why})") },
        },
        rustls::Error::AlertReceived(
            AlertDescription::HandshakeFailure
            | AlertDescription::ProtocolVersion
            | AlertDescription::InsufficientSecurity,
        ) => Trouble::Tls { server, why: "there is no version or cipher that both sides know".to_owned() },
        rustls::Error::AlertReceived(alert) => certificate_refused(server, files, &format!("{alert:?}")),
        rustls::Error::InvalidMessage(_) => return plain(server, plain_answers()),
        error => Trouble::Tls { server, why: error.to_string() },
    })
}

fn certificate_refused(server: String, files: &TlsFiles, why: &str) -> Trouble {
    match files.certificate {
        Some(_) => Trouble::ClientCertificateRefused { server, why: why.to_owned() },
        None => Trouble::ClientCertificateMissing { server },
    }
}

fn answers_in_plain(host: &str, port: u16) -> bool {
    let Some(mut stream) = connect(host, port) else { return false };
    // An alert of TLS is no text.
    ask(&mut stream).unwrap_or(false)
}

/// Whether a text comes back.
fn ask(stream: &mut (impl Read + Write)) -> io::Result<bool> {
    stream.write_all(QUESTION)?;
    stream.flush()?;
    let mut first = [0];
    let read = stream.read(&mut first)?;
    Ok(read > 0 && (first.is_ascii() && !first.iter().any(u8::is_ascii_control)))
}

fn connect(host: &str, port: u16) -> Option<TcpStream> {
    let addresses = (host, port).to_socket_addrs().ok()?;
    let mut connected = addresses.filter_map(|address| TcpStream::connect_timeout(&address, WITHIN).ok());
    let stream = connected.next()?;
    stream.set_read_timeout(Some(WITHIN)).ok()?;
    stream.set_write_timeout(Some(WITHIN)).ok()?;
    Some(stream)
}

/// What TLS says, if it was TLS.
fn said(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_taken_apart() {
        let found = addresses("a:1, [::1]:2,b,[::1]");
        let of = |host: &str, port| (host.to_owned(), port);
        assert_eq!(found, [of("a", 1), of("::1", 2), of("b", PORT), of("::1", PORT)]);
    }
}
