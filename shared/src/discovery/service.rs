//! A conversation with the discovery service: its document first, then the operations that are wanted.
//!
//! It goes on in a thread of its own, which has an async runtime of its own: so it blocks nobody but its caller, and may be called
//! within other people's runtimes and outside of any. The document is read anew each time, so that a service may move its paths.

use reqwest::{Client, Url};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::exchange::{self, Fault};
use super::service_error::{Asked, ServiceError};
use super::swagger::{Document, Request, Unusable};

/// Where the document is, below the service's root.
const DOCUMENT: &str = "/swagger.json";

/// Where the service is, and in whose name it is asked.
#[derive(Debug, Clone)]
pub(super) struct Service {
    root: String,
    client_id: String,
}

impl Service {
    /// The service whose document is at `<url>/swagger.json`.
    pub(super) fn at(url: &str, client_id: &str) -> Result<Self, ServiceError> {
        let wrong = |reason: &str| ServiceError::Address { url: url.to_owned(), reason: reason.to_owned() };
        let parsed = Url::parse(url.trim()).map_err(|error| wrong(&error.to_string()))?;
        if parsed.scheme() != "http" {
            return Err(wrong("it does not begin with http://"));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            // Not repeated: it may be a secret.
            let url = "http://...@...".to_owned();
            return Err(ServiceError::Address { url, reason: "it holds a user or password".to_owned() });
        }
        if parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(wrong("it holds a '?' or '#'"));
        }
        let host =
            parsed.host_str().filter(|host| !host.is_empty()).ok_or_else(|| wrong("it names no host"))?;
        let port = parsed.port_or_known_default().unwrap_or(80);
        let path = parsed.path().trim_end_matches('/');
        let path = path.strip_suffix(DOCUMENT).unwrap_or(path);
        Ok(Self { root: format!("http://{host}:{port}{path}"), client_id: client_id.to_owned() })
    }

    /// Reads the document and lets `talk` ask with it.
    pub(super) fn conversation<T: Send>(
        &self,
        talk: impl FnOnce(&Conversation<'_>) -> Result<T, ServiceError> + Send,
    ) -> Result<T, ServiceError> {
        let in_thread = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| self.no_thread(&error))?;
            let said = self.open(&runtime).and_then(|conversation| talk(&conversation));
            // A name that is still being looked up is not waited for.
            runtime.shutdown_background();
            said
        };
        std::thread::scope(|scope| {
            let thread =
                std::thread::Builder::new().name("discovery".to_owned()).spawn_scoped(scope, in_thread);
            let thread = thread.map_err(|error| self.no_thread(&error))?;
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    fn open<'a>(&'a self, runtime: &'a Runtime) -> Result<Conversation<'a>, ServiceError> {
        let asked = self.document();
        let client = exchange::client(&self.client_id).map_err(|reason| unreachable(&asked, reason))?;
        let request = Request { method: "GET".to_owned(), url: asked.url.clone(), headers: vec![accept()] };
        let answer = json(&asked, exchanged(runtime, &client, &request, &asked)?)?;
        let document = Document::new(answer).map_err(|unusable| self.unusable("", unusable))?;
        Ok(Conversation { service: self, runtime, client, document })
    }

    fn document(&self) -> Asked {
        Asked { operation: None, url: format!("{}{DOCUMENT}", self.root) }
    }

    fn unusable(&self, operation: &'static str, unusable: Unusable) -> ServiceError {
        let document = self.document();
        match unusable {
            Unusable::NotSwagger(reason) => ServiceError::NotSwagger { asked: document, reason },
            Unusable::NoOperation(reason) => ServiceError::NoOperation { document, operation, reason },
            Unusable::Operation(reason) => ServiceError::Operation { document, operation, reason },
        }
    }

    fn no_thread(&self, error: &std::io::Error) -> ServiceError {
        unreachable(&self.document(), format!("this machine gives no thread for it: {error}"))
    }
}

/// A conversation whose document has been read.
pub(super) struct Conversation<'a> {
    service: &'a Service,
    runtime: &'a Runtime,
    client: Client,
    document: Document,
}

impl Conversation<'_> {
    /// Asks for `operation`, and reads the answer.
    pub(super) fn ask<T>(
        &self,
        operation: &'static str,
        arguments: &[(&str, &str)],
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Result<(Asked, T), ServiceError> {
        let request = self.document.request(&self.service.root, operation, arguments);
        let mut request = request.map_err(|unusable| self.service.unusable(operation, unusable))?;
        request.headers.push(accept());
        let asked = Asked { operation: Some(operation), url: request.url.clone() };
        let body = exchanged(self.runtime, &self.client, &request, &asked)?;
        let answer = json(&asked, body)?;
        match read(&answer) {
            Ok(answer) => Ok((asked, answer)),
            Err(reason) => Err(ServiceError::Unexpected { asked, reason }),
        }
    }
}

fn accept() -> (String, String) {
    ("accept".to_owned(), "application/json".to_owned())
}

fn unreachable(asked: &Asked, reason: String) -> ServiceError {
    ServiceError::Unreachable { asked: asked.clone(), reason }
}

fn json(asked: &Asked, body: Vec<u8>) -> Result<Value, ServiceError> {
    serde_json::from_slice(&body)
        .map_err(|error| ServiceError::NotJson { asked: asked.clone(), reason: error.to_string() })
}

/// The body of a good answer.
fn exchanged(
    runtime: &Runtime,
    client: &Client,
    request: &Request,
    asked: &Asked,
) -> Result<Vec<u8>, ServiceError> {
    let answer = runtime.block_on(exchange::twice(client, request)).map_err(|fault| match fault {
        Fault::Unreached(reason) => unreachable(asked, reason),
        Fault::NoAnswer(reason) => ServiceError::NoAnswer { asked: asked.clone(), reason },
        Fault::TooLate => ServiceError::TooLate { asked: asked.clone() },
        Fault::TooLarge => ServiceError::TooLarge { asked: asked.clone() },
    })?;
    let (asked, status) = (asked.clone(), answer.status);
    match status {
        200..=299 => Ok(answer.body),
        300..=399 => Err(ServiceError::Redirected { asked, status, to: answer.location.unwrap_or_default() }),
        _ => Err(ServiceError::Status { asked, status, text: exchange::for_people(&answer.body) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_with_and_without_its_document() {
        for (url, root) in [
            ("http://h:8888", "http://h:8888"),
            ("http://h:8888/", "http://h:8888"),
            (" http://h ", "http://h:80"),
            ("HTTP://H:80/", "http://h:80"),
            ("http://[::1]:8888/", "http://[::1]:8888"),
            ("http://h:8888/behind/a/proxy/", "http://h:8888/behind/a/proxy"),
            ("http://h:8888/swagger.json", "http://h:8888"),
        ] {
            assert_eq!(Service::at(url, "me").unwrap().root, root);
        }
    }

    #[test]
    fn what_is_no_address_is_said_and_no_password_is() {
        for (url, says) in [
            ("h:8888", "does not begin with http://"),
            ("127.0.0.1:8888", "is no address"),
            ("https://h", "does not begin with http://"),
            ("", "is no address"),
            ("http://", "is no address"),
            ("http://h:99999", "is no address"),
            ("http://h/?x", "holds a '?'"),
            ("http://u:secret@h", "holds a user or password"),
        ] {
            let error = Service::at(url, "me").unwrap_err().to_string();
            assert!(error.contains(says) && error.contains("write http://HOST:PORT"), "{url}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
