//! Lists: tags, and what refers to a manifest.

use hythe_client::{Error, TagPage};
use hythe_oci::media_type::OCI_INDEX;
use hythe_oci::{Algorithm, Digest};
use hythe_testing::{Fault, ImageBuilder, Rule, ScriptedUpstream};
use serde_json::{Value, json};

use crate::world::{LIMIT, client, name};

fn upstream() -> ScriptedUpstream {
    let upstream = ScriptedUpstream::start();
    let image = ImageBuilder::new(1).build();
    for tag in ["a", "b", "c", "d", "e"] {
        upstream.push("app", tag, &image);
    }
    upstream
}

async fn tags(upstream: &ScriptedUpstream, last: Option<&str>, limit: usize) -> (String, bool) {
    let TagPage { tags, more } = client(upstream).tags(&name("app"), last, limit).await.unwrap();
    (tags.iter().map(ToString::to_string).collect(), more)
}

/// An answer to whoever asks for tags, whatever else they ask.
fn answer(upstream: &ScriptedUpstream, body: &str, link: Option<&str>) {
    upstream.clear_rules();
    let fault = Fault::Status { status: 200, headers: Vec::new(), body: body.to_owned() };
    let fault = link.iter().fold(fault, |fault, link| fault.header("link", link));
    upstream.rule(Rule::any("/tags/list", fault));
}

#[tokio::test]
async fn tags_come_in_pages() {
    let upstream = upstream();
    assert_eq!(tags(&upstream, None, 100).await, ("abcde".to_owned(), false));
    assert_eq!(tags(&upstream, None, 2).await, ("ab".to_owned(), true));
    assert_eq!(tags(&upstream, Some("b"), 2).await, ("cd".to_owned(), true));
    assert_eq!(tags(&upstream, Some("d"), 2).await, ("e".to_owned(), false));
    assert_eq!(upstream.requests()[2].query(), "n=2&last=b");
}

#[tokio::test]
async fn of_an_upstream_without_pages_each_page_is_taken_from_the_whole() {
    let upstream = upstream();
    answer(&upstream, r#"{"name":"app","tags":["a","b","c","d","e"]}"#, None);
    assert_eq!(tags(&upstream, None, 2).await, ("ab".to_owned(), true));
    assert_eq!(tags(&upstream, Some("b"), 2).await, ("cd".to_owned(), true));
    assert_eq!(tags(&upstream, Some("d"), 2).await, ("e".to_owned(), false));
    assert_eq!(tags(&upstream, Some("e"), 2).await, (String::new(), false));
}

#[tokio::test]
async fn an_upstream_that_sends_the_same_page_again_comes_to_an_end() {
    let upstream = upstream();
    answer(&upstream, r#"{"tags":["a","b"]}"#, Some("</v2/app/tags/list?next_page=x>; rel=\"next\""));
    assert_eq!(tags(&upstream, None, 2).await, ("ab".to_owned(), true));
    assert_eq!(tags(&upstream, Some("b"), 2).await, (String::new(), false));
}

#[tokio::test]
async fn a_list_may_be_null_and_may_have_what_is_no_tag() {
    let upstream = upstream();
    answer(&upstream, r#"{"name":"app","tags":null}"#, None);
    assert_eq!(tags(&upstream, None, 2).await, (String::new(), false));
    answer(&upstream, r#"{"tags":["a","../b","","c"]}"#, None);
    assert_eq!(tags(&upstream, None, 9).await, ("ac".to_owned(), false));
}

#[tokio::test]
async fn a_list_that_is_none_makes_no_sense_and_an_unknown_repository_is_not_found() {
    let upstream = upstream();
    answer(&upstream, "<html>", None);
    let error = client(&upstream).tags(&name("app"), None, 2).await.unwrap_err();
    assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
    let error = client(&ScriptedUpstream::start()).tags(&name("app"), None, 2).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
}

async fn referrers(upstream: &ScriptedUpstream, limit: usize) -> Result<Option<Vec<u8>>, Error> {
    let digest = Digest::of(Algorithm::Sha256, b"subject");
    let found = client(upstream).referrers(&name("app"), &digest, limit).await?;
    Ok(found.map(|bytes| bytes.to_vec()))
}

/// A page of referrers, and perhaps another behind it.
fn page(upstream: &ScriptedUpstream, at: &str, body: &str, next: Option<&str>) {
    let fault = Fault::Status { status: 200, headers: Vec::new(), body: body.to_owned() };
    let fault = fault.header("content-type", OCI_INDEX);
    let fault =
        next.iter().fold(fault, |fault, next| fault.header("link", format!("<{next}>; rel=\"next\"")));
    upstream.rule(Rule::any(at, fault));
}

fn manifests(index: &[u8]) -> Value {
    serde_json::from_slice::<Value>(index).unwrap()["manifests"].clone()
}

#[tokio::test]
async fn referrers_come_with_the_upstreams_exact_bytes() {
    let upstream = ScriptedUpstream::start();
    let body = "{ \"manifests\" : [ ] , \"odd\" : 1.0 }";
    page(&upstream, "/referrers/", body, None);
    assert_eq!(referrers(&upstream, LIMIT).await.unwrap().unwrap(), body.as_bytes());
}

#[tokio::test]
async fn several_pages_of_referrers_become_one() {
    let upstream = ScriptedUpstream::start();
    // The first that matches applies; a page is named by what only its address has.
    page(&upstream, "page=2", r#"{"manifests":[{"size":3}]}"#, None);
    let second = format!("{}/v2/x?page=2", upstream.endpoint());
    page(&upstream, "page=1", r#"{"manifests":[{"size":2}]}"#, Some(&second));
    page(&upstream, "/referrers/", r#"{"schemaVersion":2,"manifests":[{"size":1}]}"#, Some("?page=1"));
    let whole = referrers(&upstream, LIMIT).await.unwrap().unwrap();
    assert_eq!(manifests(&whole), json!([{ "size": 1 }, { "size": 2 }, { "size": 3 }]));
    assert_eq!(serde_json::from_slice::<Value>(&whole).unwrap()["schemaVersion"], 2);

    let error = referrers(&upstream, 80).await.unwrap_err();
    assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
}

#[tokio::test]
async fn pages_of_referrers_come_to_an_end_and_stay_with_the_registry() {
    let upstream = ScriptedUpstream::start();
    page(&upstream, "/v2/", r#"{"manifests":[]}"#, Some("/v2/x?again"));
    let error = referrers(&upstream, LIMIT).await.unwrap_err();
    assert!(matches!(error, Error::Protocol { .. }), "{error:?}");

    let elsewhere = ScriptedUpstream::start();
    upstream.clear_rules();
    page(&upstream, "/v2/", r#"{"manifests":[]}"#, Some(&(elsewhere.endpoint() + "/v2/x")));
    let error = referrers(&upstream, LIMIT).await.unwrap_err();
    assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
    assert_eq!(elsewhere.requests(), []);
}

#[tokio::test]
async fn an_upstream_without_the_referrers_api_has_none_to_tell() {
    let upstream = ScriptedUpstream::start();
    upstream.list_referrers(false);
    assert_eq!(referrers(&upstream, LIMIT).await, Ok(None));
    upstream.list_referrers(true);
    for status in [400, 405, 406, 501] {
        upstream.rule(Rule::any("/referrers/", Fault::status(status)).once());
        assert_eq!(referrers(&upstream, LIMIT).await, Ok(None), "{status}");
    }
    let shown = Fault::Status { status: 200, headers: Vec::new(), body: "<html>".to_owned() };
    upstream.rule(Rule::any("/referrers/", shown.header("content-type", "text/html")).once());
    assert_eq!(referrers(&upstream, LIMIT).await, Ok(None));

    upstream.rule(Rule::any("/referrers/", Fault::status(503)).once());
    let error = referrers(&upstream, LIMIT).await.unwrap_err();
    assert!(error.is_temporary(), "{error:?}");
}
