//! An upstream to pull from, which misbehaves as a test scripts it.

mod access;
mod basic;
mod budget;
mod connections;
mod content;
mod delivery;
mod listener;
mod pace;
mod peer;
mod reply;
mod rule;
mod script;
mod seen;
mod token;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hythe_oci::{Algorithm, Digest, Reference};
use parking_lot::Mutex;

use self::access::Access;
use self::basic::basic;
use self::budget::Budget;
use self::listener::Listener;
use self::script::Script;
use crate::{Client, Manifest};

pub use self::rule::{Fault, Rule};
pub use self::seen::Seen;
pub use self::token::TokenRules;

/// A registry on a free port of 127.0.0.1, with its own threads. The methods here put content into it; over HTTP it is
/// read-only. It stops when dropped, and closes all of its connections.
///
/// It serves `/v2/`, manifests, blobs (with ranges), tags (in pages), referrers and `/token`. It also serves each blob
/// as `/storage/<hex>` without credentials, like the CDNs that registries redirect to.
#[derive(Debug)]
pub struct ScriptedUpstream {
    address: SocketAddr,
    script: Arc<Script>,
    /// `None` while it is stopped.
    listener: Mutex<Option<Listener>>,
}

#[track_caller]
fn reference(text: &str) -> Reference {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

impl ScriptedUpstream {
    /// Starts an empty upstream without faults and without access control.
    pub fn start() -> Self {
        let listener = listener::bind((Ipv4Addr::LOCALHOST, 0).into());
        let address = listener.local_addr().expect("a bound listener has an address");
        let script = Arc::new(Script::new(format!("http://{address}")));
        let listener = Listener::start(listener, script.clone());
        Self { address, script, listener: Mutex::new(Some(listener)) }
    }

    /// Its address, also while it is stopped.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`
    pub fn endpoint(&self) -> String {
        self.script.endpoint.clone()
    }

    /// A client for it.
    pub fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// Adds a manifest under a tag or digest, with all content that it names.
    #[track_caller]
    pub fn push(&self, repository: &str, tag: &str, manifest: &Manifest) {
        self.script.content.lock().push(repository, &reference(tag), manifest);
    }

    /// Adds a manifest of any bytes under a tag or digest; the digest may be wrong.
    #[track_caller]
    pub fn push_manifest(
        &self,
        repository: &str,
        tag_or_digest: &str,
        media_type: &str,
        bytes: impl AsRef<[u8]>,
    ) {
        let reference = reference(tag_or_digest);
        self.script.content.lock().push_manifest(repository, &reference, media_type, bytes.as_ref());
    }

    /// Adds a blob; returns its SHA-256 digest.
    pub fn push_blob(&self, repository: &str, content: &[u8]) -> Digest {
        let digest = Digest::of(Algorithm::Sha256, content);
        self.push_blob_as(repository, digest, content);
        digest
    }

    /// Adds a blob under any digest, which may be wrong. An `Arc` is shared, not copied.
    pub fn push_blob_as(&self, repository: &str, digest: Digest, content: impl Into<Arc<[u8]>>) {
        self.script.content.lock().push_blob(repository, digest, content.into());
    }

    /// Forgets a tag; what it named stays.
    pub fn untag(&self, repository: &str, tag: &str) {
        self.script.content.lock().untag(repository, tag);
    }

    /// Forgets a manifest, with its tags, or a blob.
    pub fn remove(&self, repository: &str, digest: Digest) {
        self.script.content.lock().remove(repository, digest);
    }

    /// Adds a rule. The first that matches a request and has times left applies, and no other.
    pub fn rule(&self, rule: Rule) {
        self.script.rules.lock().push(rule);
    }

    /// Forgets all rules.
    pub fn clear_rules(&self) {
        self.script.rules.lock().clear();
    }

    /// The requests so far, in the order of their arrival, including refused ones and those for tokens.
    pub fn requests(&self) -> Vec<Seen> {
        self.script.seen.lock().clone()
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&self) {
        self.script.seen.lock().clear();
    }

    /// How many requests of this method had a target that contains this.
    pub fn count(&self, method: &str, contains: &str) -> usize {
        let seen = self.script.seen.lock();
        seen.iter().filter(|seen| seen.method == method && seen.target.contains(contains)).count()
    }

    /// How many bytes of manifests and blobs were sent, including bytes that still wait in a socket for their client.
    /// Tokens, lists and errors do not count.
    pub fn body_bytes_sent(&self) -> u64 {
        self.script.sent()
    }

    /// Requires this name and password.
    pub fn require_basic(&self, username: &str, password: &str) {
        *self.script.access.lock() = Access::Basic(basic(username, password));
    }

    /// Requires a token.
    pub fn require_token(&self, rules: TokenRules) {
        *self.script.access.lock() = Access::Token { rules, first: 0 };
    }

    /// Rejects all tokens that were issued so far.
    pub fn expire_tokens(&self) {
        if let Access::Token { first, .. } = &mut *self.script.access.lock() {
            *first = token::next();
        }
    }

    /// Requires no credentials.
    pub fn require_nothing(&self) {
        *self.script.access.lock() = Access::Anyone;
    }

    /// Limits the speed of all connections together.
    pub fn limit_bandwidth(&self, bytes_per_second: Option<u64>) {
        self.script.pace.limit(bytes_per_second);
    }

    /// Allows this many pulls of manifests, and sends Docker Hub's headers about it: `HEAD` and blobs are free, and
    /// once none remains, a `GET` of an existing manifest is answered with 429.
    pub fn budget(&self, limit: u64, remaining: u64) {
        *self.script.budget.lock() = Some(Budget { limit, remaining });
    }

    /// Sets whether it has the referrers API; without it, it answers 404.
    pub fn list_referrers(&self, lists: bool) {
        self.script.lists_referrers.store(lists, Ordering::Relaxed);
    }

    /// Closes the listener and all connections. Its content, rules and recorded requests stay.
    pub fn stop(&self) {
        if let Some(listener) = self.listener.lock().take() {
            listener.stop();
        }
    }

    /// Listens on the same port again.
    #[track_caller]
    pub fn start_again(&self) {
        let mut listener = self.listener.lock();
        assert!(listener.is_none(), "the upstream runs already");
        *listener = Some(Listener::start(listener::bind(self.address), self.script.clone()));
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.listener.lock().as_ref().map_or(0, |listener| listener.connections.count())
    }
}

impl Drop for ScriptedUpstream {
    fn drop(&mut self) {
        self.stop();
    }
}
