//! Redirects: which are followed, with which credentials, and which are refused.

use hythe_client::{BlobAnswer, Client, ClientOptions, Credentials, Error, Remedy};
use hythe_oci::Digest;
use hythe_testing::{Fault, ImageBuilder, Rule, ScriptedUpstream, TokenRules};

use crate::world::{assert_says, basic, client, client_of, collect, name, options, pull};

struct Redirected {
    upstream: ScriptedUpstream,
    storage: ScriptedUpstream,
    digest: Digest,
}

const CONTENT: &[u8] = b"a layer somewhere else";

impl Redirected {
    /// An upstream that redirects blobs to `location`; `{storage}` in it stands for the storage's endpoint.
    fn to(location: &str) -> Self {
        let (upstream, storage) = (ScriptedUpstream::start(), ScriptedUpstream::start());
        let digest = upstream.push_blob("app", CONTENT);
        storage.push_blob("app", CONTENT);
        let location = location
            .replace("{storage}", &storage.endpoint())
            .replace("{port}", &storage.address().port().to_string());
        upstream.rule(Rule::any("/blobs/", Fault::redirect(location)));
        Self { upstream, storage, digest }
    }

    async fn blob(&self, client: &Client) -> Result<BlobAnswer, Error> {
        client.blob(&name("app"), &self.digest, 0).await
    }
}

#[tokio::test]
async fn a_blob_is_read_from_the_redirects_target() {
    for status in [301, 302, 303, 307, 308] {
        let to = Redirected::to("{storage}/storage/{hex}?signature=x%2Fy");
        to.upstream.clear_rules();
        let location = format!("{}/storage/{{hex}}?signature=x%2Fy", to.storage.endpoint());
        to.upstream.rule(Rule::any("/blobs/", Fault::Redirect { status, location }));
        let answer = to.blob(&client(&to.upstream)).await.unwrap();
        assert_eq!(answer.size, Some(CONTENT.len() as u64));
        assert_eq!(collect(answer.body).await.0, CONTENT);
        assert_eq!(to.storage.requests()[0].query(), "signature=x%2Fy");
    }
}

#[tokio::test]
async fn a_relative_redirect_stays_at_the_host_and_keeps_the_credentials() {
    let to = Redirected::to("/v2/moved/blobs/sha256:{hex}");
    to.upstream.clear_rules();
    to.upstream.rule(Rule::any("/v2/app/blobs/", Fault::redirect("../../moved/blobs/sha256:{hex}")));
    to.upstream.push_blob("moved", CONTENT);
    to.upstream.require_basic("alice", "s3cret");
    let answer = to.blob(&client_of(&to.upstream, basic("alice", "s3cret"))).await.unwrap();
    assert_eq!(collect(answer.body).await.0, CONTENT);
}

#[tokio::test]
async fn credentials_are_not_sent_to_another_port_nor_after_a_redirect_back() {
    let to = Redirected::to("{storage}/storage/{hex}");
    to.upstream.require_token(TokenRules::default());
    to.blob(&client(&to.upstream)).await.unwrap();
    let seen = to.storage.requests().pop().unwrap();
    assert_eq!(seen.header("authorization"), None);
    assert!(seen.headers.iter().all(|(_, value)| !value.contains("scripted-token")), "{seen:?}");

    // The storage redirects back to a repository; it must not be able to use the client's credentials for that.
    let back = format!("{}/v2/secret/blobs/sha256:{{hex}}", to.upstream.endpoint());
    to.upstream.push_blob("secret", CONTENT);
    to.upstream.clear_rules();
    to.upstream.rule(Rule::any("/v2/app/blobs/", Fault::redirect(to.storage.endpoint() + "/storage/{hex}")));
    to.storage.rule(Rule::any("/storage/", Fault::redirect(back)));
    let error = to.blob(&client(&to.upstream)).await.unwrap_err();
    assert!(matches!(error, Error::Denied { status: 401, .. }), "{error:?}");
}

#[tokio::test]
async fn a_basic_challenge_of_a_redirects_target_is_not_answered() {
    let to = Redirected::to("{storage}/v2/app/blobs/sha256:{hex}");
    to.storage.require_basic("alice", "s3cret");
    let error = to.blob(&client_of(&to.upstream, basic("alice", "s3cret"))).await.unwrap_err();
    assert!(matches!(error, Error::Denied { status: 401, .. }), "{error:?}");
    assert_says(&error, &["redirects to"]);
    assert_eq!(to.storage.requests().len(), 1);
}

/// As lscr.io redirects to ghcr.io.
#[tokio::test]
async fn a_registry_behind_a_redirect_gets_an_anonymous_token() {
    for credentials in [Credentials::Anonymous, basic("alice", "s3cret")] {
        let (front, registry) = (ScriptedUpstream::start(), ScriptedUpstream::start());
        let image = ImageBuilder::new(1).build();
        registry.push("app", "latest", &image);
        registry.require_token(TokenRules::default());
        front.rule(Rule::any("/v2/", Fault::redirect(registry.endpoint() + "{target}")));
        if credentials != Credentials::Anonymous {
            front.require_basic("alice", "s3cret");
        }
        let client = client_of(&front, credentials);
        for _ in 0..3 {
            assert_eq!(pull(&client).await.unwrap().bytes, image.bytes);
        }
        let blob = image.blobs[0].clone();
        let digest = Digest::of(hythe_oci::Algorithm::Sha256, &blob);
        assert_eq!(collect(client.blob(&name("app"), &digest, 0).await.unwrap().body).await.0, blob);
        assert_eq!(registry.count("GET", "/token"), 1, "a token is kept there too");
        let sent = registry
            .requests()
            .into_iter()
            .filter_map(|seen| seen.header("authorization").map(str::to_owned));
        assert!(sent.into_iter().all(|value| value.starts_with("Bearer scripted-token")));
        // An expired token is requested again.
        registry.expire_tokens();
        assert_eq!(pull(&client).await.unwrap().bytes, image.bytes);
        assert_eq!(registry.count("GET", "/token"), 2);
        let error = client.manifest(&name("other"), &"v1".parse().unwrap(), 1000).await.unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_registry_behind_a_redirect_without_anonymous_tokens_denies() {
    let (front, registry) = (ScriptedUpstream::start(), ScriptedUpstream::start());
    let credentials = Some(("alice".to_owned(), "s3cret".to_owned()));
    registry.require_token(TokenRules { credentials, ..TokenRules::default() });
    front.rule(Rule::any("/v2/", Fault::redirect(registry.endpoint() + "{target}")));
    let error = pull(&client_of(&front, basic("alice", "s3cret"))).await.unwrap_err();
    assert!(matches!(error, Error::Denied { status: 401, .. }), "{error:?}");
    assert!(registry.requests().iter().all(|seen| seen.header("authorization").is_none()));
}

#[tokio::test]
async fn a_redirect_to_a_private_address_is_refused_before_anything_is_sent() {
    for location in [
        "http://localhost:{port}/storage/{hex}",
        "http://LOCALHOST.:{port}/storage/{hex}",
        "http://127.0.0.2:{port}/storage/{hex}",
        "http://127.1.0.1:{port}/storage/{hex}",
        "http://2130706434:{port}/storage/{hex}",
        "http://[::1]:{port}/storage/{hex}",
        "http://[::ffff:127.0.0.1]:{port}/storage/{hex}",
        "http://[::ffff:7f00:1]:{port}/storage/{hex}",
        "http://0.0.0.0:{port}/storage/{hex}",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/latest/meta-data/",
        "//10.0.0.1/storage/{hex}",
    ] {
        let to = Redirected::to(location);
        let error = to.blob(&client(&to.upstream)).await.unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{location}: {error:?}");
        assert_says(&error, &["127.0.0.1", "`app`", "refused a connection"]);
        assert!(matches!(error.remedy(), Some(Remedy::PrivateHost(_))), "{error:?}");
        assert!(!error.is_temporary());
        assert_eq!(to.storage.requests(), [], "{location}");
    }
}

#[tokio::test]
async fn a_redirect_to_a_named_private_host_is_followed_without_credentials() {
    for (location, named) in [
        ("http://localhost:{port}/storage/{hex}", "localhost"),
        ("http://localhost:{port}/storage/{hex}", "localhost:{port}"),
        ("http://127.0.0.2:{port}/storage/{hex}", "127.0.0.2"),
    ] {
        let to = Redirected::to(location);
        to.upstream.require_basic("alice", "s3cret");
        let port = to.storage.address().port().to_string();
        let options = ClientOptions {
            credentials: basic("alice", "s3cret"),
            private_hosts: vec![named.replace("{port}", &port).parse().unwrap()],
            ..options(&to.upstream)
        };
        // The storage listens on 127.0.0.1 alone: the kernel refuses other loopback addresses, not the client.
        match to.blob(&Client::new(options).unwrap()).await {
            Ok(answer) => assert_eq!(collect(answer.body).await.0, CONTENT),
            Err(error) => assert!(matches!(error, Error::Unavailable { .. }), "{error:?}"),
        }
        assert!(to.storage.requests().iter().all(|seen| seen.header("authorization").is_none()));
    }
    let to = Redirected::to("http://localhost:{port}/storage/{hex}");
    let other_port = vec!["localhost:1".parse().unwrap()];
    let options = ClientOptions { private_hosts: other_port, ..options(&to.upstream) };
    let error = to.blob(&Client::new(options).unwrap()).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
}

#[tokio::test]
async fn ten_redirects_are_followed_and_a_loop_ends() {
    let upstream = ScriptedUpstream::start();
    let image = ImageBuilder::new(1).build();
    upstream.push("app", "latest", &image);
    upstream.rule(Rule::any("/manifests/", Fault::redirect("{target}")).times(10));
    assert_eq!(pull(&client(&upstream)).await.unwrap().bytes, image.bytes);

    upstream.forget_requests();
    upstream.rule(Rule::any("/manifests/", Fault::redirect("{target}")));
    let error = pull(&client(&upstream)).await.unwrap_err();
    assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
    assert_says(&error, &["10 redirects"]);
    assert_eq!(upstream.requests().len(), 11);
}

#[tokio::test]
async fn a_redirect_without_a_valid_target_is_an_error() {
    let upstream = ScriptedUpstream::start();
    for fault in [
        Fault::status(307),
        Fault::redirect("http://"),
        Fault::redirect("ftp://127.0.0.1/x"),
        Fault::redirect("file:///etc/passwd"),
    ] {
        upstream.clear_rules();
        upstream.rule(Rule::any("/manifests/", fault));
        let error = pull(&client(&upstream)).await.unwrap_err();
        assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_delete_follows_no_redirect() {
    let (upstream, elsewhere) = (ScriptedUpstream::start(), ScriptedUpstream::start());
    upstream.rule(Rule::any("/page", Fault::redirect(elsewhere.endpoint() + "/page")));
    let error = client(&upstream).delete_page("/page", &[], 1000).await.unwrap_err();
    assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
    assert_says(&error, &["status 307"]);
    assert_eq!(elsewhere.requests(), []);
}

#[tokio::test]
async fn credentials_within_a_redirect_are_not_sent() {
    let to = Redirected::to("http://eve:other@127.0.0.1:{port}/storage/{hex}");
    to.blob(&client(&to.upstream)).await.unwrap();
    assert_eq!(to.storage.requests()[0].header("authorization"), None);
}

#[tokio::test]
async fn an_error_of_the_storage_names_the_storage() {
    let to = Redirected::to("{storage}/storage/{hex}?signature=s3cret");
    to.storage.rule(Rule::any("/storage/", Fault::status(503).header("retry-after", 3)));
    let error = to.blob(&client(&to.upstream)).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { status: Some(503), .. }), "{error:?}");
    assert_eq!(error.retry_after().map(|after| after.as_secs()), Some(3));
    assert_says(&error, &["redirects to", "status 503"]);

    // A signed URL is a credential, so the message must not contain it.
    to.storage.stop();
    let error = to.blob(&client(&to.upstream)).await.unwrap_err();
    assert!(error.is_temporary() && !error.to_string().contains("s3cret"), "{error}");
}
