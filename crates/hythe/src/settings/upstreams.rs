//! The settings of upstreams: the keys `upstream.*`, and one table per configured upstream.

use std::time::Duration;

use hythe_oci::Authority;
use hythe_upstream::Share;

use crate::tables::{Tables, UpstreamTable};
use crate::values::{Addition, Mirror};

/// The keys `upstream.*`, and the tables below them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each key's sentence is in `KEYS`, spelt once")]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of its own, and none depends on another")]
pub struct Upstreams {
    pub enabled: bool,
    pub offline: bool,
    pub ttl: Duration,
    pub share: Share,
    pub load: Share,
    pub any: bool,
    pub by_path: bool,
    pub prefetch: u64,
    pub add: Vec<Addition>,
    pub remove: Vec<Authority>,
    pub mirror: Vec<Mirror>,
    pub fallback: Option<Authority>,
    /// The tables, by their upstreams' canonical names.
    pub tables: Tables<UpstreamTable>,
}

impl Default for Upstreams {
    fn default() -> Self {
        Self {
            enabled: true,
            offline: false,
            ttl: hythe_upstream::TTL,
            share: Share::default(),
            load: Share::default(),
            any: false,
            by_path: true,
            prefetch: 0,
            add: Vec::new(),
            remove: Vec::new(),
            mirror: Vec::new(),
            fallback: None,
            tables: Tables::default(),
        }
    }
}
