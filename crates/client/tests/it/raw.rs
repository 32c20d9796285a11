//! Requests whose answers are returned as they are.

use bytes::Bytes;
use http::Method;
use http::header::LOCATION;
use hythe_client::{Access, Place, RawBody, RawRequest};
use hythe_oci::{Algorithm, Digest};
use hythe_testing::{Fault, ImageBuilder, Rule, ScriptedUpstream, TestRegistry, TokenRules};

use crate::world::{basic, client, client_of, name};

#[tokio::test]
async fn every_status_is_an_answer() {
    let upstream = ScriptedUpstream::start();
    let answer = client(&upstream)
        .send_raw(&RawRequest::new(Method::GET, Place::path("/v2/app/manifests/none")))
        .await
        .unwrap();
    assert_eq!(answer.status, 404);
    assert!(!answer.body.is_empty());
    upstream.rule(Rule::any("/broken", Fault::status(503)));
    let request = RawRequest::new(Method::DELETE, Place::path("/v2/broken").with("a", "b c"));
    assert_eq!(client(&upstream).send_raw(&request).await.unwrap().status, 503);
    assert_eq!(upstream.requests().last().unwrap().query(), "a=b%20c");
}

#[tokio::test]
async fn redirects_are_followed_unless_the_caller_wants_to_see_them() {
    let upstream = ScriptedUpstream::start();
    upstream.push("app", "latest", &ImageBuilder::new(1).build());
    upstream.rule(Rule::any("/v2/moved", Fault::redirect("/v2/app/manifests/latest")));
    let mut request = RawRequest::new(Method::GET, Place::path("/v2/moved"));
    assert_eq!(client(&upstream).send_raw(&request).await.unwrap().status, 200);
    request.follows_redirects = false;
    let answer = client(&upstream).send_raw(&request).await.unwrap();
    assert!(answer.status.is_redirection() && answer.headers.contains_key(LOCATION));
    let request = RawRequest::new(Method::GET, answer.location.unwrap());
    assert_eq!(client(&upstream).send_raw(&request).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_token_is_fetched_for_the_repositories_of_the_request() {
    let upstream = ScriptedUpstream::start();
    upstream.push("app", "latest", &ImageBuilder::new(1).build());
    upstream.require_token(TokenRules::default());
    let mut request = RawRequest::new(Method::GET, Place::path("/v2/app/manifests/latest"));
    request.scopes.push((name("app"), Access::Pull));
    assert_eq!(client(&upstream).send_raw(&request).await.unwrap().status, 200);
    upstream.require_basic("ada", "secret");
    assert_eq!(client(&upstream).send_raw(&request).await.unwrap().status, 401);
    let client = client_of(&upstream, basic("ada", "secret"));
    assert_eq!(client.send_raw(&request).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_body_is_whole_or_chunked_or_breaks() {
    let registry = TestRegistry::start();
    let endpoint = format!("http://{}", registry.address());
    let client = hythe_client::Client::new(hythe_client::ClientOptions::new(endpoint)).unwrap();
    let start = RawRequest::new(Method::POST, Place::path("/v2/app/blobs/uploads/"));
    let content = Bytes::from(vec![7; 200_000]);
    let session = client.send_raw(&start).await.unwrap().location.unwrap();
    let mut part = RawRequest::new(Method::PATCH, session.clone());
    part.body = RawBody::Broken(content.slice(..100_000), 200_000);
    client.send_raw(&part).await.unwrap_err();
    let mut kept = String::new();
    for _ in 0..50 {
        let answer = client.send_raw(&RawRequest::new(Method::GET, session.clone())).await.unwrap();
        kept = answer.text("range").unwrap().to_owned();
        if kept == "0-99999" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(kept, "0-99999");
    part.body = RawBody::Chunked(content.slice(100_000..));
    assert_eq!(client.send_raw(&part).await.unwrap().status, 202);
    let digest = Digest::of(Algorithm::Sha256, &content).to_string();
    let last = RawRequest::new(Method::PUT, session.with("digest", &digest));
    assert_eq!(client.send_raw(&last).await.unwrap().status, 201);
}
