//! The service's Swagger 2.0 document: which request an operation is. Pure.
//!
//! An operation is found by its `operationId`, wherever its path is; its arguments go where the document puts them: into path, query
//! or header. Parameters may stand with the operation or with its path, in place or by `$ref`. What is meant for machines of another
//! kind (answers' schemas, formats) is not looked at.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Map, Value};

use super::answers::found;

/// What stays as it is in a path segment or a query (RFC 3986, unreserved).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What an operation may be under in a path's item.
const METHODS: [&str; 7] = ["get", "post", "put", "delete", "options", "head", "patch"];
/// The tag of the operations that are meant where there are several of one name.
const TAG: &str = "v1";
/// Longest chain of references that is followed.
const MAX_REFERENCES: usize = 8;

/// A document.
#[derive(Debug, Clone)]
pub(super) struct Document(Value);

/// What to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
}

/// Why a document does not tell the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unusable {
    /// It is no Swagger 2.0 document.
    NotSwagger(String),
    /// It has no such operation.
    NoOperation(String),
    /// The operation can't be called with what there is to say.
    Operation(String),
}

/// Parameters by name and place.
type Parameters<'a> = BTreeMap<(String, String), &'a Map<String, Value>>;

/// An operation with all that stands around it.
struct Operation<'a> {
    method: &'static str,
    template: &'a str,
    item: &'a Value,
    value: &'a Value,
}

impl Document {
    /// Takes what was read as JSON.
    pub(super) fn new(root: Value) -> Result<Self, Unusable> {
        let version = match root.get("swagger") {
            Some(Value::String(version)) => version.clone(),
            Some(other) => other.to_string(),
            None => match root.get("openapi") {
                Some(Value::String(version)) => {
                    return Err(Unusable::NotSwagger(format!("it is OpenAPI {version}")));
                }
                _ if root.is_object() => return Err(Unusable::NotSwagger("it has no `swagger`".to_owned())),
                _ => return Err(Unusable::NotSwagger(format!("it is {}", found(&root)))),
            },
        };
        if version != "2.0" {
            return Err(Unusable::NotSwagger(format!("its `swagger` is {version:?}")));
        }
        if !root.get("paths").is_some_and(Value::is_object) {
            return Err(Unusable::NotSwagger("it has no `paths`".to_owned()));
        }
        Ok(Self(root))
    }

    /// The request that the operation is with these arguments. `root` is where the service is, `http://HOST:PORT/...` without a slash
    /// at its end.
    pub(super) fn request(
        &self,
        root: &str,
        operation_id: &str,
        arguments: &[(&str, &str)],
    ) -> Result<Request, Unusable> {
        let operation = self.operation(operation_id)?;
        let parameters = self.parameters(&operation).map_err(Unusable::Operation)?;
        let base = self.base(root).map_err(Unusable::Operation)?;
        let mut filling =
            Filling { path: operation.template.to_owned(), query: Vec::new(), headers: Vec::new() };
        for (name, _) in arguments {
            if !parameters.keys().any(|(known, _)| known == name) {
                return Err(Unusable::Operation(format!("it takes no parameter `{name}`")));
            }
        }
        for ((name, place), parameter) in &parameters {
            let argument =
                arguments.iter().find(|(known, _)| known == name).map(|(_, value)| (*value).to_owned());
            let Some(value) = argument.or_else(|| only_value(parameter)) else {
                if parameter.get("required").and_then(Value::as_bool) == Some(true) {
                    return Err(Unusable::Operation(format!(
                        "it requires the parameter `{name}`, which is unknown here"
                    )));
                }
                continue;
            };
            filling.put(name, place, &value).map_err(Unusable::Operation)?;
        }
        filling.request(operation.method, &base).map_err(Unusable::Operation)
    }

    /// The operation of that id: of several the one with the tag `v1`, else one without any tag, else the only one there is.
    fn operation(&self, id: &str) -> Result<Operation<'_>, Unusable> {
        let all = self.operations(id);
        let tags = |operation: &Operation<'_>| -> Vec<String> {
            let tags = operation.value.get("tags").and_then(Value::as_array);
            tags.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let several = all.len() > 1;
        let rank = |operation: &Operation<'_>| match tags(operation) {
            tags if tags.iter().any(|tag| tag == TAG) => 0,
            tags if tags.is_empty() => 1,
            _ => 2,
        };
        let tagged: Vec<String> = all.iter().flat_map(tags).collect();
        match all.into_iter().min_by_key(rank) {
            Some(found) if rank(&found) < 2 || !several => Ok(found),
            Some(_) => {
                Err(Unusable::NoOperation(format!("it has {id} only with the tags {}", tagged.join(", "))))
            }
            None => Err(Unusable::NoOperation(format!("it has no operation with the operationId {id}"))),
        }
    }

    fn operations(&self, id: &str) -> Vec<Operation<'_>> {
        let paths = self.0.get("paths").and_then(Value::as_object);
        let mut found = Vec::new();
        for (template, item) in paths.into_iter().flatten() {
            // An item that refers elsewhere in vain holds nothing for us.
            let Ok(item) = self.followed(item) else { continue };
            for method in METHODS {
                if let Some(value) = item.get(method)
                    && value.get("operationId").and_then(Value::as_str) == Some(id)
                {
                    found.push(Operation { method, template, item, value });
                }
            }
        }
        found
    }

    /// The parameters of the path's item, and over them those of the operation, by name and place.
    fn parameters<'a>(&'a self, operation: &Operation<'a>) -> Result<Parameters<'a>, String> {
        let mut parameters = BTreeMap::new();
        for holder in [operation.item, operation.value] {
            let list = match holder.get("parameters") {
                None => continue,
                Some(Value::Array(list)) => list,
                Some(other) => return Err(format!("its `parameters` are {}", found(other))),
            };
            for parameter in list {
                let parameter = self.followed(parameter)?;
                let text = |key: &str| parameter.get(key).and_then(Value::as_str).map(str::to_owned);
                let (Some(name), Some(place), Some(map)) = (text("name"), text("in"), parameter.as_object())
                else {
                    return Err("one of its parameters has no `name` or no `in`".to_owned());
                };
                parameters.insert((name, place), map);
            }
        }
        Ok(parameters)
    }

    /// What a value refers to by `$ref` within the document, or the value itself.
    fn followed<'a>(&'a self, value: &'a Value) -> Result<&'a Value, String> {
        let mut value = value;
        for _ in 0..=MAX_REFERENCES {
            let Some(reference) = value.get("$ref").and_then(Value::as_str) else { return Ok(value) };
            let Some(pointer) = reference.strip_prefix('#') else {
                return Err(format!("{reference:?} refers to another document"));
            };
            let pointer = percent_decode_str(pointer).decode_utf8_lossy();
            value = self.0.pointer(&pointer).ok_or_else(|| format!("{reference:?} refers to nothing"))?;
        }
        Err("a reference leads in a circle".to_owned())
    }

    /// What stands before each path: scheme and host as the document names them, else those of `root`; then `basePath`. Where there is
    /// none of these the service's root is taken for it, so that one behind a prefix is found.
    fn base(&self, root: &str) -> Result<String, String> {
        let text = |key: &str| match self.0.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(other) => Err(format!("the document's `{key}` is {}", found(other))),
        };
        if let Some(Value::Array(schemes)) = self.0.get("schemes")
            && !schemes.is_empty()
            && !schemes.iter().any(|scheme| scheme == "http")
        {
            return Err("the document offers it without http alone, by `schemes`".to_owned());
        }
        let origin_end = root.find("://").map_or(0, |at| at + 3);
        let path_begins =
            root.get(origin_end..).and_then(|rest| rest.find('/')).map_or(root.len(), |at| origin_end + at);
        let origin = root.get(..path_begins).unwrap_or(root);
        let host = text("host")?.filter(|host| !host.is_empty());
        let base = text("basePath")?.map(|base| base.trim_matches('/'));
        let origin = host.map_or_else(|| origin.to_owned(), |host| format!("http://{host}"));
        match base {
            Some("") => Ok(origin),
            Some(base) => Ok(format!("{origin}/{base}")),
            None if host.is_some() => Ok(origin),
            None => Ok(root.to_owned()),
        }
    }
}

/// The value of a parameter that we say nothing for, where the document leaves no choice.
fn only_value(parameter: &Map<String, Value>) -> Option<String> {
    if parameter.get("required").and_then(Value::as_bool) != Some(true) {
        return None;
    }
    let only = match parameter.get("enum").and_then(Value::as_array).map(Vec::as_slice) {
        Some([only]) => Some(only),
        _ => None,
    };
    let value = parameter.get("default").or(only)?;
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

/// A request that is being filled in.
struct Filling {
    path: String,
    query: Vec<String>,
    headers: Vec<(String, String)>,
}

impl Filling {
    fn put(&mut self, name: &str, place: &str, value: &str) -> Result<(), String> {
        let encoded = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
        match place {
            "path" => {
                // A dot segment would be taken away, and something else asked.
                if matches!(value, "" | "." | "..") {
                    return Err(format!("{value:?} can't be the parameter `{name}`, a part of its path"));
                }
                let placeholder = format!("{{{name}}}");
                if !self.path.contains(&placeholder) {
                    return Err(format!("its path has no {placeholder}"));
                }
                self.path = self.path.replace(&placeholder, &encoded(value));
                Ok(())
            }
            "query" => {
                self.query.push(format!("{}={}", encoded(name), encoded(value)));
                Ok(())
            }
            "header" if value.contains(char::is_control) => {
                Err(format!("{value:?} can't be the parameter `{name}`, a header"))
            }
            "header" => {
                self.headers.push((name.to_owned(), value.to_owned()));
                Ok(())
            }
            other => Err(format!(
                "its parameter `{name}` stands in {other:?}, where only path, query and header can be filled in"
            )),
        }
    }

    fn request(self, method: &str, base: &str) -> Result<Request, String> {
        if let Some(at) = self.path.find('{') {
            let rest = self.path.get(at..).unwrap_or_default();
            return Err(format!("its path holds {rest:?}, which no parameter fills"));
        }
        let slash = if self.path.starts_with('/') { "" } else { "/" };
        let mark = if self.query.is_empty() { "" } else { "?" };
        let url = format!("{base}{slash}{}{mark}{}", self.path, self.query.join("&"));
        Ok(Request { method: method.to_uppercase(), url, headers: self.headers })
    }
}

#[cfg(test)]
#[path = "swagger_tests.rs"]
mod tests;
