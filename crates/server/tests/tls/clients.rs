//! Clients' certificates (mutual TLS).

use std::sync::Arc;

use hythe_auth::{
    Accounts, AccountsError, Action, Authenticator, Options, Policy, Rule, SigningKey, StoredSecret,
    TokenServer,
};
use hythe_server::{Auth, Challenge, ClientAuth, ServerOptions, TlsOptions};
use hythe_testing::{Answer, Authority, Certified, TestRegistry};

use crate::World;

fn world(auth: ClientAuth, clients: &Authority) -> World {
    let setup = TestRegistry::setup().server(|options| options.log_requests = true);
    let pem = clients.pem().to_owned();
    World::with(setup, move |options: &mut TlsOptions, _| {
        let path = options.certificate.with_file_name("clients.pem");
        std::fs::write(&path, pem).unwrap();
        options.client_ca = vec![path];
        options.client_auth = auth;
    })
}

fn ask(world: &World, certified: Option<&Certified>) -> std::io::Result<Answer> {
    let tls = world.authority.client_with(rustls::ALL_VERSIONS, &[b"http/1.1"], certified);
    world.registry.client().tls(tls).get("/v2/").try_send()
}

#[test]
fn a_client_with_a_certificate_is_let_in_and_the_log_names_it() {
    let clients = Authority::new("clients");
    let world = world(ClientAuth::Require, &clients);
    let answer = ask(&world, Some(&clients.certify_client("ci", "spiffe://example/ci"))).unwrap().expect(200);
    let line = world.registry.log().line_of(&answer);
    assert!(line.contains("certificate=\"O=Example,CN=ci\""), "{line}");
}

#[test]
fn a_client_without_a_certificate_is_refused_and_can_read_why() {
    let world = world(ClientAuth::Require, &Authority::new("clients"));
    let error = ask(&world, None).unwrap_err();
    assert!(error.to_string().contains("CertificateRequired"), "{error}");
}

#[test]
fn a_client_with_the_certificate_of_another_authority_is_refused() {
    for auth in [ClientAuth::Require, ClientAuth::Request] {
        let world = world(auth, &Authority::new("clients"));
        let other = Authority::new("others").certify_client("ci", "spiffe://example/ci");
        let error = ask(&world, Some(&other)).unwrap_err();
        assert!(error.to_string().contains("UnknownCA"), "{error}");
    }
}

#[test]
fn a_certificate_may_be_optional() {
    let clients = Authority::new("clients");
    let world = world(ClientAuth::Request, &clients);
    let answer = ask(&world, None).unwrap().expect(200);
    assert!(!world.registry.log().line_of(&answer).contains("certificate="));
    let answer = ask(&world, Some(&clients.certify_client("ci", "spiffe://example/ci"))).unwrap().expect(200);
    assert!(world.registry.log().line_of(&answer).contains("CN=ci"));
}

/// No users, and nobody else's tokens.
#[derive(Debug)]
struct NoAccounts;

#[async_trait::async_trait]
impl Accounts for NoAccounts {
    async fn password(&self, _: &str) -> Result<Option<Arc<str>>, AccountsError> {
        Ok(None)
    }

    async fn secret(&self, _: &str) -> Result<Option<StoredSecret>, AccountsError> {
        Ok(None)
    }

    async fn secret_used(&self, _: &str) {}
}

#[test]
fn a_certificate_proves_who_the_client_is_and_rules_decide_what_it_may_do() {
    let clients = Authority::new("clients");
    let rule = Rule {
        name: "ci".to_owned(),
        subjects: vec!["certificate:ci".parse().unwrap()],
        actions: Action::ALL.into_iter().collect(),
        repositories: vec!["*".parse().unwrap()],
    };
    let tokens = Arc::new(TokenServer::new("hythe", vec![SigningKey::generate().unwrap()]));
    let authenticator = Authenticator::new(&Options::default(), tokens, Arc::new(NoAccounts)).unwrap();
    let auth = Auth {
        authenticator: Arc::new(authenticator),
        policy: Arc::new(Policy::new(vec![rule])),
        challenge: Challenge::Token,
    };
    let world = world(ClientAuth::Request, &clients);
    world.registry.server().set_options(ServerOptions { auth: Some(auth), ..ServerOptions::default() });
    ask(&world, Some(&clients.certify_client("ci", "spiffe://example/ci"))).unwrap().expect(200);
    // Another client has logged in too, and may do nothing.
    let other = clients.certify_client("other", "spiffe://example/other");
    ask(&world, Some(&other)).unwrap().expect(200);
    let tls = world.authority.client_with(rustls::ALL_VERSIONS, &[b"http/1.1"], Some(&other));
    world.registry.client().tls(tls).get("/v2/app/tags/list").send().expect(403);
    let answer = ask(&world, None).unwrap().expect(401);
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(challenge.starts_with("Bearer realm=\"https://"), "{challenge}");
}
