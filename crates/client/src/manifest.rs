//! Manifests of a registry.

use bytes::Bytes;
use http::Method;
use hythe_oci::{Digest, Reference, RepositoryName, path};

use crate::ask::Ask;
use crate::client::{Client, Inner};
use crate::error::Error;
use crate::room::Held;

/// Every media type that hythe understands, then any other at low preference: a registry that has none of these should
/// send what it has and not convert it.
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json, \
    */*;q=0.1";

/// What a registry tells about a manifest without sending it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestHead {
    /// Its digest.
    pub digest: Option<Digest>,
    /// Its media type, without parameters.
    pub media_type: Option<String>,
    /// Its size in bytes.
    pub size: Option<u64>,
}

/// A manifest as a registry sent it. Nothing in it is verified. It occupies part of the memory for manifests
/// ([`crate::ClientOptions::manifests`]) until it is dropped.
#[derive(Debug)]
pub struct ManifestAnswer {
    /// Its exact bytes.
    pub bytes: Bytes,
    /// Its media type, without parameters.
    pub media_type: Option<String>,
    /// The digest that the registry's header gives.
    pub digest: Option<Digest>,
    _room: Held,
}

impl Client {
    /// Asks what a tag or digest names, without its content (HEAD). Docker Hub does not count such requests.
    pub async fn manifest_head(
        &self,
        name: &RepositoryName,
        reference: &Reference,
    ) -> Result<ManifestHead, Error> {
        let mut ask = self.0.manifest(name, reference);
        ask.method = Method::HEAD;
        let answer = self.0.ask(ask).await?;
        Ok(ManifestHead {
            digest: answer.digest(),
            media_type: answer.media_type(),
            size: answer.content_length(),
        })
    }

    /// Reads a manifest of at most `limit` bytes.
    pub async fn manifest(
        &self,
        name: &RepositoryName,
        reference: &Reference,
        limit: usize,
    ) -> Result<ManifestAnswer, Error> {
        let answer = self.0.ask(self.0.manifest(name, reference)).await?;
        let (digest, media_type) = (answer.digest(), answer.media_type());
        let (bytes, held) = answer.read_in(&self.0.manifests, limit).await?;
        Ok(ManifestAnswer { bytes, media_type, digest, _room: held })
    }
}

impl Inner {
    fn manifest(&self, name: &RepositoryName, reference: &Reference) -> Ask {
        let asked = match reference {
            Reference::Tag(tag) => format!("tag `{tag}` of `{name}`"),
            Reference::Digest(digest) => format!("manifest `{digest}` of `{name}`"),
        };
        self.get(&path::manifest(name, reference), name, ACCEPT, asked)
    }
}
