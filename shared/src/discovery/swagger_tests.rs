//! Documents of all kinds, and the requests they tell.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const ID: &str = "getClustersWithRegion";
const ROOT: &str = "http://h:8888";

fn document(mut with: Value) -> Value {
    with["swagger"] = json!("2.0");
    with
}

fn path_parameter(name: &str) -> Value {
    json!({"name": name, "in": "path", "required": true, "type": "string"})
}

fn ask(document: Value, arguments: &[(&str, &str)]) -> Result<Request, Unusable> {
    Document::new(document)?.request(ROOT, ID, arguments)
}

fn url(document: Value) -> String {
    ask(document, &[("type", "standard"), ("region", "uswest2")]).unwrap().url
}

/// Path and parameters as the real service has them.
fn usual() -> Value {
    let parameters = json!([path_parameter("type"), path_parameter("region")]);
    let operation = json!({"operationId": ID, "tags": ["v1"], "parameters": parameters});
    document(json!({"paths": {"/v1/clusters/{type}/region/{region}": {"get": operation}}}))
}

#[test]
fn an_operation_is_found_by_its_id_and_its_arguments_go_into_the_path() {
    let request = ask(usual(), &[("type", "standard"), ("region", "uswest2")]).unwrap();
    let url = "http://h:8888/v1/clusters/standard/region/uswest2".to_owned();
    assert_eq!(request, Request { method: "GET".to_owned(), url, headers: vec![] });
}

#[test]
fn the_base_path_stands_before_each_path() {
    for (base, expected) in [
        (Some(json!("/kafka")), "http://h:8888/kafka/v1/clusters"),
        (Some(json!("kafka/")), "http://h:8888/kafka/v1/clusters"),
        (Some(json!("/")), "http://h:8888/v1/clusters"),
        (Some(json!("")), "http://h:8888/v1/clusters"),
        (Some(json!(null)), "http://h:8888/v1/clusters"),
        (None, "http://h:8888/v1/clusters"),
    ] {
        let mut document = usual();
        if let Some(base) = &base {
            document["basePath"] = base.clone();
        }
        assert!(url(document).starts_with(expected), "{base:?}");
    }
    let mut document = usual();
    document["basePath"] = json!(7);
    assert!(matches!(ask(document, &[("type", "a"), ("region", "b")]), Err(Unusable::Operation(_))));
}

#[test]
fn a_service_behind_a_prefix_is_found_where_the_document_does_not_say_otherwise() {
    let ask = |document: Value| {
        let document = Document::new(document).unwrap();
        document.request("http://h:1/proxied/discovery", ID, &[("type", "a"), ("region", "b")]).unwrap().url
    };
    let mut based = usual();
    based["basePath"] = json!("/api");
    assert!(ask(usual()).starts_with("http://h:1/proxied/discovery/v1/"));
    assert!(ask(based).starts_with("http://h:1/api/v1/"));
}

#[test]
fn a_host_that_the_document_names_is_asked_and_another_scheme_is_said() {
    let mut elsewhere = usual();
    elsewhere["host"] = json!("other:99");
    assert!(url(elsewhere.clone()).starts_with("http://other:99/v1/clusters"));
    elsewhere["schemes"] = json!(["https", "http"]);
    assert!(url(elsewhere.clone()).starts_with("http://other:99/v1/clusters"));
    elsewhere["schemes"] = json!(["https"]);
    let error = ask(elsewhere, &[("type", "a"), ("region", "b")]).unwrap_err();
    assert!(matches!(&error, Unusable::Operation(what) if what.contains("schemes")), "{error:?}");
}

#[test]
fn parameters_may_stand_with_the_path_or_be_shared_by_reference() {
    let operation = json!({"operationId": ID, "parameters": [{"$ref": "#/parameters/the%20region"}]});
    let item = json!({"parameters": [{"$ref": "#/parameters/type"}], "get": operation});
    let shared = document(json!({
        "paths": {"/{region}/of/{type}": item},
        "parameters": {"type": path_parameter("type"), "the region": {"$ref": "#/definitions/region"}},
        "definitions": {"region": path_parameter("region")},
    }));
    assert_eq!(url(shared), "http://h:8888/uswest2/of/standard");
}

#[test]
fn a_path_may_be_shared_by_reference() {
    let operation =
        json!({"operationId": ID, "parameters": [path_parameter("type"), path_parameter("region")]});
    let shared = document(json!({"paths": {"/{type}/{region}": {"$ref": "#/x-paths/~1one"}},
        "x-paths": {"/one": {"get": operation}}}));
    assert_eq!(url(shared), "http://h:8888/standard/uswest2");
}

#[test]
fn an_operations_parameter_wins_over_its_paths() {
    let query = json!({"name": "region", "in": "query", "type": "string"});
    let operation = json!({"operationId": ID, "parameters": [
        {"name": "region", "in": "query", "required": true, "type": "string"}, path_parameter("type")]});
    let item = json!({"parameters": [query], "get": operation});
    assert_eq!(url(document(json!({"paths": {"/{type}": item}}))), "http://h:8888/standard?region=uswest2");
}

#[test]
fn arguments_go_into_query_and_header_and_the_method_is_the_documents() {
    let parameters = json!([
        {"name": "type", "in": "header", "required": true, "type": "string"},
        {"name": "region", "in": "query", "required": true, "type": "string"},
        {"name": "verbose", "in": "query", "type": "boolean"},
        {"name": "version", "in": "query", "required": true, "default": 1},
        {"name": "format", "in": "header", "required": true, "enum": ["json"]},
    ]);
    let operation = json!({"operationId": ID, "parameters": parameters});
    let request = ask(
        document(json!({"paths": {"/clusters": {"post": operation}}})),
        &[("type", "standard"), ("region", "a b&c")],
    );
    let request = request.unwrap();
    assert_eq!(
        (request.method.as_str(), request.url.as_str()),
        ("POST", "http://h:8888/clusters?region=a%20b%26c&version=1")
    );
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(request.headers, [header("format", "json"), header("type", "standard")]);
}

#[test]
fn what_an_argument_holds_never_leads_elsewhere() {
    let ask = |region: &str| ask(usual(), &[("type", "standard"), ("region", region)]);
    for (region, encoded) in [
        ("a/b", "a%2Fb"),
        ("a?b#c", "a%3Fb%23c"),
        ("%2e", "%252e"),
        ("é 1+1", "%C3%A9%201%2B1"),
        ("{type}", "%7Btype%7D"),
        (r"ranger.*\.x$", "ranger.%2A%5C.x%24"),
    ] {
        assert_eq!(ask(region).unwrap().url, format!("http://h:8888/v1/clusters/standard/region/{encoded}"));
    }
    for region in ["", ".", ".."] {
        assert!(
            matches!(ask(region), Err(Unusable::Operation(what)) if what.contains("`region`")),
            "{region}"
        );
    }
    let parameters = json!([path_parameter("type"), {"name": "region", "in": "header", "type": "string"}]);
    let headers =
        document(json!({"paths": {"/{type}": {"get": {"operationId": ID, "parameters": parameters}}}}));
    assert!(super::tests::ask(headers, &[("type", "a"), ("region", "a\r\nHost: b")]).is_err());
}

#[test]
fn of_several_operations_of_one_id_that_with_the_tag_v1_is_meant() {
    let operation = |tags: Value| json!({"operationId": ID, "tags": tags, "parameters": [path_parameter("type"), path_parameter("region")]});
    let all = |first: Value, second: Value| {
        document(
            json!({"paths": {"/1/{type}/{region}": {"get": operation(first)}, "/2/{type}/{region}": {"get": operation(second)}}}),
        )
    };
    assert!(url(all(json!(["v2"]), json!(["x", "v1"]))).contains("/2/"));
    assert!(url(all(json!(["v1"]), json!([]))).contains("/1/"));
    assert!(url(all(json!(["v2"]), json!([]))).contains("/2/"));
    let error = ask(all(json!(["v2"]), json!(["v3"])), &[("type", "a"), ("region", "b")]).unwrap_err();
    assert!(matches!(&error, Unusable::NoOperation(what) if what.contains("v2, v3")), "{error:?}");
    let only = document(json!({"paths": {"/{type}/{region}": {"get": operation(json!(["clusters"]))}}}));
    assert_eq!(url(only), "http://h:8888/standard/uswest2");
}

#[test]
fn a_missing_operation_is_named() {
    for paths in [
        json!({}),
        json!({"/a": {"get": {"operationId": "other"}}}),
        json!({"/a": 7}),
        json!({"/a": {"$ref": "#/x"}}),
    ] {
        let error = ask(document(json!({"paths": paths})), &[]).unwrap_err();
        assert_eq!(error, Unusable::NoOperation(format!("it has no operation with the operationId {ID}")));
    }
}

#[test]
fn what_is_no_swagger_is_said() {
    for (root, says) in [
        (json!({"openapi": "3.0.1", "paths": {}}), "it is OpenAPI 3.0.1"),
        (json!({"swagger": "1.2"}), "its `swagger` is \"1.2\""),
        (json!({"swagger": "2.0"}), "it has no `paths`"),
        (json!({"swagger": "2.0", "paths": []}), "it has no `paths`"),
        (json!({"error": "x"}), "it has no `swagger`"),
        (json!([1]), "it is a list"),
        (json!(null), "it is null"),
    ] {
        assert_eq!(Document::new(root).unwrap_err(), Unusable::NotSwagger(says.to_owned()));
    }
}

#[test]
fn an_operation_that_can_not_be_called_says_why() {
    let with = |template: &str, parameters: Value| {
        document(json!({"paths": {template: {"get": {"operationId": ID, "parameters": parameters}}}}))
    };
    let both = || vec![path_parameter("type"), path_parameter("region")];
    let and = |more: Value| [both(), vec![more]].concat();
    for (document, says) in [
        (with("/{type}", json!([path_parameter("type")])), "takes no parameter `region`"),
        (with("/{type}", json!(both())), "its path has no {region}"),
        (with("/{type}/{region}/{x}", json!(both())), "its path holds \"{x}\""),
        (
            with("/{type}/{region}", json!(and(json!({"name": "key", "in": "query", "required": true})))),
            "requires the parameter `key`",
        ),
        (with("/{type}/{region}", json!(and(json!({"in": "query"})))), "no `name` or no `in`"),
        (with("/{type}/{region}", json!(and(json!({"$ref": "other.json#/x"})))), "another document"),
        (with("/{type}/{region}", json!(and(json!({"$ref": "#/parameters/x"})))), "refers to nothing"),
        (
            with("/{type}", json!([path_parameter("type"), {"name": "region", "in": "body"}])),
            "stands in \"body\"",
        ),
        (with("/{type}/{region}", json!({"type": 1})), "its `parameters` are an object"),
    ] {
        let error = ask(document, &[("type", "a"), ("region", "b")]).unwrap_err();
        assert!(matches!(&error, Unusable::Operation(what) if what.contains(says)), "{says}: {error:?}");
    }
    let mut circle = usual();
    circle["parameters"] = json!({"a": {"$ref": "#/parameters/b"}, "b": {"$ref": "#/parameters/a"}});
    circle["paths"]["/v1/clusters/{type}/region/{region}"]["parameters"] =
        json!([{"$ref": "#/parameters/a"}]);
    let error = ask(circle, &[("type", "a"), ("region", "b")]).unwrap_err();
    assert_eq!(error, Unusable::Operation("a reference leads in a circle".to_owned()));
}

proptest! {
    #[test]
    fn a_filled_path_has_as_many_segments_as_its_template(region in "\\PC{1,20}") {
        prop_assume!(region != "." && region != "..");
        let url = ask(usual(), &[("type", "t"), ("region", &region)]).unwrap().url;
        prop_assert_eq!(url.split('/').count(), 8);
        prop_assert!(!url.contains(['?', '#', ' ']));
        prop_assert_eq!(percent_decode_str(url.rsplit('/').next().unwrap()).decode_utf8().unwrap(), region);
    }
}
