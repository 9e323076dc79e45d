//! Services that are broken: each is named, and nothing takes long.

use std::io::Write;
use std::net::TcpListener;
use std::time::Duration;

use kafkavisor::clock::now;
use kafkavisor::discovery::{DiscoveryError, ServiceError};
use serde_json::json;

use crate::broken::{Broken, document, response};
use crate::place::Place;

/// Two exchanges of 2 s, and what a busy machine takes.
const AT_MOST: Duration = Duration::from_secs(8);

#[track_caller]
#[expect(clippy::wildcard_enum_match_arm, reason = "how a test fails")]
fn service_error(error: DiscoveryError, says: &[&str]) -> ServiceError {
    let text = error.to_string();
    let whole = ["the cluster of type \"standard\" for region \"uswest2\"", "http://127.0.0.1:"];
    for says in whole.iter().chain(says) {
        assert!(text.contains(says), "{says}: {text}");
    }
    match error {
        DiscoveryError::Service { error, .. } => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn nobody_there_is_unreachable() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let discovery = Place::empty().discovery(Some(&format!("http://{address}")));
    let error = discovery.region_cluster("standard", Some("uswest2")).unwrap_err();
    assert!(error.is_unreachable());
    let error = service_error(
        error,
        &[&address.to_string(), "Connection refused", "is the discovery service running"],
    );
    assert!(matches!(error, ServiceError::Unreachable { .. }));
    let discovery = Place::empty().discovery(Some("http://no-such-host.invalid:8888"));
    let error = discovery.region_cluster("standard", Some("uswest2")).unwrap_err();
    assert!(error.is_unreachable() && error.to_string().contains("no-such-host.invalid:8888"), "{error}");
}

#[test]
fn one_that_takes_a_minute_is_given_up_after_two_tries() {
    let began = now();
    let silent = Broken::start(|_, connection| {
        // Longer than anybody waits; the connection stays open.
        let _until_the_client_goes = std::io::Read::read(connection, &mut [0; 1]);
    });
    let error =
        service_error(silent.error(), &["has not answered in whole within 2s, asked twice", "swagger.json"]);
    assert!(matches!(error, ServiceError::TooLate { .. }));
    let took = began.elapsed();
    assert!((Duration::from_secs(4)..AT_MOST).contains(&took), "{took:?}");
    assert_eq!(silent.asked(), ["GET /swagger.json HTTP/1.1", "GET /swagger.json HTTP/1.1"]);
}

#[test]
fn the_limit_holds_for_the_whole_answer_and_not_for_each_part_of_it() {
    let began = now();
    let slow = Broken::start(|_, connection| {
        let _begun = connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
        while connection.write_all(b" ").is_ok() {
            std::thread::park_timeout(Duration::from_millis(100));
        }
    });
    let error = service_error(slow.error(), &["has not answered in whole"]);
    assert!(matches!(error, ServiceError::TooLate { .. }));
    assert!(began.elapsed() < AT_MOST);
}

#[test]
fn it_is_tried_once_more_and_not_twice() {
    let flaky = |fails: usize, how: &'static str| {
        let failed = std::sync::atomic::AtomicUsize::new(0);
        let cluster = json!({"type": "standard", "name": "n", "broker_list": ["k:1"], "zookeeper": "z:1"});
        let (document, cluster) =
            (response("200 OK", &document().to_string()), response("200 OK", &cluster.to_string()));
        Broken::start(move |head, connection| {
            let failing = failed.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < fails;
            let said = if failing {
                how
            } else if head.starts_with("GET /swagger") {
                &document
            } else {
                &cluster
            };
            let _client_is_gone = connection.write_all(said.as_bytes());
        })
    };
    for how in [
        "",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
    ] {
        let once = flaky(1, how);
        assert!(once.discovery().region_cluster("standard", Some("uswest2")).is_ok(), "{how:?}");
        let twice = flaky(2, how);
        assert!(matches!(twice.error(), DiscoveryError::Service { .. }), "{how:?}");
        assert_eq!(twice.asked().len(), 2, "{how:?}");
    }
}

#[test]
fn a_document_that_is_no_json_or_no_swagger_is_said() {
    let html = Broken::raw(response("200 OK", "<html>hello</html>"));
    let error = service_error(html.error(), &["/swagger.json answers what is no JSON", "line 1"]);
    assert!(matches!(error, ServiceError::NotJson { .. }));
    let nested = Broken::raw(response("200 OK", &"[".repeat(100_000)));
    assert!(matches!(service_error(nested.error(), &["no JSON"]), ServiceError::NotJson { .. }));
    let other = Broken::raw(response("200 OK", r#"{"openapi":"3.0.0","paths":{}}"#));
    let error = service_error(other.error(), &["is no Swagger 2.0: it is OpenAPI 3.0.0"]);
    assert!(matches!(error, ServiceError::NotSwagger { .. }));
    let empty = Broken::raw(response("200 OK", ""));
    assert!(matches!(service_error(empty.error(), &["no JSON"]), ServiceError::NotJson { .. }));
}

/// It was reached: what answers there is no discovery service, or one in trouble, and topology files do not answer in its place.
#[test]
fn one_that_answers_no_http_or_hangs_up_was_reached() {
    for bytes in ["220 smtp ready\r\n", "", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"] {
        let broken = Broken::raw(bytes);
        let error = broken.error();
        assert!(!error.is_unreachable(), "{bytes:?}: {error}");
        let _said = service_error(error, &["/swagger.json gives no whole HTTP answer", "check whether"]);
        assert_eq!(broken.asked().len(), 2, "it is tried twice");
    }
}

#[test]
fn a_document_without_the_operation_names_what_is_missing() {
    let mut lacking = document();
    lacking["paths"].as_object_mut().unwrap().remove("/getClustersWithRegion");
    let lacking = Broken::raw(response("200 OK", &lacking.to_string()));
    let error = service_error(lacking.error(), &["has no getClustersWithRegion", "/swagger.json"]);
    assert!(matches!(error, ServiceError::NoOperation { operation: "getClustersWithRegion", .. }));
    assert_eq!(lacking.asked(), ["GET /swagger.json HTTP/1.1"], "nothing else is asked");
    assert!(
        lacking.discovery().all_clusters("standard").unwrap_err().to_string().contains("getClustersAll at ")
    );
}

#[test]
fn a_redirection_is_said_and_not_followed() {
    let elsewhere = Broken::raw(response("200 OK", &document().to_string()));
    let location = format!("{}/swagger.json", elsewhere.url);
    let redirecting = Broken::raw(format!(
        "HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    ));
    let error = service_error(
        redirecting.error(),
        &["answers 302, a redirection", &location, "give the address of the service itself"],
    );
    assert!(matches!(error, ServiceError::Redirected { status: 302, .. }));
    assert_eq!((redirecting.asked().len(), elsewhere.asked().len()), (1, 0));
}

#[test]
fn an_answer_without_end_is_given_up() {
    let huge = Broken::start(|_, connection| {
        let _begun = connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        let chunk = vec![b' '; 1 << 20];
        while connection.write_all(&chunk).is_ok() {}
    });
    let error = service_error(huge.error(), &["answers more than 16 MiB"]);
    assert!(matches!(error, ServiceError::TooLarge { .. }));
    assert_eq!(huge.asked().len(), 1, "it would be no smaller the second time");
}

#[test]
fn an_error_of_the_service_is_none_of_what_was_asked() {
    for (status, code) in [("500 Broken", 500), ("403 Forbidden", 403), ("429 Too Many", 429)] {
        let broken = Broken::answering(&response(status, r#"{"description": "out of \u001b[31morder"}"#));
        let error = broken.error();
        assert!(!error.is_unreachable());
        let error = service_error(
            error,
            &[&format!("answers {code} (out of \\u{{1b}}[31morder)"), "getClustersWithRegion at"],
        );
        assert!(matches!(error, ServiceError::Status { status, .. } if status == code));
    }
    let without_document = Broken::raw(response("404 Not Found", "no such page"));
    let error = without_document.error();
    let error = service_error(error, &["the Swagger document at", "answers 404 (no such page)"]);
    assert!(matches!(error, ServiceError::Status { status: 404, .. }));
    let long = Broken::answering(&response("500 Broken", &"x".repeat(100_000)));
    assert!(long.error().to_string().len() < 1_000);
}

#[test]
fn answers_of_another_shape_say_what_was_expected() {
    for (body, says) in [
        ("null", "expected a cluster, found null"),
        ("[]", "expected a cluster, found a list"),
        (r#"{"name":"n","type":"t","zookeeper":"z"}"#, "has no `broker_list`"),
        (
            r#"{"name":"n","type":"t","zookeeper":null,"broker_list":"k:1"}"#,
            "`zookeeper`: expected a text, found null",
        ),
        (r#"{"name":"n","type":"t","zookeeper":"z","broker_list":[]}"#, "names no broker"),
        (
            r#"{"name":"n","type":"t","zookeeper":"z","broker_list":{"k":1}}"#,
            "`broker_list`: expected a list of brokers",
        ),
    ] {
        let error = Broken::answering(&response("200 OK", body)).error();
        let error = service_error(error, &["getClustersWithRegion at", says, "check which version"]);
        assert!(matches!(error, ServiceError::Unexpected { .. }));
    }
    let names = Broken::answering(&response("200 OK", r#"{"names":[]}"#));
    let text = names.discovery().all_logs_regions().unwrap_err().to_string();
    assert!(
        text.contains("the regions that have logs: getLogsRegions at") && text.contains("a list of names"),
        "{text}"
    );
    let text = names.discovery().region_logs_stream("ranger", None).unwrap_err().to_string();
    assert!(text.contains("expected a list of logs, found an object"), "{text}");
}

#[test]
fn of_all_clusters_the_one_that_fails_is_named() {
    let (document, names) =
        (response("200 OK", &document().to_string()), response("200 OK", r#"["good","bad","never"]"#));
    let cluster = json!({"type": "standard", "name": "good", "broker_list": ["k:1"], "zookeeper": "z:1"});
    let cluster = response("200 OK", &cluster.to_string());
    let service = Broken::start(move |head, connection| {
        let said = match head.split(' ').nth(1).unwrap_or_default() {
            "/swagger.json" => &document,
            asked if asked.starts_with("/getClustersAll") => &names,
            asked if asked.contains("=good") => &cluster,
            _ => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        };
        let _client_is_gone = connection.write_all(said.as_bytes());
    });
    let error = service.discovery().all_clusters("standard").unwrap_err();
    assert!(
        matches!(&error, DiscoveryError::InvalidClusterTypeOrName { name, .. } if name == "bad"),
        "{error:?}"
    );
    assert!(!service.asked().iter().any(|asked| asked.contains("never")), "asked on after a failure");
}

#[test]
fn an_address_that_is_none_is_said() {
    for url in ["127.0.0.1:8888", "https://127.0.0.1:8888", "http://"] {
        let error =
            Place::empty().discovery(Some(url)).region_cluster("standard", Some("uswest2")).unwrap_err();
        assert!(
            matches!(&error, DiscoveryError::Service { error: ServiceError::Address { .. }, .. }),
            "{error}"
        );
    }
}

/// By name that is another name or type, by region another type.
#[test]
fn another_cluster_than_was_asked_for_is_refused() {
    let answering = |cluster_type: &str, name: &str| {
        let cluster = json!({"type": cluster_type, "name": name, "broker_list": ["k:1"], "zookeeper": "z:1"});
        let (document, names) =
            (response("200 OK", &document().to_string()), response("200 OK", r#"["asked"]"#));
        let cluster = response("200 OK", &cluster.to_string());
        Broken::start(move |head, connection| {
            let said = match head.split(' ').nth(1).unwrap_or_default() {
                "/swagger.json" => &document,
                asked if asked.starts_with("/getClustersAll") => &names,
                _ => &cluster,
            };
            let _client_is_gone = connection.write_all(said.as_bytes());
        })
    };
    let (of_another_type, another) = (answering("scribe", "asked"), answering("standard", "another"));
    let discovery = of_another_type.discovery();
    let by_another_name = another.discovery();
    for (answer, says) in [
        (discovery.region_cluster("standard", Some("r")), "region \"r\": getClustersWithRegion at"),
        (
            discovery.superregion_cluster("standard", Some("s")),
            "superregion \"s\": getClustersWithSuperregion at",
        ),
        (discovery.kafka_cluster("standard", "asked"), "named \"asked\": getClustersWithName at"),
        (
            discovery.all_clusters("standard").map(|mut all| all.remove(0)),
            "named \"asked\": getClustersWithName at",
        ),
        (by_another_name.kafka_cluster("standard", "asked"), "named \"asked\": getClustersWithName at"),
        (
            by_another_name.all_clusters("standard").map(|mut all| all.remove(0)),
            "named \"asked\": getClustersWithName at",
        ),
    ] {
        let error = answer.expect_err(says);
        let text = error.to_string();
        assert!(text.contains("the cluster of type \"standard\"") && text.contains(says), "{says}: {text}");
        let answered = ["\"another\" of type \"standard\"", "\"asked\" of type \"scribe\""];
        assert!(answered.iter().any(|answered| text.contains(answered)), "{text}");
        assert!(!error.is_unreachable());
    }
    assert!(by_another_name.region_cluster("standard", Some("r")).is_ok(), "a region's may have any name");
}
