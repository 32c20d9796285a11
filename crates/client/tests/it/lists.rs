//! Lists of tags and of referrers.

use std::time::{Duration, Instant};

use hythe_client::{Client, ClientOptions, Entry, Error, Room, TagPage};
use hythe_oci::media_type::OCI_INDEX;
use hythe_oci::{Algorithm, Digest};
use hythe_testing::{Fault, ImageBuilder, Rule, ScriptedUpstream};
use serde_json::{Value, json};

use crate::world::{LIMIT, assert_says, client, name, options};

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

/// Answers every request for tags with this body.
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
async fn pages_are_cut_from_the_whole_list_of_an_upstream_without_pages() {
    let upstream = upstream();
    answer(&upstream, r#"{"name":"app","tags":["a","b","c","d","e"]}"#, None);
    assert_eq!(tags(&upstream, None, 2).await, ("ab".to_owned(), true));
    assert_eq!(tags(&upstream, Some("b"), 2).await, ("cd".to_owned(), true));
    assert_eq!(tags(&upstream, Some("d"), 2).await, ("e".to_owned(), false));
    assert_eq!(tags(&upstream, Some("e"), 2).await, (String::new(), false));
}

#[tokio::test]
async fn a_list_that_stalls_gives_its_memory_to_others_that_wait() {
    let (stalled, sound) = (ScriptedUpstream::start(), ScriptedUpstream::start());
    let image = ImageBuilder::new(1).build();
    for number in 0..800 {
        let tag = format!("{number:0>128}");
        stalled.push("app", &tag, &image);
        sound.push("app", &tag, &image);
    }
    stalled.rule(Rule::on("GET", "/tags/list", Fault::Stall { at: 80_000 }));
    let lists = Room::new(1 << 20);
    let client = |upstream: &ScriptedUpstream| {
        let (head_timeout, progress_timeout) = (Duration::from_mins(1), Duration::from_mins(1));
        Client::new(ClientOptions {
            lists: lists.clone(),
            head_timeout,
            progress_timeout,
            ..options(upstream)
        })
        .unwrap()
    };
    let (stalled, sound) = (client(&stalled), client(&sound));
    let holder = tokio::spawn(async move { stalled.tags(&name("app"), None, 1000).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let waited = Instant::now();
    assert_eq!(sound.tags(&name("app"), None, 1000).await.unwrap().tags.len(), 800);
    assert!(waited.elapsed() < Duration::from_secs(20), "{:?}", waited.elapsed());
    assert_says(&holder.await.unwrap().unwrap_err(), &["too slowly", "other long answers wait"]);
}

#[tokio::test]
async fn an_upstream_that_repeats_a_page_causes_an_error_and_no_loop() {
    let upstream = upstream();
    answer(&upstream, r#"{"tags":["a","b"]}"#, Some("</v2/app/tags/list?next_page=x>; rel=\"next\""));
    assert_eq!(tags(&upstream, None, 2).await, ("ab".to_owned(), true));
    // There may be more tags, which cannot be read: the client would take half a list for the whole.
    for limit in [2, 100] {
        let error = client(&upstream).tags(&name("app"), Some("b"), limit).await.unwrap_err();
        assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
        assert!(error.to_string().contains("circle"), "{error}");
    }
}

/// Nine tags on three pages, whose links only this upstream understands.
fn foreign(link: impl Fn(usize) -> String) -> ScriptedUpstream {
    let upstream = ScriptedUpstream::start();
    let page = |number: usize| {
        let tags = ["i", "h", "g", "f", "e", "d", "c", "b", "a"];
        let body = serde_json::json!({ "name": "app", "tags": tags[3 * number..3 * number + 3] }).to_string();
        let fault = Fault::Status { status: 200, headers: Vec::new(), body };
        if number == 2 {
            fault
        } else {
            fault.header("link", format!("<{}>; rel=\"next\"", link(number + 1)))
        }
    };
    for number in [2, 1] {
        let query = link(number).split_once('?').unwrap().1.to_owned();
        upstream.rule(Rule::any(query, page(number)));
    }
    upstream.rule(Rule::any("/tags/list", page(0)));
    upstream
}

#[tokio::test]
async fn an_upstreams_own_links_are_followed_in_any_form() {
    for link in [
        |number| format!("/v2/app/tags/list?next_page={number}"),
        |number| format!("?n=3&last=b3BhcXVl{number}"),
        |number| format!("/v2/app/tags/list?last=xyz{number}&n=3"),
        // Behind a proxy the upstream writes another host.
        |number| format!("http://registry.internal:5000/v2/app/tags/list?cursor={number}"),
        |number| format!("https://127.0.0.1/app/tags/list?cursor={number}"),
    ] {
        let upstream = foreign(link);
        assert_eq!(tags(&upstream, None, 100).await, ("ihgfedcba".to_owned(), false), "{}", link(1));
        for limit in [1, 2, 3, 4, 8, 9] {
            let (mut all, mut more) = (String::new(), true);
            while more {
                let last = all.chars().last().map(String::from);
                let (page, is_more) = tags(&upstream, last.as_deref(), limit).await;
                assert!(!page.is_empty() && page.len() <= limit);
                (all, more) = (all + &page, is_more);
            }
            assert_eq!(all, "ihgfedcba", "{} by {limit}", link(1));
        }
        let error = client(&upstream).tags(&name("app"), Some("z"), 2).await.unwrap_err();
        assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn the_page_after_a_tag_is_found_from_the_start_if_the_upstream_refuses_last() {
    let upstream = foreign(|number| format!("/v2/app/tags/list?token={number}"));
    let refusing = ScriptedUpstream::start();
    for status in [400, 405, 422] {
        refusing.clear_rules();
        refusing.rule(Rule::any("last=", Fault::status(status)));
        refusing.rule(Rule::any("/v2/", Fault::redirect(upstream.endpoint() + "{target}")));
        assert_eq!(tags(&refusing, Some("h"), 4).await, ("gfed".to_owned(), true));
        assert_eq!(tags(&refusing, Some("d"), 4).await, ("cba".to_owned(), false));
    }
}

#[tokio::test]
async fn an_upstreams_smaller_pages_are_joined_into_the_requested_one() {
    let upstream = upstream();
    for tags in 0..250 {
        upstream.push("many", &format!("t{tags:03}"), &ImageBuilder::new(1).build());
    }
    let all = |last: Option<&'static str>| {
        let client = client(&upstream);
        async move { client.tags(&name("many"), last, 10_000).await.unwrap() }
    };
    for status in [400, 405, 413] {
        for refused in ["n=10000", "n=1000", "n="] {
            upstream.clear_rules();
            upstream.rule(Rule::any(refused, Fault::status(status)));
            let page = all(None).await;
            assert_eq!((page.tags.len(), page.more), (250, false), "{status} {refused}");
            let page = all(Some("t199")).await;
            assert_eq!((page.tags.len(), page.more), (50, false), "{status} {refused}");
        }
    }
    // The client remembers the page size that the upstream accepts.
    upstream.clear_rules();
    upstream.rule(Rule::any("n=10000", Fault::status(400)));
    let client = client(&upstream);
    upstream.forget_requests();
    for requests in [2, 3] {
        client.tags(&name("many"), None, 10_000).await.unwrap();
        assert_eq!(upstream.requests().len(), requests);
    }
}

#[tokio::test]
async fn a_list_may_be_null_and_invalid_tags_in_it_are_skipped() {
    let upstream = upstream();
    answer(&upstream, r#"{"name":"app","tags":null}"#, None);
    assert_eq!(tags(&upstream, None, 2).await, (String::new(), false));
    answer(&upstream, r#"{"tags":["a","../b","","c"]}"#, None);
    assert_eq!(tags(&upstream, None, 9).await, ("ac".to_owned(), false));
}

#[tokio::test]
async fn an_answer_that_is_no_list_is_invalid_and_an_unknown_repository_is_not_found() {
    let upstream = upstream();
    for body in
        ["<html>", "", "[]", r#"{"errors":[]}"#, r#"{"tags":{}}"#, r#"{"tags":[1]}"#, r#"{"tags":["a"]"#]
    {
        answer(&upstream, body, None);
        let error = client(&upstream).tags(&name("app"), None, 2).await.unwrap_err();
        assert!(matches!(error, Error::Protocol { .. }), "{body}: {error:?}");
    }
    let error = client(&ScriptedUpstream::start()).tags(&name("app"), None, 2).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
}

/// The sizes of the referrers, which tell the entries apart.
async fn referrers(upstream: &ScriptedUpstream, limit: usize) -> Result<Option<Vec<u64>>, Error> {
    let digest = Digest::of(Algorithm::Sha256, b"subject");
    let take = |sizes: &mut Vec<u64>, entry: Entry<'_>| sizes.push(entry.size);
    client(upstream).referrers(&name("app"), &digest, limit, Vec::new(), take).await
}

/// A referrer of this size.
fn entry(size: u64) -> Value {
    json!({ "mediaType": "a/b", "digest": Digest::of(Algorithm::Sha256, b""), "size": size })
}

/// Serves a page of referrers, with a link to a next page if there is one.
fn page(upstream: &ScriptedUpstream, at: &str, body: &str, next: Option<&str>) {
    let fault = Fault::Status { status: 200, headers: Vec::new(), body: body.to_owned() };
    let fault = fault.header("content-type", OCI_INDEX);
    let fault =
        next.iter().fold(fault, |fault, next| fault.header("link", format!("<{next}>; rel=\"next\"")));
    upstream.rule(Rule::any(at, fault));
}

#[tokio::test]
async fn referrers_are_read_one_by_one_and_invalid_entries_are_skipped() {
    let upstream = ScriptedUpstream::start();
    let body = json!({ "odd": 1.0, "manifests": [entry(1), { "size": 7 }, entry(2)] }).to_string();
    page(&upstream, "/referrers/", &body, None);
    assert_eq!(referrers(&upstream, LIMIT).await, Ok(Some(vec![1, 2])));
}

#[tokio::test]
async fn a_list_of_referrers_of_another_media_type_is_known_by_its_shape() {
    let upstream = ScriptedUpstream::start();
    for media_type in ["application/json", "text/plain", "application/octet-stream", ""] {
        upstream.clear_rules();
        let body = json!({ "manifests": [entry(1)] }).to_string();
        let fault = Fault::Status { status: 200, headers: Vec::new(), body };
        upstream.rule(Rule::any("/referrers/", fault.header("content-type", media_type)));
        assert_eq!(referrers(&upstream, LIMIT).await, Ok(Some(vec![1])), "{media_type}");
    }
}

#[tokio::test]
async fn several_pages_of_referrers_are_joined() {
    let upstream = ScriptedUpstream::start();
    let body = |size| json!({ "manifests": [entry(size)] }).to_string();
    // The first matching rule applies, so each page's rule matches text that only its URL has.
    page(&upstream, "page=2", &body(3), None);
    let second = format!("{}/v2/x?page=2", upstream.endpoint());
    page(&upstream, "page=1", &body(2), Some(&second));
    page(&upstream, "/referrers/", &body(1), Some("?page=1"));
    assert_eq!(referrers(&upstream, LIMIT).await, Ok(Some(vec![1, 2, 3])));

    let error = referrers(&upstream, 2 * body(1).len()).await.unwrap_err();
    assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
}

#[tokio::test]
async fn a_list_of_referrers_with_a_missing_page_is_an_error_and_not_a_shorter_list() {
    let upstream = ScriptedUpstream::start();
    for status in [400, 404, 405, 406, 501] {
        upstream.clear_rules();
        upstream.rule(Rule::any("page=1", Fault::status(status)));
        page(&upstream, "/referrers/", &json!({ "manifests": [entry(1)] }).to_string(), Some("?page=1"));
        let error = referrers(&upstream, LIMIT).await.unwrap_err();
        assert!(matches!(error, Error::Protocol { .. }), "{status}: {error:?}");
    }
}

#[tokio::test]
async fn pages_of_referrers_are_limited_and_never_lead_to_another_registry() {
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
async fn an_upstream_without_the_referrers_api_gives_none() {
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
