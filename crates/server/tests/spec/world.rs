//! The registry and client of every check.

use std::ops::Deref;

use hythe_oci::ErrorBody;
use hythe_testing::{Answer, Client, Setup, TestRegistry};

/// A registry and its client. The client checks each response for the rules of all responses.
pub(crate) struct World {
    pub(crate) registry: TestRegistry,
    client: Client,
}

impl World {
    pub(crate) fn start(setup: Setup) -> Self {
        let registry = setup.start();
        let client = registry.client().checked(check);
        Self { registry, client }
    }
}

impl Deref for World {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// Checks the rules of all responses, errors included.
#[track_caller]
fn check(method: &str, target: &str, answer: &Answer) {
    let about = format!("{method} {target}: {answer}");
    assert!(answer.status < 500 || answer.status == 507, "{about}");
    // registry:2: clients may require this header in every response.
    assert_eq!(answer.header("docker-distribution-api-version"), Some("registry/2.0"), "{about}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{about}");
    assert!(answer.header("x-request-id").is_some(), "{about}");
    // Stored bytes are sent unchanged, whatever codings the client accepts.
    assert_eq!(answer.header("content-encoding"), None, "{about}");
    if let Some(location) = answer.header("location") {
        assert!(location.starts_with("/v2/"), "a client behind a proxy needs a relative Location: {about}");
    }
    // Warnings: code 299, no agent, no date, at most 4096 bytes together.
    for warning in answer.all("warning") {
        assert!(warning.starts_with("299 - \"") && warning.ends_with('"'), "{about}");
    }
    assert!(answer.all("warning").map(str::len).sum::<usize>() <= 4096, "{about}");
    if answer.status >= 400 && method != "HEAD" {
        // Error Codes: the format is a MUST.
        assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"), "{about}");
        let body: ErrorBody =
            serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {about}"));
        assert!(!body.errors.is_empty(), "{about}");
        for error in body.errors {
            assert!(error.known_code().is_some() && !error.message.is_empty(), "{about}");
        }
    }
}
