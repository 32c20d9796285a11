//! A scripted upstream serves its content, and fails exactly as its rules say.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests; the lint knows only functions marked so")]

use std::io::{ErrorKind, Read as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use hythe_oci::media_type::{OCI_INDEX, OCI_MANIFEST};
use hythe_oci::{Digest, ErrorCode};
use hythe_testing::{
    Answer, Client, Connection, Fault, ImageBuilder, IndexBuilder, Rule, ScriptedUpstream, TokenRules, bytes,
    eventually,
};

/// A size in bytes that takes several writes.
const SIZE: usize = 200_000;

fn with_blob() -> (ScriptedUpstream, String, Vec<u8>) {
    let upstream = ScriptedUpstream::start();
    let content = bytes(7, SIZE);
    let digest = upstream.push_blob("app", &content);
    (upstream, format!("/v2/app/blobs/{digest}"), content)
}

/// Sends a `GET` and reads until the upstream ends the connection; returns the head, the body, and how the connection
/// ended.
fn raw(upstream: &ScriptedUpstream, target: &str) -> (String, Vec<u8>, Option<ErrorKind>) {
    let mut connection = Connection::open(upstream.address());
    connection.send(format!("GET {target} HTTP/1.1\r\nhost: x\r\n\r\n")).unwrap();
    let mut answer = Vec::new();
    let ended = connection.stream().read_to_end(&mut answer);
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or_default();
    let body = answer.split_off((end + 4).min(answer.len()));
    (String::from_utf8(answer).unwrap(), body, ended.err().map(|error| error.kind()))
}

fn faulty(fault: Fault) -> (String, Vec<u8>, Option<ErrorKind>, Vec<u8>) {
    let (upstream, target, content) = with_blob();
    upstream.rule(Rule::on("GET", "/blobs/", fault).once());
    let (head, body, end) = raw(&upstream, &target);
    (head, body, end, content)
}

#[test]
fn a_pushed_image_is_served_by_tag_and_by_digest() {
    let upstream = ScriptedUpstream::start();
    let client = upstream.client();
    let image = ImageBuilder::new(1).layer("application/octet-stream", b"layer").build();
    upstream.push("library/app", "1", &image);
    assert_eq!(client.get("/v2/").send().status, 200);
    for reference in ["1".to_owned(), image.digest().to_string()] {
        let target = format!("/v2/library/app/manifests/{reference}");
        let answer = client.get(&target).send().expect(200);
        assert_eq!((answer.digest(), &answer.body), (image.digest(), &image.bytes));
        assert_eq!(answer.expect_header("content-type"), OCI_MANIFEST);
        let head = client.head(&target).send().expect(200);
        assert_eq!(head.headers, answer.headers);
    }
    for blob in &image.blobs {
        let digest = Digest::of(image.algorithm, blob);
        assert_eq!(&client.get(format!("/v2/library/app/blobs/{digest}")).send().expect(200).body, blob);
        assert_eq!(&client.get(format!("/storage/{}", digest.hex())).send().expect(200).body, blob);
    }
    client.get("/v2/library/app/manifests/2").send().expect_error(404, ErrorCode::ManifestUnknown);
    client.get("/v2/app/tags/list").send().expect_error(404, ErrorCode::NameUnknown);
    upstream.untag("library/app", "1");
    client.get("/v2/library/app/manifests/1").send().expect_error(404, ErrorCode::ManifestUnknown);
    client.get(format!("/v2/library/app/manifests/{}", image.digest())).send().expect(200);
}

#[test]
fn an_index_is_pushed_with_its_manifests() {
    let upstream = ScriptedUpstream::start();
    let (one, two) = (ImageBuilder::new(1).build(), ImageBuilder::new(2).build());
    let index = IndexBuilder::new().manifest(one.clone()).manifest(two.clone()).build();
    upstream.push("app", "1", &index);
    let answer = upstream.client().get("/v2/app/manifests/1").send().expect(200);
    assert_eq!(answer.expect_header("content-type"), OCI_INDEX);
    for manifest in [one, two] {
        upstream.client().get(format!("/v2/app/manifests/{}", manifest.digest())).send().expect(200);
    }
}

#[test]
fn a_part_of_a_blob_can_be_requested() {
    let (upstream, target, content) = with_blob();
    let part = |range: &str| upstream.client().get(&target).header("range", range).send();
    let answer = part("bytes=10-19").expect(206);
    assert_eq!(answer.body, content[10..20]);
    assert_eq!(answer.expect_header("content-range"), format!("bytes 10-19/{SIZE}"));
    assert_eq!(part("bytes=100000-").expect(206).body, content[100_000..]);
    assert_eq!(part("bytes=-5").expect(206).body, content[SIZE - 5..]);
    assert_eq!(part("bytes=200000-").expect(416).expect_header("content-range"), "bytes */200000");
    upstream.rule(Rule::any("/blobs/", Fault::IgnoreRange));
    assert_eq!(part("bytes=10-19").expect(200).body, content);
}

#[test]
fn tags_come_in_pages() {
    let upstream = ScriptedUpstream::start();
    let image = ImageBuilder::new(1).build();
    for tag in ["c", "a", "b"] {
        upstream.push("app", tag, &image);
    }
    let first = upstream.client().get("/v2/app/tags/list?n=2").send().expect(200);
    assert_eq!(first.json()["tags"], serde_json::json!(["a", "b"]));
    let second = upstream.client().get(first.next_page().unwrap()).send().expect(200);
    assert_eq!(second.json()["tags"], serde_json::json!(["c"]));
    assert_eq!(second.next_page(), None);
}

#[test]
fn referrers_are_the_manifests_with_that_subject() {
    let upstream = ScriptedUpstream::start();
    let subject = ImageBuilder::new(1).build();
    let signature = ImageBuilder::artifact(2, "application/x-signature").subject(&subject).build();
    upstream.push("app", "1", &subject);
    upstream.push("app", &signature.digest().to_string(), &signature);
    let target = format!("/v2/app/referrers/{}", subject.digest());
    let list = upstream.client().get(&target).send().expect(200).json();
    assert_eq!(list["manifests"][0]["digest"], signature.digest().to_string());
    assert_eq!(list["manifests"][0]["artifactType"], "application/x-signature");
    upstream.list_referrers(false);
    upstream.client().get(&target).send().expect(404);
}

#[test]
fn requests_are_kept_in_order_on_one_connection() {
    let (upstream, target, content) = with_blob();
    let mut connection = upstream.client().connect();
    for method in ["HEAD", "GET", "GET"] {
        connection.send(format!("{method} {target}?ns=docker.io HTTP/1.1\r\nHost: x\r\n\r\n")).unwrap();
        let answer = connection.answer(method).unwrap().expect(200);
        assert_eq!(answer.body, if method == "GET" { &content[..] } else { &[] });
    }
    assert_eq!(upstream.connections(), 1);
    assert_eq!(upstream.body_bytes_sent(), 2 * SIZE as u64);
    let requests = upstream.requests();
    assert_eq!(requests.iter().map(|seen| &seen.method[..]).collect::<Vec<_>>(), ["HEAD", "GET", "GET"]);
    assert_eq!((requests[0].path(), requests[0].query()), (&target[..], "ns=docker.io"));
    assert_eq!(requests[0].header("host"), Some("x"));
    assert_eq!((upstream.count("GET", "/blobs/"), upstream.count("GET", "/manifests/")), (2, 0));
    upstream.forget_requests();
    assert_eq!(upstream.requests(), []);
    drop(connection);
    eventually("the end of the connection", || upstream.connections() == 0);
}

#[test]
fn the_first_rule_that_matches_applies_as_often_as_it_says() {
    let (upstream, target, _) = with_blob();
    upstream.rule(Rule::on("HEAD", "/blobs/", Fault::status(500)));
    upstream.rule(Rule::on("GET", "/blobs/", Fault::status(503).header("retry-after", 7)).times(2));
    upstream.rule(Rule::any("/blobs/", Fault::status(502)).once());
    let statuses = |count| {
        let status = |_| upstream.client().get(&target).send().status;
        (0..count).map(status).collect::<Vec<_>>()
    };
    assert_eq!(statuses(4), [503, 503, 502, 200]);
    upstream.client().head(&target).send().expect(500);
    upstream.clear_rules();
    upstream.client().head(&target).send().expect(200);
    upstream.rule(Rule::any("", Fault::status(503).header("retry-after", 7)));
    assert_eq!(upstream.client().get("/v2/").send().expect(503).expect_header("retry-after"), "7");
}

#[test]
fn a_truncated_answer_ends_normally_at_the_byte() {
    for at in [0, 1, 65_536, 100_001] {
        let (head, body, end, content) = faulty(Fault::Truncate { at });
        assert!(head.contains(&format!("content-length: {SIZE}")), "{head}");
        assert_eq!((body == content[..at as usize], end), (true, None), "{at}");
    }
}

#[test]
fn a_reset_comes_at_the_byte() {
    for at in [0, 1, 65_536, 100_001] {
        let (head, body, end, content) = faulty(Fault::Reset { at });
        assert!(head.contains(&format!("content-length: {SIZE}")), "{head}");
        assert_eq!((body == content[..at as usize], end), (true, Some(ErrorKind::ConnectionReset)), "{at}");
    }
}

#[test]
fn a_slow_client_gets_all_bytes_before_the_reset() {
    let upstream = ScriptedUpstream::start();
    let content = bytes(1, 20 << 20);
    let digest = upstream.push_blob("app", &content);
    upstream.rule(Rule::any("/blobs/", Fault::Reset { at: 19 << 20 }));
    let mut connection = upstream.client().connect();
    connection.send(format!("GET /v2/app/blobs/{digest} HTTP/1.1\r\n\r\n")).unwrap();
    // The client reads nothing for a while, so that the bytes wait in the sockets.
    thread::sleep(Duration::from_millis(200));
    let mut answer = Vec::new();
    let error = connection.stream().read_to_end(&mut answer).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(answer.ends_with(&content[(19 << 20) - 1000..19 << 20]), "{} bytes came", answer.len());
}

#[test]
fn one_byte_is_wrong() {
    let (upstream, target, content) = with_blob();
    for at in [0, 70_000, SIZE - 1] {
        upstream.rule(Rule::any("/blobs/", Fault::WrongByte { at: at as u64 }).once());
        let body = upstream.client().get(&target).send().expect(200).body;
        let wrong: Vec<_> = (0..SIZE).filter(|index| body[*index] != content[*index]).collect();
        assert_eq!(wrong, [at]);
    }
}

#[test]
fn the_announced_length_is_too_small_or_too_large() {
    let (upstream, target, content) = with_blob();
    upstream.rule(Rule::any("/blobs/", Fault::LongerThanSaid { by: 10 }).once());
    let mut connection = upstream.client().connect();
    connection.send(format!("GET {target} HTTP/1.1\r\n\r\n")).unwrap();
    assert_eq!(connection.answer("GET").unwrap().expect(200).body, content[..SIZE - 10]);
    assert_eq!(connection.read_exactly(10).unwrap(), content[SIZE - 10..]);
    connection.send("GET /v2/ HTTP/1.1\r\n\r\n").unwrap();
    connection.answer("GET").unwrap().expect(200);

    let (head, body, end, content) = faulty(Fault::ShorterLength { by: 10 });
    assert!(head.contains(&format!("content-length: {}", SIZE + 10)), "{head}");
    assert_eq!((body == content, end), (true, None));
}

#[test]
fn a_drip_takes_its_time() {
    let upstream = ScriptedUpstream::start();
    let digest = upstream.push_blob("app", b"0123456789");
    let every = Duration::from_millis(20);
    upstream.rule(Rule::any("/blobs/", Fault::Drip { bytes: 3, every }));
    let start = Instant::now();
    assert_eq!(upstream.client().get(format!("/v2/app/blobs/{digest}")).send().body, b"0123456789");
    assert!(start.elapsed() >= every * 3);
}

#[test]
fn a_stalled_answer_keeps_its_connection() {
    let (upstream, target, content) = with_blob();
    upstream.rule(Rule::any("/blobs/", Fault::Stall { at: 1000 }));
    let mut connection = upstream.client().connect();
    connection.send(format!("GET {target} HTTP/1.1\r\n\r\n")).unwrap();
    connection.stream().set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut answer = Vec::new();
    let error = connection.stream().read_to_end(&mut answer).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert!(answer.ends_with(&content[..1000]));
    assert_eq!((upstream.connections(), upstream.body_bytes_sent()), (1, 1000));
    drop(connection);
    eventually("the end of the connection", || upstream.connections() == 0);
}

#[test]
fn a_black_hole_keeps_the_connection_open_and_a_hang_up_closes_it() {
    let (upstream, target, _) = with_blob();
    upstream.rule(Rule::any("/blobs/", Fault::BlackHole).once());
    upstream.rule(Rule::any("/blobs/", Fault::HangUp).once());
    let connection = upstream.client().get(&target).to_bytes();
    let mut hole = upstream.client().connect();
    hole.send(&connection).unwrap();
    eventually("the request", || upstream.count("GET", "/blobs/") == 1);
    assert_eq!(raw(&upstream, &target), (String::new(), Vec::new(), None));
    hole.stream().set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert_eq!(hole.answer("GET").unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn headers_can_be_missing_or_wrong() {
    let (upstream, target, content) = with_blob();
    let next = |fault| -> Answer {
        upstream.rule(Rule::any("/blobs/", fault).once());
        let answer = upstream.client().get(&target).send().expect(200);
        assert_eq!(answer.body, content);
        answer
    };
    assert_eq!(next(Fault::NoDigest).header("docker-content-digest"), None);
    assert_ne!(next(Fault::WrongDigestHeader).digest().to_string(), target[target.len() - 71..]);
    assert_eq!(next(Fault::NoContentType).header("content-type"), None);
    let chunked = next(Fault::NoLength);
    assert_eq!(chunked.header("content-length"), None);
    assert_eq!(chunked.header("transfer-encoding"), Some("chunked"));
    let start = Instant::now();
    next(Fault::Delay(Duration::from_millis(50)));
    assert!(start.elapsed() >= Duration::from_millis(50));
}

#[test]
fn a_redirect_leads_to_another_upstreams_storage() {
    let (upstream, target, content) = with_blob();
    let storage = ScriptedUpstream::start();
    storage.push_blob("any", &content);
    storage.require_basic("not", "asked");
    upstream.rule(Rule::any("/blobs/", Fault::redirect(format!("{}/storage/{{hex}}", storage.endpoint()))));
    upstream.rule(Rule::any("/manifests/", Fault::redirect("/elsewhere{target}")));
    let location = upstream.client().get(&target).send().expect(307).location();
    let path = location.strip_prefix(&storage.endpoint()).unwrap();
    let answer = storage.client().get(path).header("authorization", "Bearer leaked").send().expect(200);
    assert_eq!(answer.body, content);
    assert_eq!(storage.requests()[0].header("authorization"), Some("Bearer leaked"));
    let relative = upstream.client().get("/v2/app/manifests/1").send().expect(307);
    assert_eq!(relative.location(), "/elsewhere/v2/app/manifests/1");
}

fn token(client: &Client, query: &str) -> String {
    let answer = client.get(format!("/token?{query}")).send().expect(200);
    answer.json()["token"].as_str().unwrap().to_owned()
}

#[test]
fn a_token_is_valid_for_its_scope_and_its_time() {
    let (upstream, target, _) = with_blob();
    upstream.require_token(TokenRules { expires_in: Duration::from_millis(1500), ..TokenRules::default() });
    upstream.rule(Rule::any("/blobs/", Fault::status(418)).once());
    let client = upstream.client();
    let challenge = client.get(&target).send().expect(401).expect_header("www-authenticate").to_owned();
    let realm = format!("Bearer realm=\"{}/token\",service=\"scripted\"", upstream.endpoint());
    assert_eq!(challenge, format!("{realm},scope=\"repository:app:pull\""));
    assert_eq!(client.get("/v2/").send().expect(401).header("www-authenticate"), Some(&realm[..]));

    let get = |token: &str| client.get(&target).header("authorization", format!("Bearer {token}")).send();
    let good = token(&client, "service=scripted&scope=repository:app:pull");
    get(&good).expect(418);
    get(&good).expect(200);
    for wrong in ["scope=repository:app2:pull", "scope=repository:app:push", ""] {
        let refused = get(&token(&client, wrong)).expect(401);
        assert!(refused.expect_header("www-authenticate").ends_with(",error=\"invalid_token\""), "{wrong}");
    }
    get(&token(&client, "scope=repository:b:pull&scope=repository:app:push,pull")).expect(200);
    get(&token(&client, "scope=repository:b:pull+repository:app:pull")).expect(200);
    // The tokens end.
    thread::sleep(Duration::from_millis(1500));
    get(&good).expect(401);
    let good = token(&client, "scope=repository:app:pull");
    upstream.expire_tokens();
    get(&good).expect(401);
    assert_eq!(upstream.count("GET", "/token"), 7);
}

#[test]
fn a_token_is_issued_only_for_the_credentials() {
    let upstream = ScriptedUpstream::start();
    let client = upstream.client();
    upstream.require_token(TokenRules {
        credentials: Some(("me".to_owned(), "s p".to_owned())),
        identity_token: Some("refresh".to_owned()),
        ..TokenRules::default()
    });
    client.get("/token?scope=repository:app:pull").send().expect_error(401, ErrorCode::Unauthorized);
    client.get("/token").header("authorization", "Basic bWU6cyBw").send().expect(200);
    let post = |form: &str| client.post("/token").body(form).send();
    for (form, status) in [
        ("grant_type=refresh_token&refresh_token=refresh&service=scripted&scope=repository:app:pull", 200),
        ("grant_type=refresh_token&refresh_token=other", 401),
        ("grant_type=password&username=me&password=s+p", 200),
        ("grant_type=password&username=me&password=s+q", 401),
        ("", 401),
    ] {
        assert_eq!(post(form).status, status, "{form}");
    }
    let form = "grant_type=password&username=me&password=s%20p&scope=repository:app:pull";
    let token = post(form).json()["access_token"].as_str().unwrap().to_owned();
    let manifest = client.get("/v2/app/manifests/1").header("authorization", format!("Bearer {token}"));
    manifest.send().expect_error(404, ErrorCode::ManifestUnknown);
    assert_eq!(
        upstream.requests().last().unwrap().header("authorization"),
        Some(&format!("Bearer {token}")[..])
    );

    upstream.require_basic("me", "s p");
    let refused = client.get("/v2/").send();
    refused.expect_error(401, ErrorCode::Unauthorized);
    assert_eq!(refused.header("www-authenticate"), Some("Basic realm=\"scripted\""));
    client.get("/v2/").header("authorization", "Basic bWU6cyBw").send().expect(200);
    upstream.require_nothing();
    client.get("/v2/").send().expect(200);
}

#[test]
fn a_token_can_come_from_another_upstream() {
    let (upstream, realm) = (ScriptedUpstream::start(), ScriptedUpstream::start());
    let rules = TokenRules { realm: Some(format!("{}/token", realm.endpoint())), ..TokenRules::default() };
    upstream.require_token(rules);
    let challenge = upstream.client().get("/v2/").send().expect(401);
    assert!(challenge.expect_header("www-authenticate").contains(&realm.endpoint()));
    let token = token(&realm.client(), "scope=repository:app:pull");
    upstream.client().get("/v2/").header("authorization", format!("Bearer {token}")).send().expect(200);
}

#[test]
fn a_budget_is_spent_by_pulls_of_manifests() {
    let upstream = ScriptedUpstream::start();
    upstream.push("app", "1", &ImageBuilder::new(1).build());
    upstream.budget(100, 1);
    let remaining = |answer: &Answer| answer.expect_header("ratelimit-remaining").to_owned();
    let client = upstream.client();
    let head = client.head("/v2/app/manifests/1").send().expect(200);
    assert_eq!(
        (remaining(&head), head.expect_header("ratelimit-limit")),
        ("1;w=21600".to_owned(), "100;w=21600")
    );
    assert_eq!(remaining(&client.get("/v2/app/manifests/1").send().expect(200)), "0;w=21600");
    let refused = client.get("/v2/app/manifests/1").send();
    refused.expect_error(429, ErrorCode::TooManyRequests);
    assert_eq!(remaining(&refused), "0;w=21600");
    client.head("/v2/app/manifests/1").send().expect(200);
}

#[test]
fn the_bandwidth_is_shared() {
    let (upstream, target, content) = with_blob();
    upstream.limit_bandwidth(Some(1_000_000));
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| assert_eq!(upstream.client().get(&target).send().expect(200).body, content));
        }
    });
    let took = start.elapsed();
    assert!((300..2000).contains(&took.as_millis()), "{took:?}");
    upstream.limit_bandwidth(None);
}

#[test]
fn a_stopped_upstream_refuses_until_it_is_started_again_on_the_same_port() {
    let (upstream, target, content) = with_blob();
    upstream.rule(Rule::any("/blobs/", Fault::Stall { at: 10 }).once());
    upstream.rule(Rule::any("/v2/", Fault::Delay(Duration::from_mins(1))).once());
    let mut open: Vec<_> = (0..3).map(|_| upstream.client().connect()).collect();
    open[0].send(format!("GET {target} HTTP/1.1\r\n\r\n")).unwrap();
    eventually("the first bytes", || upstream.body_bytes_sent() == 10);
    open[1].send("GET /v2/ HTTP/1.1\r\n\r\n").unwrap();
    eventually("the open requests", || upstream.connections() == 3 && upstream.requests().len() == 2);
    upstream.stop();
    upstream.stop();
    assert_eq!(upstream.connections(), 0);
    for connection in &mut open {
        assert_ne!(connection.answer("GET").unwrap_err().kind(), ErrorKind::WouldBlock);
    }
    let refused = TcpStream::connect(upstream.address()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    upstream.start_again();
    assert_eq!(upstream.client().get(&target).send().expect(200).body, content);
    let address = upstream.address();
    drop(upstream);
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn a_hundred_connections_are_served_at_once() {
    let (upstream, target, content) = with_blob();
    let mut connections: Vec<_> = (0..100).map(|_| upstream.client().connect()).collect();
    for connection in &mut connections {
        connection.send(format!("GET {target} HTTP/1.1\r\n\r\n")).unwrap();
    }
    for connection in &mut connections {
        assert_eq!(connection.answer("GET").unwrap().expect(200).body, content);
    }
    assert_eq!((upstream.connections(), upstream.count("GET", &target)), (100, 100));
}
