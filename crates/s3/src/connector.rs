//! Sends the requests of `object_store` over hythe's own connections.

use std::fmt;

use async_trait::async_trait;
use http_body_util::BodyExt as _;
use hythe_client::Sender;
use hythe_oci::Authority;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
    HttpResponseBody, HttpService,
};

/// The hosts at which Amazon's machines and containers find the credentials of their roles.
const ROLES: [&str; 3] = ["169.254.169.254", "169.254.170.2", "169.254.170.23"];

/// Makes clients that share connections.
pub(crate) struct Connections(Sender<HttpRequestBody>);

impl Connections {
    /// Connections to the server at this URL.
    pub(crate) fn to(endpoint: &str) -> Result<Self, hythe_client::ConfigError> {
        let named: Vec<Authority> = ROLES.iter().filter_map(|host| host.parse().ok()).collect();
        Ok(Self(Sender::new(endpoint, named)?))
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connections")
    }
}

impl HttpConnector for Connections {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Service(self.0.clone())))
    }
}

#[derive(Debug)]
struct Service(Sender<HttpRequestBody>);

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = self.0.send(request).await.map_err(|failure| {
            let kind = if failure.is_connect {
                HttpErrorKind::Connect
            } else if failure.is_timeout {
                HttpErrorKind::Timeout
            } else {
                HttpErrorKind::Request
            };
            HttpError::new(kind, failure)
        })?;
        let interrupted = |error| HttpError::new(HttpErrorKind::Interrupted, error);
        Ok(answer.map(|body| HttpResponseBody::new(body.map_err(interrupted))))
    }
}
