//! Pushing manifests, deleting, listing repositories, and what a ping tells.

use bytes::Bytes;
use hythe_client::{Client, ClientOptions, Error, PushedManifest, RepositoryPage, Required};
use hythe_oci::{Digest, Reference, Tag};
use hythe_testing::{Fault, ImageBuilder, Manifest, Rule, ScriptedUpstream, TestRegistry, TokenRules};

use crate::world::{LIMIT, assert_says, basic, client, client_of, name, reference};

fn client_at(registry: &TestRegistry) -> Client {
    Client::new(ClientOptions {
        direct: true,
        ..ClientOptions::new(format!("http://{}", registry.address()))
    })
    .unwrap()
}

fn tags(texts: &[&str]) -> Vec<Tag> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

async fn push(
    client: &Client,
    manifest: &Manifest,
    reference: &Reference,
    tags: &[Tag],
) -> Result<PushedManifest, Error> {
    let bytes = Bytes::from(manifest.bytes.clone());
    client.push_manifest(&name("app"), reference, &manifest.media_type, &bytes, tags).await
}

#[tokio::test]
async fn a_manifest_is_pushed_by_digest_or_tag_and_under_further_tags() {
    let registry = TestRegistry::start();
    let client = client_at(&registry);
    let base = ImageBuilder::new(1).build();
    let image = ImageBuilder::new(2).subject(&base).build();
    for manifest in [&base, &image] {
        manifest.push_blobs(&registry.client(), "app");
    }
    let many: Vec<String> = (0..12).map(|number| format!("tag-{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let pushed = push(&client, &base, &Reference::Digest(base.digest()), &tags(&many)).await.unwrap();
    assert_eq!(pushed, PushedManifest { digest: base.digest(), subject: None });
    let pushed = push(&client, &image, &reference("latest"), &tags(&["one", "two"])).await.unwrap();
    assert_eq!(pushed, PushedManifest { digest: image.digest(), subject: Some(base.digest()) });
    for (tag, manifest) in [("tag-0", &base), ("tag-11", &base), ("latest", &image), ("two", &image)] {
        let answer = client.manifest(&name("app"), &reference(tag), LIMIT).await.unwrap();
        assert_eq!(answer.bytes, manifest.bytes, "{tag}");
        assert_eq!(answer.media_type.as_ref(), Some(&manifest.media_type));
    }
    assert_eq!(client.tags(&name("app"), None, 100).await.unwrap().tags.len(), 15);
}

#[tokio::test]
async fn tags_that_a_registry_does_not_confirm_are_pushed_one_by_one() {
    let upstream = ScriptedUpstream::start();
    let image = ImageBuilder::new(1).build();
    let first = Fault::status(201).header("oci-tag", "one");
    upstream.rule(Rule::on("PUT", "/manifests/sha256:", first));
    upstream.rule(Rule::on("PUT", "/manifests/", Fault::status(201)));
    push(&client(&upstream), &image, &Reference::Digest(image.digest()), &tags(&["one", "two"]))
        .await
        .unwrap();
    let requests = upstream.requests();
    let targets: Vec<_> = requests.iter().map(|seen| seen.target.as_str()).collect();
    let by_digest = format!("/v2/app/manifests/{}?tag=one&tag=two", image.digest());
    assert_eq!(targets, [by_digest.as_str(), "/v2/app/manifests/two"]);
    assert_eq!(requests[1].body, image.bytes);
    assert_eq!(requests[1].header("content-type"), Some(image.media_type.as_str()));
}

#[tokio::test]
async fn a_registry_that_stores_another_manifest_is_an_error() {
    let upstream = ScriptedUpstream::start();
    let other = Digest::of(hythe_oci::Algorithm::Sha256, b"");
    upstream.rule(Rule::on("PUT", "", Fault::status(201).header("docker-content-digest", other)));
    let image = ImageBuilder::new(1).build();
    let error = push(&client(&upstream), &image, &reference("latest"), &[]).await.unwrap_err();
    assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
    assert_says(&error, &["it stored", &other.to_string(), &image.digest().to_string()]);
}

#[tokio::test]
async fn a_refused_push_is_not_taken_for_content_that_is_missing() {
    let upstream = ScriptedUpstream::start();
    upstream.require_token(TokenRules::default());
    upstream.rule(Rule::on("PUT", "/manifests/", Fault::status(403)));
    let image = ImageBuilder::new(1).build();
    let error = push(&client(&upstream), &image, &reference("latest"), &[]).await.unwrap_err();
    assert!(matches!(error, Error::Denied { status: 403, .. }), "{error:?}");
    assert_says(&error, &["the push of tag `latest` of `app`", "credentials"]);
}

#[tokio::test]
async fn tags_manifests_and_blobs_are_deleted() {
    let registry = TestRegistry::start();
    let (client, app) = (client_at(&registry), name("app"));
    let image = ImageBuilder::new(1).build();
    image.push(&registry.client(), "app", "latest");
    let blob = registry.client().push_blob("app", b"content");

    client.delete_tag(&app, &"latest".parse().unwrap()).await.unwrap();
    let error = client.manifest(&app, &reference("latest"), LIMIT).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    client.manifest(&app, &Reference::Digest(image.digest()), LIMIT).await.unwrap();

    client.delete_manifest(&app, &image.digest()).await.unwrap();
    client.delete_blob(&app, &blob).await.unwrap();
    let again = [
        client.manifest(&app, &Reference::Digest(image.digest()), LIMIT).await.map(drop),
        client.blob_head(&app, &blob).await.map(drop),
        client.delete_blob(&app, &blob).await,
    ];
    for result in again {
        assert!(matches!(result, Err(Error::NotFound { .. })), "{result:?}");
    }
}

#[tokio::test]
async fn a_registry_without_deletion_denies_it() {
    let registry = TestRegistry::setup().without_delete().start();
    let blob = registry.client().push_blob("app", b"content");
    let error = client_at(&registry).delete_blob(&name("app"), &blob).await.unwrap_err();
    assert!(matches!(error, Error::Denied { status: 405, .. }), "{error:?}");
    assert_says(&error, &["the deletion of blob", "does not support"]);
}

#[tokio::test]
async fn a_deletion_asks_for_a_token_that_allows_it() {
    let upstream = ScriptedUpstream::start();
    upstream.require_token(TokenRules::default());
    upstream.rule(Rule::on("DELETE", "/manifests/latest", Fault::status(202)));
    client(&upstream).delete_tag(&name("app"), &"latest".parse().unwrap()).await.unwrap();
    let requests = upstream.requests();
    assert_eq!(requests[1].query(), "service=scripted&scope=repository%3Aapp%3Apull%2Cdelete");
}

#[tokio::test]
async fn repositories_come_in_pages() {
    let registry = TestRegistry::start();
    let client = client_at(&registry);
    let image = ImageBuilder::new(1).build();
    for repository in ["a", "b/c", "d"] {
        image.push(&registry.client(), repository, "latest");
    }
    let first = client.repositories(None, 2).await.unwrap();
    assert_eq!(first.repositories, [name("a"), name("b/c")]);
    let second = client.repositories(first.next, 2).await.unwrap();
    assert_eq!(second, RepositoryPage { repositories: vec![name("d")], next: None });
}

#[tokio::test]
async fn an_endpoint_of_one_project_lists_that_projects_repositories() {
    let upstream = ScriptedUpstream::start();
    let body = r#"{"repositories":["hub/app","hub/","hubble/app","other","hub/a/b","hub/NOT VALID"]}"#;
    let answer = Fault::Status { status: 200, headers: Vec::new(), body: body.to_owned() };
    upstream.rule(Rule::on("GET", "/v2/_catalog?n=10", answer));
    let client = Client::new(ClientOptions::new(upstream.endpoint() + "/v2/hub")).unwrap();
    assert_eq!(client.repositories(None, 10).await.unwrap().repositories, [name("app"), name("a/b")]);

    upstream.clear_rules();
    let empty =
        Fault::Status { status: 200, headers: Vec::new(), body: r#"{"repositories":null}"#.to_owned() };
    upstream.rule(Rule::on("GET", "/v2/_catalog", empty).once());
    assert_eq!(client.repositories(None, 10).await.unwrap().repositories, []);
    upstream.rule(Rule::on("GET", "/v2/_catalog", Fault::status(200)));
    assert_says(&client.repositories(None, 10).await.unwrap_err(), &["not a list of repositories"]);
}

#[tokio::test]
async fn a_ping_tells_the_api_and_what_the_registry_requires() {
    let registry = TestRegistry::start();
    let ping = client_at(&registry).ping().await.unwrap();
    assert_eq!((ping.api.as_deref(), ping.required), (Some("registry/2.0"), Required::Nothing));

    let upstream = ScriptedUpstream::start();
    upstream.require_basic("alice", "s3cret");
    let ping = client_of(&upstream, basic("alice", "s3cret")).ping().await.unwrap();
    assert_eq!((ping.api, ping.required), (None, Required::Password));

    upstream.require_token(TokenRules::default());
    for (client, anonymous) in
        [(client(&upstream), true), (client_of(&upstream, basic("alice", "s3cret")), false)]
    {
        assert_eq!(client.ping().await.unwrap().required, Required::Token { anonymous });
    }
}
