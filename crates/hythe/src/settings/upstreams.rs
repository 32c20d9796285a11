//! The settings of upstreams: the keys `upstream.*`, and one table per configured upstream.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use hythe_client::Credentials;
use hythe_oci::Authority;
use hythe_upstream::Share;

use crate::values::{Addition, Endpoint, Mirror, Secret, SecretFile, TagTtl};

/// The keys `upstream.*`, and the tables below them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each key's sentence is in `KEYS`, spelt once")]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of its own, and none depends on another")]
pub struct Upstreams {
    pub enabled: bool,
    pub offline: bool,
    pub ttl: Duration,
    pub share: Share,
    pub any: bool,
    pub by_path: bool,
    pub prefetch: u64,
    pub add: Vec<Addition>,
    pub remove: Vec<Authority>,
    pub mirror: Vec<Mirror>,
    pub fallback: Option<Authority>,
    /// The tables, by their upstreams' canonical names.
    pub tables: BTreeMap<Authority, UpstreamTable>,
}

impl Default for Upstreams {
    fn default() -> Self {
        Self {
            enabled: true,
            offline: false,
            ttl: hythe_upstream::TTL,
            share: Share::default(),
            any: false,
            by_path: true,
            prefetch: 0,
            add: Vec::new(),
            remove: Vec::new(),
            mirror: Vec::new(),
            fallback: None,
            tables: BTreeMap::new(),
        }
    }
}

/// The table of one upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field's sentence is in `FIELDS`, spelt once")]
pub struct UpstreamTable {
    pub endpoints: Vec<Endpoint>,
    pub aliases: Vec<Authority>,
    pub ttl: Option<Duration>,
    pub ttl_by_tag: Vec<TagTtl>,
    pub share: Option<Share>,
    pub pushable: bool,
    pub username: Option<String>,
    pub password: Option<Secret>,
    pub password_file: Option<SecretFile>,
    pub identity_token_file: Option<SecretFile>,
    pub docker_config: bool,
    pub ca: Vec<PathBuf>,
    pub private_hosts: Vec<Authority>,
    /// The login from Docker's configuration, after it was read; only if `docker_config` is set.
    pub docker_login: Credentials,
}
