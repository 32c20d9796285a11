//! Deletes tags, manifests and blobs of a registry (distribution-spec, Content Management).

use http::{Method, StatusCode};
use hythe_oci::{Digest, Reference, RepositoryName, Tag, path};

use crate::ask::Ask;
use crate::client::Client;
use crate::error::Error;
use crate::scope::Scope;

impl Client {
    /// Deletes a tag (distribution-spec, Deleting tags, end-9). The manifest that it names stays. Registries may lack
    /// this: the error is then [`Error::Denied`] with status 405, or [`Error::Protocol`].
    pub async fn delete_tag(&self, name: &RepositoryName, tag: &Tag) -> Result<(), Error> {
        let path = path::manifest(name, &Reference::Tag(tag.clone()));
        self.delete(name, &path, format!("tag `{tag}` of `{name}`")).await
    }

    /// Deletes a manifest, with the tags that name it (distribution-spec, Deleting manifests, end-9).
    pub async fn delete_manifest(&self, name: &RepositoryName, digest: &Digest) -> Result<(), Error> {
        let path = path::manifest(name, &Reference::Digest(*digest));
        self.delete(name, &path, format!("manifest `{digest}` of `{name}`")).await
    }

    /// Deletes a blob from a repository (distribution-spec, Deleting blobs, end-10).
    pub async fn delete_blob(&self, name: &RepositoryName, digest: &Digest) -> Result<(), Error> {
        let path = path::blob(name, digest);
        self.delete(name, &path, format!("blob `{digest}` of `{name}`")).await
    }

    async fn delete(&self, name: &RepositoryName, path: &str, asked: String) -> Result<(), Error> {
        let scopes = vec![Scope::delete(name)];
        let deletion = format!("the deletion of {asked}");
        let mut ask = Ask::new(Method::DELETE, self.0.at(path), scopes, self.0.subject(deletion));
        // The specification's status is 202; some registries answer that nothing is left to do.
        ask.expected = &[StatusCode::ACCEPTED, StatusCode::OK, StatusCode::NO_CONTENT];
        let deleted = self.0.ask(ask).await.map(drop);
        // The registry lacks the thing, not its deletion.
        deleted.map_err(|error| match error {
            Error::NotFound { host, said, certain, .. } => Error::NotFound { host, asked, said, certain },
            error => error,
        })
    }
}
