//! TLS on a registry's listener: handshakes, HTTP/1.1 and HTTP/2 over it, clients' certificates, and new certificates.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests; the lint knows only functions marked so")]

mod clients;
mod h2;
mod handshakes;
mod http1;
mod mistakes;
mod reload;
mod streams;

use hythe_server::TlsOptions;
use hythe_testing::{Authority, Client, Setup, TestRegistry};
use tempfile::TempDir;

/// A registry with TLS, and the authority that signed its certificate.
struct World {
    authority: Authority,
    folder: TempDir,
    registry: TestRegistry,
}

impl World {
    fn new() -> Self {
        Self::with(TestRegistry::setup(), |_, _| {})
    }

    /// A registry of `setup`, whose TLS options `change` changes. They get the authority.
    fn with(setup: Setup, change: impl FnOnce(&mut TlsOptions, &Authority)) -> Self {
        let (authority, folder) = (Authority::default(), TempDir::with_prefix("hythe-tls-").unwrap());
        let mut options = authority.certify_server().write(folder.path());
        change(&mut options, &authority);
        let registry = setup.tls(options).start();
        Self { authority, folder, registry }
    }

    /// A client that trusts the registry's authority.
    fn client(&self) -> Client {
        self.registry.client().tls(self.authority.client())
    }

    /// The value of a metric.
    fn metric(&self, name: &str) -> u64 {
        let page = self.client().get("/metrics").send().expect(200);
        let page = String::from_utf8(page.body).unwrap();
        let value =
            page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
        value.unwrap_or_else(|| panic!("no metric {name}: {page}")).parse().unwrap()
    }
}
