//! Pushing blobs: to hythe's own registry, and to registries that misbehave as a test scripts it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hythe_client::{BlobPush, Client, ClientOptions, Error, PushError, Pushed, Remedy};
use hythe_oci::{Algorithm, Digest};
use hythe_testing::{Fault, Rule, ScriptedUpstream, Seen, TestRegistry, TokenRules, bytes};
use parking_lot::Mutex;
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::world::{assert_says, basic, client, client_of, collect, name};

fn client_at(address: SocketAddr) -> Client {
    Client::new(ClientOptions { direct: true, ..ClientOptions::new(format!("http://{address}")) }).unwrap()
}

/// Pushes content; returns how it came there, and the offsets from which the client read the content.
async fn push(
    client: &Client,
    content: &[u8],
    change: impl FnOnce(&mut BlobPush<'_>),
) -> (Result<Pushed, PushError>, Vec<u64>) {
    let (repository, digest) = (name("app"), Digest::of(Algorithm::Sha256, content));
    let mut push = BlobPush { size: Some(content.len() as u64), ..BlobPush::new(&repository, &digest) };
    change(&mut push);
    let offsets = Mutex::new(Vec::new());
    let pushed = client
        .push_blob(push, |offset| {
            offsets.lock().push(offset);
            let rest = content[usize::try_from(offset).unwrap()..].to_vec();
            async move { Ok(std::io::Cursor::new(rest)) }
        })
        .await;
    (pushed, offsets.into_inner())
}

async fn assert_stored(client: &Client, content: &[u8]) {
    let digest = Digest::of(Algorithm::Sha256, content);
    let answer = client.blob(&name("app"), &digest, 0).await.unwrap();
    let (bytes, error) = collect(answer.body).await;
    assert!(error.is_none() && bytes == content, "{error:?}");
}

/// Forwards connections to a registry. The first connection that carries more than `after` bytes of requests breaks
/// there.
async fn cut_once(registry: SocketAddr, after: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let cut = Arc::new(AtomicBool::new(false));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let cut = Arc::clone(&cut);
            tokio::spawn(async move {
                let server = TcpStream::connect(registry).await.unwrap();
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                let back = tokio::spawn(async move {
                    let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
                });
                let (mut passed, mut memory) = (0, vec![0; 16 << 10]);
                while let Ok(length @ 1..) = from_client.read(&mut memory).await {
                    if to_server.write_all(&memory[..length]).await.is_err() {
                        break;
                    }
                    passed += length;
                    if passed > after && !cut.swap(true, Ordering::SeqCst) {
                        break;
                    }
                }
                drop(to_server);
                drop(from_client);
                back.abort();
            });
        }
    });
    address
}

#[tokio::test]
async fn a_blob_is_pushed_in_one_request_as_a_stream_or_in_chunks() {
    let registry = TestRegistry::start();
    let client = client_at(registry.address());
    for (seed, length, is_known, chunk) in [
        (1, 300_000, true, None),
        (2, 300_000, false, None),
        (3, 300_000, true, Some(100_000)),
        (4, 300_001, true, Some(100_000)),
        (5, 1, true, Some(1)),
        (6, 0, true, None),
        (7, 0, false, None),
    ] {
        let content = bytes(seed, length);
        let (pushed, offsets) = push(&client, &content, |push| {
            push.size = is_known.then_some(length as u64);
            push.chunk = chunk;
        })
        .await;
        let expected = if length == 0 && !is_known { Pushed::Existing } else { Pushed::Uploaded };
        assert_eq!(pushed.unwrap(), expected, "{length}");
        let chunks = chunk.map_or(1, |chunk| (length as u64).div_ceil(chunk));
        assert!(offsets.len() as u64 == chunks || expected == Pushed::Existing, "{offsets:?}");
        assert_stored(&client, &content).await;
    }
}

#[tokio::test]
async fn a_blob_that_the_repository_has_is_not_sent_again() {
    let registry = TestRegistry::start();
    let client = client_at(registry.address());
    let content = bytes(1, 1000);
    push(&client, &content, |_| {}).await.0.unwrap();
    let (pushed, offsets) = push(&client, &content, |_| {}).await;
    assert_eq!((pushed.unwrap(), offsets), (Pushed::Existing, vec![]));
}

#[tokio::test]
async fn a_blob_is_mounted_from_another_repository() {
    let registry = TestRegistry::start();
    let client = client_at(registry.address());
    let content = bytes(1, 1000);
    registry.client().push_blob("base", &content);
    let base = name("base");
    let (repository, digest) = (name("app"), Digest::of(Algorithm::Sha256, &content));
    let push = BlobPush { mount_from: Some(&base), ..BlobPush::new(&repository, &digest) };
    let pushed = client.push_blob(push, async |_| Err::<&[u8], _>(std::io::ErrorKind::Other.into())).await;
    assert_eq!(pushed.unwrap(), Pushed::Mounted);
    assert_stored(&client, &content).await;
}

#[tokio::test]
async fn a_blob_that_is_not_mounted_is_uploaded_in_the_session_that_the_answer_starts() {
    let upstream = ScriptedUpstream::start();
    upstream.require_token(TokenRules::default());
    upstream.rule(Rule::on(
        "POST",
        "mount=sha256%3A",
        Fault::status(202).header("location", "/v2/app/blobs/uploads/1?state=x"),
    ));
    upstream.rule(Rule::on("PUT", "/uploads/1?state=x&digest=sha256%3A", Fault::status(201)));
    let base = name("base");
    let content = b"content".to_vec();
    let repository = name("app");
    let digest = Digest::of(Algorithm::Sha256, &content);
    let push = BlobPush { size: Some(7), mount_from: Some(&base), ..BlobPush::new(&repository, &digest) };
    let client = client(&upstream);
    let pushed = client.push_blob(push, async |_| Ok(&b"content"[..])).await;
    assert_eq!(pushed.unwrap(), Pushed::Uploaded);
    assert_eq!(upstream.requests().pop().unwrap().body, content);
    let requests = upstream.requests();
    let tokens: Vec<_> = requests.iter().filter(|seen| seen.path() == "/token").map(Seen::query).collect();
    let (target, source) = ("scope=repository%3Aapp%3Apull%2Cpush", "scope=repository%3Abase%3Apull");
    assert_eq!(tokens, [format!("service=scripted&{target}"), format!("service=scripted&{target}&{source}")]);
}

#[tokio::test]
async fn an_upload_that_breaks_is_resumed() {
    let registry = TestRegistry::start();
    let content = bytes(1, 6 << 20);
    for (app, chunk, is_known) in
        [("patch", Some(5 << 20), true), ("stream", None, false), ("put", None, true)]
    {
        let content = [content.as_slice(), app.as_bytes()].concat();
        let client = client_at(cut_once(registry.address(), 3 << 20).await);
        let (pushed, offsets) = push(&client, &content, |push| {
            push.chunk = chunk;
            if !is_known {
                push.size = None;
            }
        })
        .await;
        assert_eq!(pushed.unwrap(), Pushed::Uploaded, "{app}");
        assert!(offsets.len() > 1, "{app}: {offsets:?}");
        if app != "put" {
            assert!(offsets[1] > 0, "{app}: the bytes that arrived are not sent again: {offsets:?}");
        }
        assert_stored(&client_at(registry.address()), &content).await;
    }
}

/// A registry that starts sessions at `location`, with a minimum for chunks.
fn session_at(location: &str, least: u64) -> ScriptedUpstream {
    let upstream = ScriptedUpstream::start();
    let started = Fault::status(202).header("location", location).header("oci-chunk-min-length", least);
    upstream.rule(Rule::on("POST", "/uploads/", started));
    upstream
}

#[tokio::test]
async fn a_token_that_expires_during_an_upload_is_replaced_and_the_upload_goes_on() {
    let upstream = session_at("/v2/app/blobs/uploads/1", 0);
    upstream.require_token(TokenRules::default());
    upstream.rule(Rule::on("PATCH", "/uploads/1", Fault::status(202)));
    upstream.rule(Rule::on("GET", "/uploads/1", Fault::status(204).header("range", "0-3")));
    upstream.rule(Rule::on("PUT", "/uploads/1", Fault::status(201)));
    let (repository, content) = (name("app"), b"content!");
    let digest = Digest::of(Algorithm::Sha256, content);
    let push = BlobPush { size: Some(8), chunk: Some(4), ..BlobPush::new(&repository, &digest) };
    let client = client(&upstream);
    let is_first = AtomicBool::new(true);
    let pushed = client.push_blob(push, |offset| {
        if offset == 4 && is_first.swap(false, Ordering::SeqCst) {
            upstream.expire_tokens();
        }
        std::future::ready(Ok(&content[usize::try_from(offset).unwrap()..]))
    });
    assert_eq!(pushed.await.unwrap(), Pushed::Uploaded);
    assert_eq!((upstream.count("GET", "/token"), upstream.count("PATCH", "/uploads/1")), (2, 3));
    let requests = upstream.requests();
    let ranges =
        requests.iter().filter(|seen| seen.method == "PATCH").map(|seen| seen.header("content-range"));
    assert_eq!(ranges.collect::<Vec<_>>(), [Some("0-3"), Some("4-7"), Some("4-7")]);
}

/// `Range: 0-0` of a session stands for no byte and for one byte.
#[tokio::test]
async fn a_session_of_which_nothing_was_taken_goes_on_although_its_status_may_mean_one_byte() {
    for (chunk, method) in [(None, "PUT"), (Some(4), "PATCH")] {
        let upstream = session_at("/v2/app/blobs/uploads/1", 0);
        upstream.require_token(TokenRules::default());
        upstream.rule(Rule::on("PATCH", "/uploads/1", Fault::status(202)));
        upstream.rule(Rule::on("GET", "/uploads/1", Fault::status(204).header("range", "0-0")));
        upstream.rule(Rule::on("PUT", "/uploads/1", Fault::status(201)));
        let (repository, content) = (name("app"), b"content!");
        let digest = Digest::of(Algorithm::Sha256, content);
        let push = BlobPush { size: Some(8), chunk, ..BlobPush::new(&repository, &digest) };
        let client = client(&upstream);
        let is_first = AtomicBool::new(true);
        let pushed = client.push_blob(push, |offset| {
            if is_first.swap(false, Ordering::SeqCst) {
                upstream.expire_tokens();
            }
            std::future::ready(Ok(&content[usize::try_from(offset).unwrap()..]))
        });
        assert_eq!(pushed.await.unwrap(), Pushed::Uploaded);
        assert_eq!(upstream.count("POST", "/uploads/"), 1, "{method}");
        let requests = upstream.requests();
        let first = requests.iter().filter(|seen| seen.method == method).map(|seen| seen.body.len());
        let expected = if chunk.is_some() { vec![4, 4, 4] } else { vec![8, 8] };
        assert_eq!(first.collect::<Vec<_>>(), expected);
    }
}

#[tokio::test]
async fn a_session_that_may_have_a_byte_or_none_is_replaced() {
    let upstream = session_at("/v2/app/blobs/uploads/1", 0);
    upstream.rule(Rule::on("PUT", "/uploads/1", Fault::HangUp).once());
    upstream.rule(Rule::on("PUT", "/uploads/1", Fault::status(201)));
    upstream.rule(Rule::on("GET", "/uploads/1", Fault::status(204).header("range", "0-0")));
    upstream.rule(Rule::on("DELETE", "/uploads/1", Fault::status(204)));
    let (pushed, offsets) = push(&client(&upstream), b"content", |_| {}).await;
    assert_eq!((pushed.unwrap(), offsets), (Pushed::Uploaded, vec![0, 0]));
    assert_eq!((upstream.count("POST", "/uploads/"), upstream.count("DELETE", "/uploads/1")), (2, 1));
    assert_eq!(upstream.requests().pop().unwrap().method, "PUT", "the former session is cancelled first");
}

#[tokio::test]
async fn a_chunk_is_no_shorter_than_the_registrys_minimum() {
    let upstream = session_at("1?state=x", 6);
    upstream.rule(Rule::on("PATCH", "/uploads/1?state=x", Fault::status(202)));
    upstream.rule(Rule::on("PUT", "/uploads/1?state=x&digest=", Fault::status(201)));
    let (pushed, offsets) = push(&client(&upstream), b"content!", |push| push.chunk = Some(4)).await;
    assert_eq!((pushed.unwrap(), offsets), (Pushed::Uploaded, vec![0, 6]));
}

#[tokio::test]
async fn a_session_at_another_host_gets_no_credentials_and_must_be_at_a_host_that_the_client_may_reach() {
    let storage = ScriptedUpstream::start();
    storage.rule(Rule::on("PUT", "/session?signature=x", Fault::status(201)));
    let upstream = session_at(&format!("{}/session?signature=x", storage.endpoint()), 0);
    upstream.require_basic("alice", "s3cret");
    let client = client_of(&upstream, basic("alice", "s3cret"));
    push(&client, b"content", |_| {}).await.0.unwrap();
    let seen = storage.requests().pop().unwrap();
    assert_eq!((seen.header("authorization"), seen.body.as_slice()), (None, &b"content"[..]));

    let upstream = session_at(&storage.endpoint().replace("127.0.0.1", "localhost"), 0);
    storage.forget_requests();
    let Err(PushError::Registry(error)) = push(&self::client(&upstream), b"content", |_| {}).await.0 else {
        panic!("a private host that nobody named was reached")
    };
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    assert_says(&error, &["`localhost`"]);
    assert_eq!(error.remedy(), Some(&Remedy::PrivateHost("localhost".to_owned())));
    assert_eq!(storage.requests(), []);
}

#[tokio::test]
async fn a_push_that_cannot_succeed_ends_with_the_reason() {
    for (fault, words) in [
        (Fault::status(403), "refused"),
        (Fault::status(413), "status 413"),
        (Fault::redirect("/elsewhere"), "status 307"),
        (Fault::status(201).header("docker-content-digest", Digest::of(Algorithm::Sha256, b"")), "it stored"),
    ] {
        let upstream = session_at("/v2/app/blobs/uploads/1", 0);
        upstream.rule(Rule::on("PUT", "/uploads/1", fault));
        let error = push(&client(&upstream), b"content", |_| {}).await.0.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(upstream.count("DELETE", "/uploads/1"), 1, "the session is cancelled");
    }
}

#[tokio::test]
async fn a_source_that_fails_is_told_apart_from_the_registry() {
    let registry = TestRegistry::start();
    let client = client_at(registry.address());
    let error = push(&client, b"content", |push| push.size = Some(100)).await.0.unwrap_err();
    assert!(matches!(error, PushError::Content(_)), "{error:?}");
    assert!(error.to_string().contains("ended 93 bytes early"), "{error}");
}

/// What a registry does with a PUT after its head: it reads the body, of this length, and answers.
type Put = fn(from: &mut BufReader<&std::net::TcpStream>, length: u64) -> bool;

const CREATED: &[u8] = b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n";
const FORBIDDEN: &[u8] = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";

/// A registry that has no blob, starts sessions, and leaves each PUT to `put`, which returns whether the connection goes
/// on. Returns its address.
fn registry_that_puts(put: Put) -> SocketAddr {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    // Connections inherit it: a client soon has bytes that the registry does not take.
    listener.set_recv_buffer_size(16 << 10).unwrap();
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(10).unwrap();
    let listener: std::net::TcpListener = listener.into();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            std::thread::spawn(move || answer_all(&connection.unwrap(), put));
        }
    });
    address
}

fn answer_all(connection: &std::net::TcpStream, put: Put) {
    let (mut from, mut to) = (BufReader::new(connection), connection);
    loop {
        let (mut method, mut length) = (None, 0);
        loop {
            let mut line = String::new();
            if from.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim().to_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            method.get_or_insert_with(|| line.split(' ').next().unwrap().to_owned());
        }
        let answer: &[u8] = match method.as_deref() {
            Some("post") => b"HTTP/1.1 202 Accepted\r\nlocation: /session\r\ncontent-length: 0\r\n\r\n",
            Some("put") if put(&mut from, length) => continue,
            Some("put") => return,
            _ => b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
        };
        to.write_all(answer).unwrap();
    }
}

fn read_all(from: &mut BufReader<&std::net::TcpStream>, length: u64) -> u64 {
    std::io::copy(&mut from.take(length), &mut std::io::sink()).unwrap_or(0)
}

/// The system ends a connection whose other end takes no byte for a time, also if the other end says that it has no room.
#[tokio::test]
async fn a_registry_may_stop_reading_for_longer_than_a_connection_may_take() {
    let registry = registry_that_puts(|from, length| {
        std::thread::sleep(Duration::from_secs(4));
        let is_whole = read_all(from, length) == length;
        is_whole && from.get_mut().write_all(CREATED).is_ok()
    });
    let (pushed, offsets) = push(&client_at(registry), &bytes(1, 8 << 20), |_| {}).await;
    assert_eq!((pushed.unwrap(), offsets), (Pushed::Uploaded, vec![0]));
}

/// How much of a refused body the registry got.
static REFUSED: AtomicU64 = AtomicU64::new(0);

#[tokio::test]
async fn a_body_that_the_registry_refused_is_not_sent_to_its_end() {
    let registry = registry_that_puts(|from, length| {
        from.get_mut().write_all(FORBIDDEN).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        REFUSED.store(read_all(from, length).max(1), Ordering::SeqCst);
        false
    });
    let (repository, digest) = (name("app"), Digest::of(Algorithm::Sha256, b""));
    let push = BlobPush { size: Some(1 << 40), ..BlobPush::new(&repository, &digest) };
    let client = client_at(registry);
    let error = client.push_blob(push, async |_| Ok(tokio::io::repeat(0))).await.unwrap_err();
    assert!(matches!(error, PushError::Registry(Error::Denied { status: 403, .. })), "{error:?}");
    while REFUSED.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
