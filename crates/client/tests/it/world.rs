//! Helpers that the tests share.

use std::time::Duration;

use hythe_client::{BlobBody, Client, ClientOptions, Credentials, Error, ManifestAnswer};
use hythe_oci::{Reference, RepositoryName};
use hythe_testing::ScriptedUpstream;
use tokio::io::AsyncReadExt as _;

pub(crate) const LIMIT: usize = 4 << 20;

/// Options for an upstream, with a short `head_timeout`.
pub(crate) fn options(upstream: &ScriptedUpstream) -> ClientOptions {
    ClientOptions { head_timeout: Duration::from_secs(10), ..ClientOptions::new(upstream.endpoint()) }
}

pub(crate) fn client(upstream: &ScriptedUpstream) -> Client {
    Client::new(options(upstream)).unwrap()
}

pub(crate) fn client_of(upstream: &ScriptedUpstream, credentials: Credentials) -> Client {
    Client::new(ClientOptions { credentials, ..options(upstream) }).unwrap()
}

pub(crate) fn basic(username: &str, password: &str) -> Credentials {
    Credentials::Basic { username: username.to_owned(), password: password.to_owned() }
}

pub(crate) fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

pub(crate) fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

/// Pulls the manifest `app:latest`.
pub(crate) async fn pull(client: &Client) -> Result<ManifestAnswer, Error> {
    client.manifest(&name("app"), &reference("latest"), LIMIT).await
}

/// Reads a body; returns its bytes, and the error at its end.
pub(crate) async fn collect(mut body: BlobBody) -> (Vec<u8>, Option<std::io::Error>) {
    let mut bytes = Vec::new();
    let error = body.read_to_end(&mut bytes).await.err();
    if error.is_some() {
        assert_eq!(body.read(&mut [0]).await.unwrap(), 0, "an error is the end");
    }
    (bytes, error)
}

/// Asserts that the error's message contains all of these words.
#[track_caller]
pub(crate) fn assert_says(error: &Error, words: &[&str]) {
    let message = error.to_string();
    for word in words {
        assert!(message.contains(word), "`{word}` is missing: {message}");
    }
}
