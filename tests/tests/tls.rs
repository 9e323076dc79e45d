//! A look of our own at a server's TLS tells apart what others word alike.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use kafkavisor::clock::now;
use kafkavisor_kafka::trouble::tls::{Files, Password, Sight, Source, Stream, TlsTrouble, look};
use kafkavisor_tests::environment::{certificate, secure};

/// ApiVersions, version 0, without a client's name.
const HELLO: &[u8] = &[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 255, 255];
/// ZooKeeper's "are you ok".
const RUOK: &[u8] = b"ruok";

fn trusting(ca: &str) -> Files {
    Files { ca: Some(Source::At(certificate(ca))), ..Files::default() }
}

fn with(files: Files, certificate_of: &str) -> Files {
    let file = |kind: &str| Some(Source::At(certificate(&format!("{certificate_of}.{kind}"))));
    Files { certificate: file("pem"), key: file("key"), ..files }
}

fn address(name: &str) -> (String, u16) {
    let address = secure(name);
    let (host, port) = address.split(',').next().unwrap().rsplit_once(':').unwrap();
    (host.to_owned(), port.parse().unwrap())
}

fn seen(host: &str, port: u16, files: &Files, hello: &[u8]) -> Sight<usize> {
    look((host, port), files, now() + Duration::from_secs(10), |stream: &mut dyn Stream| {
        stream.write_all(hello)?;
        let count = stream.read(&mut [0; 64])?;
        if count == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(count) }
    })
}

fn trouble(name: &str, files: &Files) -> TlsTrouble {
    let (host, port) = address(name);
    match seen(&host, port, files, HELLO) {
        Sight::Trouble(trouble) => {
            println!("{name}: {trouble}");
            trouble
        }
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn a_fine_server_answers_whatever_form_the_files_have() {
    let text = |file: &str| Some(Source::Pem(std::fs::read_to_string(certificate(file)).unwrap()));
    let password = Some(Password("svc-secret".to_owned()));
    let encrypted = Some(Source::At(certificate("svc-encrypted.key")));
    let in_place =
        Files { ca: text("ca.pem"), certificate: text("svc.pem"), key: text("svc.key"), ..Files::default() };
    let keystore =
        Files { keystore: Some(certificate("svc.p12")), password: password.clone(), ..trusting("ca.pem") };
    for (name, files) in [
        ("TLS", trusting("ca.pem")),
        ("TLS", Files { unverified: true, ..Files::default() }),
        ("UNKNOWN_CA", trusting("other-ca.pem")),
        ("WRONG_HOST", Files { any_host: true, ..trusting("ca.pem") }),
        ("MUTUAL_TLS", with(trusting("ca.pem"), "svc")),
        ("MUTUAL_TLS", in_place),
        ("MUTUAL_TLS", keystore),
        ("MUTUAL_TLS", Files { key: encrypted, password, ..with(trusting("ca.pem"), "svc") }),
    ] {
        let (host, port) = address(name);
        let seen = seen(&host, port, &files, HELLO);
        assert!(matches!(seen, Sight::Agreed(count) if count > 8), "{name}, {files:?}: {seen:?}");
    }
    let (host, port) = address("ZOOKEEPER_TLS");
    let seen = seen(&host, port, &with(trusting("ca.pem"), "svc"), RUOK);
    assert!(matches!(seen, Sight::Agreed(_)), "{seen:?}");
}

#[test]
fn each_trouble_has_its_own_name() {
    let ca = trusting("ca.pem");
    assert!(matches!(trouble("EXPIRED", &ca), TlsTrouble::Expired { .. }));
    let TlsTrouble::WrongHost { host, names, .. } = trouble("WRONG_HOST", &ca) else { panic!() };
    assert_eq!((host.as_str(), names), ("127.0.0.1", vec!["elsewhere.example".to_owned()]));
    let TlsTrouble::UnknownCa { issuer, .. } = trouble("UNKNOWN_CA", &ca) else { panic!() };
    assert_eq!(issuer, "kafkavisor test other-ca");
    assert!(matches!(trouble("TLS", &trusting("other-ca.pem")), TlsTrouble::UnknownCa { .. }));
    assert!(matches!(trouble("TLS", &Files::default()), TlsTrouble::UnknownCa { .. }));
}

#[test]
fn what_a_server_has_against_our_certificate_is_told_too() {
    let ca = trusting("ca.pem");
    assert!(matches!(trouble("MUTUAL_TLS", &ca), TlsTrouble::ClientCertificateMissing { .. }));
    let refused = trouble("MUTUAL_TLS", &with(ca.clone(), "unknown-ca"));
    assert!(matches!(refused, TlsTrouble::ClientCertificateRefused { .. }), "{refused:?}");
    assert!(matches!(trouble("MUTUAL_TLS", &with(ca.clone(), "expired")), TlsTrouble::OwnExpired { .. }));
    let nowhere = Files { ca: Some(Source::At(PathBuf::from("/nowhere.pem"))), ..Files::default() };
    assert!(matches!(trouble("TLS", &nowhere), TlsTrouble::File(_)));
    let wrong =
        Files { password: Some(Password("wrong".to_owned())), keystore: Some(certificate("svc.p12")), ..ca };
    assert!(matches!(trouble("TLS", &wrong), TlsTrouble::File(_)));
}

#[test]
fn what_speaks_no_tls_is_told_from_what_is_not_there() {
    for name in ["BROKERS", "SASL_PLAIN_TEXT", "ZOOKEEPER"] {
        let (host, port) = address(name);
        let seen = seen(&host, port, &trusting("ca.pem"), HELLO);
        assert!(matches!(seen, Sight::NoTls), "{name}: {seen:?}");
    }
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let seen = seen("127.0.0.1", nobody, &trusting("ca.pem"), HELLO);
    assert!(
        matches!(&seen, Sight::NotReached(error) if error.kind() == io::ErrorKind::ConnectionRefused),
        "{seen:?}"
    );
}
