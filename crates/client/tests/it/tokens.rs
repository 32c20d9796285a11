//! Tokens: how they are requested, kept and renewed, and which servers get the credentials.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use hythe_client::{Client, ClientOptions, Credentials, Error, Remedy};
use hythe_testing::{Fault, ImageBuilder, Rule, ScriptedUpstream, TokenRules};

use crate::world::{assert_says, basic, client, client_of, name, options, pull, reference};

/// An upstream that has `app:latest` and issues tokens by these rules.
fn upstream(rules: TokenRules) -> ScriptedUpstream {
    let upstream = ScriptedUpstream::start();
    upstream.push("app", "latest", &ImageBuilder::new(1).build());
    upstream.require_token(rules);
    upstream
}

fn for_alice() -> TokenRules {
    TokenRules { credentials: Some(("alice".to_owned(), "s3cret".to_owned())), ..TokenRules::default() }
}

#[tokio::test]
async fn an_anonymous_token_is_requested_once_and_sent_from_then_on() {
    let upstream = upstream(TokenRules::default());
    let client = client(&upstream);
    pull(&client).await.unwrap();
    pull(&client).await.unwrap();
    client.clone().manifest_head(&name("app"), &reference("latest")).await.unwrap();
    let seen: Vec<_> = upstream.requests().iter().map(|seen| seen.path().to_owned()).collect();
    let manifest = "/v2/app/manifests/latest";
    assert_eq!(seen, [manifest, "/token", manifest, manifest, manifest]);
    let requests = upstream.requests();
    assert_eq!(requests[1].query(), "service=scripted&scope=repository%3Aapp%3Apull");
    assert_eq!(requests[1].header("authorization"), None);
    assert!(requests[0].header("user-agent").unwrap().starts_with("hythe/"));
}

#[tokio::test]
async fn the_request_with_a_token_reuses_the_challenged_connection() {
    let elsewhere = ScriptedUpstream::start();
    let realm = Some(elsewhere.endpoint() + "/token");
    let upstream = upstream(TokenRules { realm, ..TokenRules::default() });
    // The client keeps its connections while it exists.
    let client = client(&upstream);
    pull(&client).await.unwrap();
    assert_eq!((upstream.count("GET", "/manifests/"), upstream.connections()), (2, 1));
}

#[tokio::test]
async fn each_repository_has_a_token_of_its_own() {
    let upstream = upstream(TokenRules::default());
    upstream.push("other/app", "latest", &ImageBuilder::new(2).build());
    let client = client(&upstream);
    pull(&client).await.unwrap();
    client.manifest_head(&name("other/app"), &reference("latest")).await.unwrap();
    pull(&client).await.unwrap();
    assert_eq!(upstream.count("GET", "/token"), 2);
}

#[tokio::test]
async fn many_requests_at_once_ask_for_one_token() {
    let upstream = upstream(TokenRules::default());
    upstream.rule(Rule::any("/token", Fault::Delay(Duration::from_millis(200))));
    let client = client(&upstream);
    for result in join_all((0..32).map(|_| pull(&client))).await {
        result.unwrap();
    }
    assert_eq!(upstream.count("GET", "/token"), 1);
}

#[tokio::test]
async fn many_requests_at_once_share_the_failure_of_a_token_server_and_the_next_one_tries_again() {
    // The server waits, then closes the connection.
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let realm = format!("http://{}/token", server.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    std::thread::spawn(move || {
        while let Ok((connection, _)) = server.accept() {
            counted.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(400));
            drop(connection);
        }
    });
    let upstream = upstream(TokenRules { realm: Some(realm), ..TokenRules::default() });
    let client = client(&upstream);
    for result in join_all((0..16).map(|_| pull(&client))).await {
        assert!(matches!(result, Err(Error::Unavailable { .. })), "{result:?}");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 2, "one request, asked once more");
    pull(&client).await.unwrap_err();
    assert_eq!(connections.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_name_and_password_are_sent_to_the_token_server_only() {
    let upstream = upstream(for_alice());
    pull(&client_of(&upstream, basic("alice", "s3cret"))).await.unwrap();
    for seen in upstream.requests() {
        let is_basic = seen.header("authorization").is_some_and(|value| value.starts_with("Basic "));
        assert_eq!(is_basic, seen.path() == "/token", "{seen:?}");
    }
}

#[tokio::test]
async fn a_token_server_that_knows_only_post_is_asked_by_post() {
    for status in [404, 405] {
        let upstream = upstream(for_alice());
        upstream.rule(Rule::on("GET", "/token", Fault::status(status)));
        pull(&client_of(&upstream, basic("alice", "s3cret"))).await.unwrap();
        let requests = upstream.requests();
        let post = requests.iter().find(|seen| seen.method == "POST").unwrap();
        assert_eq!(
            String::from_utf8_lossy(&post.body),
            "grant_type=password&username=alice&password=s3cret&client_id=hythe&service=scripted\
             &scope=repository%3Aapp%3Apull"
        );
        assert_eq!(post.header("content-type"), Some("application/x-www-form-urlencoded"));
    }
}

#[tokio::test]
async fn an_identity_token_is_exchanged_by_post() {
    let rules = TokenRules { identity_token: Some("re/fresh+me".to_owned()), ..TokenRules::default() };
    let upstream = upstream(rules);
    pull(&client_of(&upstream, Credentials::IdentityToken("re/fresh+me".to_owned()))).await.unwrap();
    assert_eq!((upstream.count("GET", "/token"), upstream.count("POST", "/token")), (0, 1));

    let wrong = client_of(&upstream, Credentials::IdentityToken("another".to_owned()));
    let error = pull(&wrong).await.unwrap_err();
    assert!(matches!(error, Error::Denied { status: 401, .. }), "{error:?}");
    assert_eq!((upstream.count("GET", "/token"), upstream.count("POST", "/token")), (0, 2));
}

#[tokio::test]
async fn the_error_for_wrong_credentials_quotes_the_token_server() {
    let upstream = upstream(for_alice());
    for credentials in [basic("alice", "wrong"), Credentials::Anonymous] {
        let error = pull(&client_of(&upstream, credentials)).await.unwrap_err();
        assert!(matches!(error, Error::Denied { status: 401, .. }), "{error:?}");
        assert_says(&error, &["127.0.0.1", "`app`", "token server", "incorrect username or password"]);
        assert!(!error.to_string().contains("wrong") && !error.is_temporary());
    }
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends() {
    let upstream = upstream(TokenRules { expires_in: Duration::from_secs(1), ..TokenRules::default() });
    let client = client(&upstream);
    pull(&client).await.unwrap();
    // The token is nearly at its end.
    tokio::time::sleep(Duration::from_millis(950)).await;
    pull(&client).await.unwrap();
    let seen: Vec<_> = upstream.requests().iter().map(|seen| seen.path().to_owned()).collect();
    let manifest = "/v2/app/manifests/latest";
    assert_eq!(seen, [manifest, "/token", manifest, "/token", manifest], "no second challenge");
}

#[tokio::test]
async fn a_token_that_is_no_longer_accepted_is_replaced_once() {
    let upstream = upstream(TokenRules::default());
    let client = client(&upstream);
    pull(&client).await.unwrap();
    upstream.expire_tokens();
    pull(&client).await.unwrap();
    assert_eq!(upstream.count("GET", "/token"), 2);
    pull(&client).await.unwrap();
    assert_eq!(upstream.count("GET", "/token"), 2);
}

#[tokio::test]
async fn a_token_that_is_refused_without_a_challenge_is_replaced_once() {
    let upstream = upstream(TokenRules::default());
    let client = client(&upstream);
    pull(&client).await.unwrap();
    upstream.rule(Rule::any("/manifests/", Fault::status(401)).once());
    pull(&client).await.unwrap();
    assert_eq!(upstream.count("GET", "/token"), 2);
    upstream.rule(Rule::any("/manifests/", Fault::status(401)));
    pull(&client).await.unwrap_err();
    assert_eq!(upstream.count("GET", "/token"), 3);
}

#[tokio::test]
async fn a_token_that_expires_unannounced_is_replaced() {
    let rules =
        TokenRules { expires_in: Duration::from_millis(200), says_expiry: false, ..TokenRules::default() };
    let upstream = upstream(rules);
    let client = client(&upstream);
    pull(&client).await.unwrap();
    // The token ends.
    tokio::time::sleep(Duration::from_millis(250)).await;
    pull(&client).await.unwrap();
    assert_eq!(upstream.count("GET", "/token"), 2);
}

#[tokio::test]
async fn a_401_to_an_anonymous_token_means_not_found() {
    let upstream = upstream(TokenRules { wrong_scope: true, ..TokenRules::default() });
    let client = client(&upstream);
    for tokens in 1..=2 {
        let error = pull(&client).await.unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
        assert_says(&error, &["127.0.0.1", "`latest`", "`app`", "authentication required"]);
        assert_eq!(upstream.count("GET", "/token"), tokens, "it is tried once, not in a loop");
    }
}

#[tokio::test]
async fn a_challenge_for_another_scope_is_answered_with_a_token_for_that_scope_once() {
    let upstream = upstream(TokenRules::default());
    let realm = upstream.endpoint() + "/token";
    let more = |scope: &str| {
        let challenge = format!("Bearer realm=\"{realm}\",scope=\"{scope}\",error=\"insufficient_scope\"");
        Rule::any("/manifests/", Fault::status(401).header("www-authenticate", challenge)).once()
    };
    upstream.rule(more("repository:app:pull,export repository:hub/app:pull"));
    let client = client(&upstream);
    pull(&client).await.unwrap();
    pull(&client).await.unwrap();
    let requests = upstream.requests();
    let queries: Vec<_> =
        requests.iter().filter(|seen| seen.path() == "/token").map(|seen| seen.query().to_owned()).collect();
    let scopes = "&scope=repository%3Aapp%3Apull%2Cexport&scope=repository%3Ahub%2Fapp%3Apull";
    assert_eq!(queries, ["service=scripted&scope=repository%3Aapp%3Apull", &scopes[1..]]);

    // A registry that asks for another scope each time gets no endless answer.
    upstream.forget_requests();
    upstream.rule(more("repository:app:pull,one"));
    upstream.rule(more("repository:app:pull,two"));
    upstream.rule(more("repository:app:pull,three"));
    pull(&client).await.unwrap_err();
    assert_eq!(upstream.count("GET", "/token"), 2);
}

#[tokio::test]
async fn a_403_to_an_anonymous_token_is_not_found_and_with_credentials_denied() {
    let upstream = upstream(TokenRules::default());
    upstream.rule(Rule::any("/manifests/", Fault::status(403)));
    let error = pull(&client(&upstream)).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");

    upstream.require_token(for_alice());
    let error = pull(&client_of(&upstream, basic("alice", "s3cret"))).await.unwrap_err();
    assert!(matches!(error, Error::Denied { status: 403, .. }), "{error:?}");
    assert_says(&error, &["the configured credentials"]);
}

#[tokio::test]
async fn each_answer_of_a_token_server_has_its_kind_of_error() {
    let answer = |status, body: &str| Fault::Status { status, headers: Vec::new(), body: body.to_owned() };
    let kind = |error: &Error| match error {
        Error::Denied { status, .. } => format!("denied {status}"),
        Error::RateLimited { retry_after, .. } => format!("limited {retry_after:?}"),
        Error::Unavailable { status, .. } => format!("unavailable {status:?}"),
        Error::Protocol { .. } => "protocol".to_owned(),
        Error::NotFound { .. } | Error::Refused { .. } => panic!("{error:?}"),
    };
    for (fault, expected, words) in [
        (answer(200, "<html>"), "protocol", "JSON"),
        (answer(200, "{}"), "protocol", "no token"),
        (answer(200, r#"{"token":"a\r\nb: c"}"#), "protocol", "no header can hold"),
        (answer(200, &" ".repeat(100_000)), "protocol", "too long"),
        (answer(401, r#"{"details":"go away"}"#), "denied 401", "go away"),
        (answer(403, ""), "denied 403", "status 403"),
        (answer(404, ""), "denied 404", "status 404"),
        (answer(429, "").header("retry-after", 7), "limited Some(7s)", "again in 7 s"),
        (answer(500, ""), "unavailable Some(500)", "token server"),
        (Fault::redirect("{target}"), "protocol", "status 307"),
        (Fault::HangUp, "unavailable None", "127.0.0.1"),
    ] {
        let upstream = upstream(TokenRules::default());
        upstream.rule(Rule::any("/token", fault));
        let error = pull(&client(&upstream)).await.unwrap_err();
        assert_eq!(kind(&error), expected, "{error}");
        assert_says(&error, &["127.0.0.1", "a token for `app`", words]);
    }
}

#[tokio::test]
async fn a_private_token_server_of_another_domain_is_asked_only_if_named() {
    let elsewhere = ScriptedUpstream::start();
    let realm = elsewhere.endpoint().replace("127.0.0.1", "localhost") + "/token";
    for credentials in [basic("alice", "s3cret"), Credentials::Anonymous] {
        let upstream = upstream(TokenRules { realm: Some(realm.clone()), ..TokenRules::default() });
        let error = pull(&client_of(&upstream, credentials.clone())).await.unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{error:?}");
        assert_says(&error, &["127.0.0.1", "`localhost`"]);
        assert_eq!(error.remedy(), Some(&Remedy::PrivateHost("localhost".to_owned())));
        assert_eq!(elsewhere.requests(), []);

        let private_hosts = vec!["localhost".parse().unwrap()];
        let named = ClientOptions { credentials, private_hosts, ..options(&upstream) };
        pull(&Client::new(named).unwrap()).await.unwrap();
        assert_eq!(elsewhere.count("GET", "/token"), 1);
        elsewhere.forget_requests();
    }
}

#[tokio::test]
async fn a_token_servers_redirect_is_followed_only_without_credentials() {
    let moved = ScriptedUpstream::start();
    for (credentials, rules, is_followed) in [
        (Credentials::Anonymous, TokenRules::default(), true),
        (basic("alice", "s3cret"), for_alice(), false),
    ] {
        let upstream = upstream(rules);
        upstream.rule(Rule::any("/token", Fault::redirect(moved.endpoint() + "{target}")));
        let pulled = pull(&client_of(&upstream, credentials)).await;
        assert_eq!(pulled.is_ok(), is_followed, "{pulled:?}");
    }
    let requests = moved.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].query(), "service=scripted&scope=repository%3Aapp%3Apull");
}

#[tokio::test]
async fn a_token_is_read_from_either_field() {
    for body in [
        r#"{"token":"","access_token":"T"}"#,
        r#"{"token":null,"access_token":"T","expires_in":"300"}"#,
        r#"{"access_token":"T","expires_in":0,"issued_at":"yesterday"}"#,
        r#"{"token":"T","expires_in":1e40,"issued_at":7}"#,
    ] {
        let upstream = upstream(TokenRules::default());
        let answer = Fault::Status { status: 200, headers: Vec::new(), body: body.to_owned() };
        upstream.rule(Rule::any("/token", answer));
        pull(&client(&upstream)).await.unwrap_err();
        let sent = upstream.requests().pop().unwrap();
        assert_eq!(sent.header("authorization"), Some("Bearer T"), "{body}");
    }
}

#[tokio::test]
async fn a_challenge_is_read_in_many_forms() {
    for challenge in [
        "bearer realm=\"{realm}\"",
        "BEARER REALM={realm}",
        "Bearer realm=\"{realm}\", service=, scope=\"\"",
        "Basic realm=\"x\", Bearer realm=\"{realm}\"",
        "Negotiate, Bearer service=\"x\",realm=\"{realm}\",error=\"invalid_token\"",
    ] {
        let upstream = upstream(TokenRules::default());
        upstream.require_nothing();
        let challenge = challenge.replace("{realm}", &(upstream.endpoint() + "/token"));
        upstream.rule(Rule::any("/v2/", Fault::status(401).header("www-authenticate", &challenge)).once());
        let pulled = pull(&client(&upstream)).await;
        assert!(pulled.is_ok(), "{challenge}: {pulled:?}");
        assert_eq!(upstream.count("GET", "/token"), 1);
    }
}

#[tokio::test]
async fn a_challenge_without_a_valid_realm_is_an_error() {
    let upstream = ScriptedUpstream::start();
    for challenge in [
        "Bearer service=\"x\"",
        "Bearer realm=\"/token\"",
        "Bearer realm=\"ftp://127.0.0.1/token\"",
        "Bearer realm=\"http://alice:s3cret@127.0.0.1/token\"",
    ] {
        upstream.clear_rules();
        upstream.rule(Rule::any("/v2/", Fault::status(401).header("www-authenticate", challenge)));
        let error = pull(&client(&upstream)).await.unwrap_err();
        assert!(matches!(error, Error::Protocol { .. }), "{challenge}: {error:?}");
    }
}

#[tokio::test]
async fn a_name_and_password_are_sent_from_the_first_basic_challenge_on() {
    let upstream = ScriptedUpstream::start();
    upstream.push("app", "latest", &ImageBuilder::new(1).build());
    upstream.require_basic("alice", "s3cret");
    let client = client_of(&upstream, basic("alice", "s3cret"));
    pull(&client).await.unwrap();
    pull(&client).await.unwrap();
    assert_eq!(upstream.requests().len(), 3);
}

#[tokio::test]
async fn a_wrong_password_is_sent_once_per_request_and_never_before_a_challenge() {
    let upstream = ScriptedUpstream::start();
    upstream.push("app", "latest", &ImageBuilder::new(1).build());
    let client = client_of(&upstream, basic("alice", "wrong"));
    pull(&client).await.unwrap();
    assert_eq!(upstream.requests()[0].header("authorization"), None);
    upstream.require_basic("alice", "s3cret");
    for requests in [3, 4] {
        let error = pull(&client).await.unwrap_err();
        assert!(matches!(error, Error::Denied { status: 401, .. }), "{error:?}");
        assert_eq!(upstream.requests().len(), requests);
    }
}

#[tokio::test]
async fn a_registry_that_requires_a_password_denies_clients_without_one() {
    let upstream = ScriptedUpstream::start();
    upstream.require_basic("alice", "s3cret");
    for credentials in [Credentials::Anonymous, Credentials::IdentityToken("refresh".to_owned())] {
        let error = pull(&client_of(&upstream, credentials)).await.unwrap_err();
        assert!(matches!(error, Error::Denied { status: 401, .. }), "{error:?}");
        assert_says(&error, &["credentials", "authentication required"]);
        assert_eq!(upstream.requests().len(), 1);
        upstream.forget_requests();
    }
}

#[tokio::test]
async fn a_token_is_preferred_to_a_password() {
    let upstream = upstream(for_alice());
    let realm = upstream.endpoint() + "/token";
    let both = Fault::status(401)
        .header("www-authenticate", "Basic realm=\"x\"")
        .header("www-authenticate", format!("Bearer realm=\"{realm}\""));
    upstream.require_nothing();
    upstream.rule(Rule::any("/v2/", both).once());
    pull(&client_of(&upstream, basic("alice", "s3cret"))).await.unwrap();
    let last = upstream.requests().pop().unwrap();
    assert!(last.header("authorization").unwrap().starts_with("Bearer "), "{last:?}");
}

#[tokio::test]
async fn a_ping_fails_if_the_credentials_are_not_accepted() {
    let upstream = upstream(for_alice());
    client_of(&upstream, basic("alice", "s3cret")).ping().await.unwrap();
    let error = client_of(&upstream, basic("alice", "wrong")).ping().await.unwrap_err();
    assert!(matches!(error, Error::Denied { .. }), "{error:?}");
}

#[test]
fn debug_output_contains_no_secret() {
    let mut options = ClientOptions::new("https://registry.example");
    for credentials in [basic("alice", "s3cret"), Credentials::IdentityToken("s3cret".to_owned())] {
        options.credentials = credentials;
        let client = Client::new(options.clone()).unwrap();
        let debug = format!("{options:?} {:#?} {client:?}", options.credentials);
        assert!(!debug.contains("s3cret") && !debug.contains("czNjcmV0"), "{debug}");
    }
    options.credentials = basic("a:b", "s3cret");
    let error = Client::new(options).unwrap_err();
    assert!(!error.to_string().contains("s3cret"), "{error}");
}
