//! Checks that an endpoint is a registry (distribution-spec, Determining Support, end-1).

use http::Method;
use hythe_oci::{header, path};

use crate::answer::text;
use crate::ask::Ask;
use crate::client::Client;
use crate::error::Error;
use crate::tokens::Required;

/// What a registry tells about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ping {
    /// The version of the API (`Docker-Distribution-API-Version`: `registry/2.0`). Registries need not tell it.
    pub api: Option<String>,
    /// What the registry required before it answered.
    pub required: Required,
}

impl Client {
    /// Checks that the endpoint is a registry that answers and accepts the credentials (distribution-spec, Determining
    /// Support, end-1).
    pub async fn ping(&self) -> Result<Ping, Error> {
        let ask = Ask::new(Method::GET, self.0.at(&path::base()), Vec::new(), self.0.subject("`/v2/`"));
        let answer = self.0.ask(ask).await?;
        let api = text(answer.headers(), header::DOCKER_DISTRIBUTION_API_VERSION).map(str::to_owned);
        Ok(Ping { api, required: self.0.tokens.required().await })
    }
}
