//! Proxies, which the environment names.

use std::process::Command;

use hythe_client::{Client, Error, Options};
use hythe_oci::{Algorithm, Digest};
use hythe_testing::{Fault, Rule, ScriptedUpstream};

use crate::world::{collect, name, pull};

/// Set in the process that a test starts to be in another environment: one that runs cannot change its own.
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
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
}

/// A proxy that answers for every host; its address has a name, as proxies have.
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
    let client = Client::new(Options::new("http://registry.example")).unwrap();
    assert_eq!(&pull(&client).await.unwrap().bytes[..], b"{}");
    let digest = Digest::of(Algorithm::Sha256, b"a blob");
    let blob = client.blob(&name("app"), &digest, 0).await.unwrap();
    assert_eq!(collect(blob.body).await.0, b"a blob");
}

#[tokio::test]
async fn a_host_of_no_proxy_is_asked_directly_and_the_proxy_itself_is_never_redirected_to() {
    const TEST: &str = "a_host_of_no_proxy_is_asked_directly_and_the_proxy_itself_is_never_redirected_to";
    if std::env::var_os(INNER).is_none() {
        let (proxy, address) = proxy();
        again(TEST, &[("HTTP_PROXY", &address), ("NO_PROXY", "127.0.0.1,localhost")]);
        assert_eq!(proxy.requests(), []);
        return;
    }
    let upstream = ScriptedUpstream::start();
    let proxy = std::env::var("HTTP_PROXY").unwrap();
    upstream.rule(Rule::any("/v2/", Fault::redirect(format!("{proxy}/metrics"))));
    let error = pull(&Client::new(Options::new(upstream.endpoint())).unwrap()).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    assert_eq!(upstream.requests().len(), 1);
}
