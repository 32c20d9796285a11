//! A registry with users and rules, and content in each repository.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hythe_auth::{Action, Authenticator, Options, Policy, Rule, SigningKey, TokenServer};
use hythe_oci::{Algorithm, Digest};
use hythe_server::{Auth, Challenge, RegistryAccounts, ServerOptions};
use hythe_testing::{Answer, Client, Request, Setup, TestRegistry};
use tempfile::NamedTempFile;

/// The clients: one without credentials, one per way to be allowed something, and one that no rule knows.
pub(crate) const WHO: [&str; 8] =
    ["anonymous", "reader", "writer", "mover", "deleter", "boss", "root", "stranger"];

/// The repositories.
pub(crate) const REPOSITORIES: [&str; 3] = ["public/app", "team/app", "other/app"];

/// What the rules allow: subject, actions, repositories.
const RULES: [(&str, &str, &[Action], &str); 7] = [
    ("public", "anonymous", &[Action::Pull], "public/*"),
    ("read", "user:reader", &[Action::Pull], "team/*"),
    ("write", "user:writer", &[Action::Pull, Action::Push], "team/*"),
    ("move", "user:mover", &[Action::Pull, Action::Push, Action::Retag], "team/*"),
    ("delete", "user:deleter", &[Action::Delete], "team/*"),
    ("administer", "user:boss", &[Action::Admin, Action::Metrics], "*"),
    ("all", "user:root", &Action::ALL, "*"),
];

/// The blob and the manifests in each repository.
pub(crate) const BLOB: &[u8] = b"{}";

/// A registry with users, and its users' file.
pub(crate) struct World {
    pub(crate) registry: TestRegistry,
    pub(crate) auth: Auth,
    _users: NamedTempFile,
}

/// The manifest of an image with this note.
pub(crate) fn manifest(note: &str) -> Vec<u8> {
    let config = Digest::of(Algorithm::Sha256, BLOB);
    let descriptor = format!(
        r#"{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}","size":{}}}"#,
        BLOB.len()
    );
    format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{descriptor},"layers":[],"annotations":{{"note":"{note}"}}}}"#
    )
    .into_bytes()
}

/// The digest of the manifest with this note.
pub(crate) fn digest(note: &str) -> Digest {
    Digest::of(Algorithm::Sha256, &manifest(note))
}

/// Sends a request of a user; the password is the name.
#[track_caller]
pub(crate) fn send(who: &str, request: Request) -> Answer {
    if who == "anonymous" {
        return request.send();
    }
    request.header("authorization", format!("Basic {}", STANDARD.encode(format!("{who}:{who}")))).send()
}

impl World {
    /// A registry with content in each repository.
    pub(crate) fn start() -> Self {
        let world = Self::empty(|_| {});
        for repository in REPOSITORIES {
            world.fill(repository);
        }
        world
    }

    /// A registry without content, with other settings of authentication.
    pub(crate) fn empty(change: impl FnOnce(&mut Auth)) -> Self {
        let mut lines = String::new();
        for user in WHO.iter().filter(|who| **who != "anonymous") {
            writeln!(lines, "{user}:{}", bcrypt::hash(user, 4).unwrap()).unwrap();
        }
        let users = NamedTempFile::new().unwrap();
        std::fs::write(users.path(), lines).unwrap();
        let rule = |(name, subject, actions, repositories): (&str, &str, &[Action], &str)| Rule {
            name: name.to_owned(),
            subjects: vec![subject.parse().unwrap()],
            actions: actions.iter().copied().collect(),
            repositories: vec![repositories.parse().unwrap()],
        };
        let tokens = Arc::new(TokenServer::new("hythe", vec![SigningKey::generate().unwrap()]));
        let options = Options { htpasswd: Some(users.path().to_owned()), users: true };
        let registry = Setup::default().memory().start();
        let accounts = Arc::new(RegistryAccounts(registry.registry().clone()));
        let mut auth = Auth {
            authenticator: Arc::new(Authenticator::new(&options, tokens, accounts).unwrap()),
            policy: Arc::new(Policy::new(RULES.into_iter().map(rule).collect())),
            challenge: Challenge::Basic,
        };
        change(&mut auth);
        let world = Self { registry, auth, _users: users };
        world.set_options(|_| {});
        world
    }

    /// Sets the options of the server, which has this authentication.
    pub(crate) fn set_options(&self, change: impl FnOnce(&mut ServerOptions)) {
        let mut options = ServerOptions {
            auth: Some(self.auth.clone()),
            log_requests: false,
            drain_timeout: Duration::from_secs(1),
            ..ServerOptions::default()
        };
        change(&mut options);
        self.registry.server().set_options(options);
    }

    pub(crate) fn client(&self) -> Client {
        self.registry.client()
    }

    /// Puts a blob, two manifests and the tag `v1` into a repository, as the user who may do everything.
    pub(crate) fn fill(&self, repository: &str) {
        let client = self.client();
        let config = Digest::of(Algorithm::Sha256, BLOB);
        let upload =
            client.post(format!("/v2/{repository}/blobs/uploads/")).query("digest", config).body(BLOB);
        send("root", upload).expect(201);
        for (note, reference) in [("one", "v1".to_owned()), ("two", digest("two").to_string())] {
            self.put_manifest("root", repository, &reference, note).expect(201);
        }
    }

    /// Pushes the manifest with this note.
    #[track_caller]
    pub(crate) fn put_manifest(&self, who: &str, repository: &str, reference: &str, note: &str) -> Answer {
        let request = self.client().put(format!("/v2/{repository}/manifests/{reference}"));
        let request = request.header("content-type", "application/vnd.oci.image.manifest.v1+json");
        send(who, request.body(manifest(note)))
    }
}
