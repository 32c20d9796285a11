//! Upstreams that cannot be reached, and endpoints that are not valid.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use hythe_client::{Client, ClientOptions, ConfigError, Credentials, Error};
use hythe_testing::{Fault, ImageBuilder, Rule, ScriptedUpstream, TokenRules};
use socket2::{Domain, Socket, Type};

use crate::world::{assert_says, client, options, pull};

/// The error of a pull that fails within three seconds.
async fn failure(options: ClientOptions) -> Error {
    let before = Instant::now();
    let error = pull(&Client::new(options).unwrap()).await.unwrap_err();
    assert!(before.elapsed() < Duration::from_secs(3), "{:?}: {error}", before.elapsed());
    assert!(matches!(error, Error::Unavailable { status: None, .. }) && error.is_temporary(), "{error:?}");
    assert_says(&error, &["tag `latest` of `app`"]);
    error
}

#[tokio::test]
async fn an_upstream_that_does_not_listen_is_unavailable() {
    let upstream = ScriptedUpstream::start();
    upstream.stop();
    assert_says(&failure(options(&upstream)).await, &["127.0.0.1", "connection refused"]);
}

#[tokio::test]
async fn a_name_without_an_address_is_unavailable() {
    let error = failure(ClientOptions::new("http://registry.invalid:5000")).await;
    assert_says(&error, &["`registry.invalid`", "no address"]);
}

#[tokio::test]
async fn a_host_that_does_not_answer_is_given_up() {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    // While the queue is full the kernel drops new connections, as a firewall does.
    let connect = |_| TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
    let queued: Vec<_> = (0..100).map_while(connect).collect();
    let error = failure(ClientOptions::new(format!("http://{address}"))).await;
    assert_says(&error, &["127.0.0.1", "no connection within 2s"]);
    drop(queued);
}

#[tokio::test]
async fn a_host_that_never_answers_the_tls_handshake_is_given_up() {
    // The kernel accepts connections, and no server answers the TLS handshake.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let error = failure(ClientOptions::new(format!("https://{}", silent.local_addr().unwrap()))).await;
    assert_says(&error, &["no connection within 2s"]);
}

#[tokio::test]
async fn an_upstream_that_never_answers_is_given_up() {
    let upstream = ScriptedUpstream::start();
    upstream.rule(Rule::any("/v2/", Fault::BlackHole));
    let head_timeout = Duration::from_millis(300);
    let error = failure(ClientOptions { head_timeout, ..options(&upstream) }).await;
    assert_says(&error, &["no answer within 300ms"]);
}

#[tokio::test]
async fn an_upstream_that_closes_the_connection_is_asked_once_more() {
    let upstream = ScriptedUpstream::start();
    let image = ImageBuilder::new(1).build();
    upstream.push("app", "latest", &image);
    upstream.rule(Rule::any("/v2/", Fault::HangUp).once());
    let client = client(&upstream);
    assert_eq!(pull(&client).await.unwrap().bytes, image.bytes);

    upstream.rule(Rule::any("/v2/", Fault::HangUp));
    upstream.forget_requests();
    let error = failure(options(&upstream)).await;
    assert_says(&error, &["127.0.0.1"]);
    assert_eq!(upstream.requests().len(), 2);
}

#[tokio::test]
async fn the_same_client_reaches_an_upstream_that_is_back() {
    let upstream = ScriptedUpstream::start();
    upstream.push("app", "latest", &ImageBuilder::new(1).build());
    let client = client(&upstream);
    pull(&client).await.unwrap();
    upstream.stop();
    pull(&client).await.unwrap_err();
    upstream.start_again();
    pull(&client).await.unwrap();
}

#[tokio::test]
async fn connections_are_kept_for_the_next_request() {
    let upstream = ScriptedUpstream::start();
    upstream.push("app", "latest", &ImageBuilder::new(1).build());
    let client = client(&upstream);
    for _ in 0..5 {
        pull(&client.clone()).await.unwrap();
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn localhost_is_found_without_a_name_server() {
    let upstream = ScriptedUpstream::start();
    upstream.push("app", "latest", &ImageBuilder::new(1).build());
    let endpoint = upstream.endpoint().replace("127.0.0.1", "localhost");
    let client = Client::new(ClientOptions::new(&endpoint)).unwrap();
    pull(&client).await.unwrap();
    assert_eq!(client.endpoint(), endpoint);
    let port = upstream.address().port().to_string();
    assert!(upstream.requests()[0].header("host").unwrap().ends_with(&port));
}

#[tokio::test]
async fn an_endpoint_that_no_operator_configured_is_not_asked_at_a_private_address() {
    let upstream = ScriptedUpstream::start();
    upstream.push("app", "latest", &ImageBuilder::new(1).build());
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
        let endpoint = upstream.endpoint().replace("127.0.0.1", host);
        let client =
            Client::new(ClientOptions { public_only: true, ..ClientOptions::new(endpoint) }).unwrap();
        let error = pull(&client).await.unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{host}: {error:?}");
    }
    assert_eq!(upstream.requests(), []);
}

#[tokio::test]
async fn an_endpoint_may_have_a_path() {
    let upstream = ScriptedUpstream::start();
    let shown = Fault::Status { status: 200, headers: Vec::new(), body: "{}".to_owned() };
    upstream.rule(Rule::any("/a%20b/mirror/v2/", shown));
    for slash in ["", "/"] {
        let endpoint = format!("{}/a b/mirror{slash}", upstream.endpoint());
        let client = Client::new(ClientOptions::new(endpoint)).unwrap();
        pull(&client).await.unwrap();
        client.ping().await.unwrap();
        assert_eq!(upstream.requests().pop().unwrap().target, "/a%20b/mirror/v2/");
    }
}

/// As with Harbor's proxy projects, the caches of ECR and GitLab, and containerd's `override_path`.
#[tokio::test]
async fn an_endpoint_may_begin_every_repositorys_name() {
    let upstream = ScriptedUpstream::start();
    let image = ImageBuilder::new(1).build();
    upstream.push("dockerhub/app", "latest", &image);
    upstream.require_token(TokenRules::default());
    for slash in ["", "/"] {
        let client =
            Client::new(ClientOptions::new(format!("{}/v2/dockerhub{slash}", upstream.endpoint()))).unwrap();
        assert_eq!(pull(&client).await.unwrap().bytes, image.bytes);
        let tags = client.tags(&"app".parse().unwrap(), None, 10).await.unwrap().tags;
        assert_eq!(tags.len(), 1);
        client.ping().await.unwrap();
        assert_eq!(upstream.requests().pop().unwrap().target, "/v2/");
    }
    let client = Client::new(ClientOptions::new(format!("{}/v2", upstream.endpoint()))).unwrap();
    upstream.push("app", "latest", &image);
    assert_eq!(pull(&client).await.unwrap().bytes, image.bytes);
}

#[test]
fn an_invalid_endpoint_is_refused_with_its_reason() {
    for (endpoint, words) in [
        ("registry.example", "`https://registry.example`"),
        ("", "`https://registry.example`"),
        ("ftp://registry.example", "`https://`"),
        ("https://", "registry.example"),
        ("https://alice:s3cret@registry.example", "beside the endpoint"),
        ("https://registry.example/?ns=x", "`?`"),
        ("https://registry.example/#x", "`#`"),
    ] {
        let error = Client::new(ClientOptions::new(endpoint)).unwrap_err();
        assert!(matches!(error, ConfigError::Endpoint { .. }), "{endpoint}: {error:?}");
        let message = error.to_string();
        assert!(message.contains(words) && !message.contains("s3cret"), "{endpoint}: {message}");
    }
}

#[test]
fn credentials_that_cannot_be_sent_are_refused_at_once() {
    for credentials in [
        Credentials::Basic { username: "a:b".to_owned(), password: String::new() },
        Credentials::IdentityToken(String::new()),
    ] {
        let options = ClientOptions { credentials, ..ClientOptions::new("https://registry.example") };
        let error = Client::new(options).unwrap_err();
        assert!(matches!(error, ConfigError::Credentials { .. }), "{error:?}");
    }
}
