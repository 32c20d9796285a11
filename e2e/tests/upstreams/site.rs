//! One hythe in front of three upstreams: one is open, one requires a password, one requires a token.

use std::time::Duration;

use hythe_e2e::issuer::Issuer;
use hythe_e2e::sample::Sample;
use hythe_e2e::server::{Server, free_port};
use hythe_e2e::upstream::{Access, Upstream};
use hythe_e2e::user::{PASSWORD, USER};

/// The time to live of a tag in these tests.
pub(crate) const TTL: Duration = Duration::from_secs(1);

/// The servers of a test.
pub(crate) struct Site {
    pub(crate) hythe: Server,
    /// The port of the mirror of docker.io.
    pub(crate) mirror: u16,
    /// The upstream docker.io and up.example.
    pub(crate) open: Upstream,
    /// The upstream basic.example.
    pub(crate) basic: Upstream,
    /// The upstream token.example.
    pub(crate) token: Upstream,
    pub(crate) issuer: Issuer,
}

impl Site {
    /// Starts all of them.
    pub(crate) fn start() -> Self {
        let issuer = Issuer::start();
        let open = Upstream::start(Access::Anonymous);
        let basic = Upstream::start(Access::Basic);
        let token = Upstream::start(Access::Token(&issuer));
        let mirror = free_port();
        let text = format!(
            r#"
[upstream]
ttl = "{ttl}s"

[upstream."docker.io"]
endpoints = ["http://{open}"]

[upstream."up.example"]
endpoints = ["http://{open}"]

[upstream."basic.example"]
endpoints = ["http://{basic}"]
username = "{USER}"
password = "{PASSWORD}"

[upstream."token.example"]
endpoints = ["http://{token}"]
username = "{USER}"
password = "{PASSWORD}"
private-hosts = ["{issuer}"]
"#,
            ttl = TTL.as_secs(),
            open = open.address(),
            basic = basic.address(),
            token = token.address(),
            issuer = issuer.address(),
        );
        let hythe = Server::new().with_configuration(&text);
        let mut hythe =
            hythe.with_arguments(["--mirror".to_owned(), format!("127.0.0.1:{mirror}=docker.io")]);
        hythe.run();
        Self { hythe, mirror, open, basic, token, issuer }
    }

    /// `HOST:PORT/UPSTREAM/NAME:TAG`, for clients that reach an upstream by path.
    pub(crate) fn path(&self, image: &str) -> String {
        path(&self.hythe, image)
    }

    /// Pushes `sample` to `upstream` directly, without hythe.
    pub(crate) fn fill(upstream: &Upstream, name: &str, tag: &str, sample: &Sample) {
        upstream.fill(name, |repository| sample.push(repository, tag));
    }
}

/// The name of an upstream's image at this hythe.
pub(crate) fn path(hythe: &Server, image: &str) -> String {
    format!("{}/{image}", hythe.address())
}
