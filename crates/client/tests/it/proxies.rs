//! The client uses the proxies that the environment names.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;

use hythe_client::{Client, ClientOptions, Error, Remedy};
use hythe_oci::{Algorithm, Digest};
use hythe_testing::{Fault, Rule, ScriptedUpstream};
use parking_lot::Mutex;

use crate::tls::{AUTHORITY, MANIFEST, answering, client};
use crate::world::{assert_says, collect, name, pull};

/// Set in the process that a test starts with another environment: a running process cannot change its own.
const INNER: &str = "HYTHE_TEST_BEHIND_A_PROXY";

/// Runs a test of this file once more, with these variables and no other proxies.
#[track_caller]
fn again(test: &str, variables: &[(&str, &str)]) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command.env(INNER, "1").envs(variables.iter().copied());
    let output = command.args([&format!("proxies::{test}"), "--exact", "--nocapture"]).output().unwrap();
    let success = output.status.success();
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed);
    assert!(success && printed.contains("1 passed"), "{printed}");
}

/// A proxy that answers for every host; its address is a name, as usual for proxies.
fn proxy() -> (ScriptedUpstream, String) {
    let proxy = ScriptedUpstream::start();
    let answer = |body: &str| Fault::Status { status: 200, headers: Vec::new(), body: body.to_owned() };
    proxy
        .rule(Rule::any("http://registry.example/v2/app/blobs/", Fault::redirect("http://cdn.example/blob")));
    proxy.rule(Rule::any("http://cdn.example/blob", answer("a blob")));
    proxy.rule(Rule::any("http://registry.example/v2/app/manifests/", answer("{}")));
    let address = proxy.endpoint().replace("127.0.0.1", "localhost");
    (proxy, address)
}

#[tokio::test]
async fn an_upstream_is_asked_through_the_proxy_and_so_is_its_storage() {
    if std::env::var_os(INNER).is_none() {
        let (proxy, address) = proxy();
        again("an_upstream_is_asked_through_the_proxy_and_so_is_its_storage", &[("HTTP_PROXY", &address)]);
        let seen: Vec<_> = proxy.requests().into_iter().map(|seen| seen.target).collect();
        assert_eq!(seen.len(), 3, "{seen:?}");
        assert_eq!(seen[0], "http://registry.example/v2/app/manifests/latest");
        assert_eq!(seen[2], "http://cdn.example/blob");
        return;
    }
    let client = Client::new(ClientOptions::new("http://registry.example")).unwrap();
    assert_eq!(&pull(&client).await.unwrap().bytes[..], b"{}");
    let digest = Digest::of(Algorithm::Sha256, b"a blob");
    let blob = client.blob(&name("app"), &digest, 0).await.unwrap();
    assert_eq!(collect(blob.body).await.0, b"a blob");
}

#[tokio::test]
async fn a_token_server_of_another_domain_is_asked_anonymously() {
    const TEST: &str = "a_token_server_of_another_domain_is_asked_anonymously";
    if std::env::var_os(INNER).is_none() {
        let (proxy, address) = proxy();
        proxy.clear_rules();
        let answer = |body: &str| Fault::Status { status: 200, headers: Vec::new(), body: body.to_owned() };
        let challenge = "Bearer realm=\"http://auth.elsewhere.example/token\",service=\"elsewhere\"";
        proxy.rule(Rule::any("http://auth.elsewhere.example/token", answer(r#"{"token":"T"}"#)));
        let refusal = Fault::status(401).header("www-authenticate", challenge);
        proxy.rule(Rule::any("http://registry.example/v2/app/", refusal.clone()).once());
        proxy.rule(Rule::any("http://registry.example/v2/app/", answer("{}")).once());
        proxy.rule(Rule::any("http://registry.example/v2/app/", refusal));
        again(TEST, &[("HTTP_PROXY", &address)]);
        let requests = proxy.requests();
        let tokens = requests.iter().filter(|seen| seen.target.contains("/token"));
        assert_eq!(tokens.clone().count(), 2);
        assert!(tokens.into_iter().all(|seen| seen.header("authorization").is_none()), "{requests:?}");
        return;
    }
    let anybody = Client::new(ClientOptions::new("http://registry.example")).unwrap();
    assert_eq!(&pull(&anybody).await.unwrap().bytes[..], b"{}");
    let credentials = crate::world::basic("alice", "s3cret");
    let alice =
        Client::new(ClientOptions { credentials, ..ClientOptions::new("http://registry.example") }).unwrap();
    let error = pull(&alice).await.unwrap_err();
    assert!(matches!(error, Error::Denied { status: 401, .. }), "{error:?}");
    assert_says(&error, &["did not send", "`auth.elsewhere.example`"]);
    assert_eq!(error.remedy(), Some(&Remedy::PrivateHost("auth.elsewhere.example".to_owned())));
}

#[tokio::test]
async fn a_host_in_no_proxy_is_asked_directly_and_a_redirect_to_the_proxy_is_refused() {
    const TEST: &str = "a_host_in_no_proxy_is_asked_directly_and_a_redirect_to_the_proxy_is_refused";
    if std::env::var_os(INNER).is_none() {
        let (proxy, address) = proxy();
        again(TEST, &[("HTTP_PROXY", &address), ("NO_PROXY", "127.0.0.1,localhost")]);
        assert_eq!(proxy.requests(), []);
        return;
    }
    let upstream = ScriptedUpstream::start();
    let proxy = std::env::var("HTTP_PROXY").unwrap();
    upstream.rule(Rule::any("/v2/", Fault::redirect(format!("{proxy}/metrics"))));
    let error = pull(&Client::new(ClientOptions::new(upstream.endpoint())).unwrap()).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    assert_eq!(upstream.requests().len(), 1);
}

/// A proxy that opens tunnels for clients that authenticate, at `http://alice:secret@localhost:PORT`; and the heads of
/// the requests that it received.
fn tunnelling() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let heads = Arc::clone(&seen);
    std::thread::spawn(move || {
        while let Ok((mut client, _)) = listener.accept() {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if client.read(&mut byte).unwrap() == 0 {
                    break;
                }
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).unwrap();
            let target = head.split(' ').nth(1).unwrap().to_owned();
            // alice:secret
            let is_known = head.to_lowercase().contains("proxy-authorization: basic ywxpy2u6c2vjcmv0");
            heads.lock().push(head);
            if !is_known {
                let refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
                client.write_all(refusal).unwrap();
                continue;
            }
            let mut upstream = TcpStream::connect(target).unwrap();
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
            let (mut from, mut to) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            let _ = std::io::copy(&mut upstream, &mut client);
        }
    });
    (format!("http://alice:secret@localhost:{port}"), seen)
}

#[tokio::test]
async fn a_registry_that_speaks_tls_is_reached_through_a_tunnel() {
    const TEST: &str = "a_registry_that_speaks_tls_is_reached_through_a_tunnel";
    if std::env::var_os(INNER).is_none() {
        let (proxy, seen) = tunnelling();
        let upstream = answering(MANIFEST);
        again(TEST, &[("HTTPS_PROXY", &proxy), ("HYTHE_TEST_UPSTREAM", &upstream)]);
        let seen = seen.lock();
        assert_eq!(seen.len(), 2);
        for head in &*seen {
            assert!(head.starts_with(&format!("CONNECT {upstream} HTTP/1.1\r\n")), "{head}");
            assert!(!head.contains("/v2/"), "{head}");
        }
        return;
    }
    let endpoint = format!("https://{}", std::env::var("HYTHE_TEST_UPSTREAM").unwrap());
    assert_eq!(&pull(&client(endpoint.clone(), &[AUTHORITY])).await.unwrap().bytes[..], b"{}");
    // The client must trust the registry's certificate, not the proxy.
    let error = pull(&client(endpoint, &[])).await.unwrap_err();
    assert_says(&error, &["certificate", "unknown authority"]);
    assert_eq!(error.remedy(), Some(&Remedy::Authority));
}

#[tokio::test]
async fn the_error_names_a_proxy_that_refuses_or_is_not_an_http_proxy() {
    const TEST: &str = "the_error_names_a_proxy_that_refuses_or_is_not_an_http_proxy";
    if std::env::var_os(INNER).is_none() {
        let (proxy, _) = tunnelling();
        let stranger = proxy.replace("alice:secret@", "");
        again(TEST, &[("HTTPS_PROXY", &stranger), ("HTTP_PROXY", "socks5://localhost:1080")]);
        return;
    }
    let error = pull(&client("https://registry.example".to_owned(), &[])).await.unwrap_err();
    assert_says(&error, &["the proxy `localhost`", "407"]);
    let error = pull(&client("http://registry.example".to_owned(), &[])).await.unwrap_err();
    assert_says(&error, &["the proxy `socks5://localhost`"]);
}
