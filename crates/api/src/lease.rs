//! The pages of leases, which keep local blobs from being removed.

use serde::{Deserialize, Serialize};

/// A lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The lease's id, which its holder renews and releases it by.
    pub id: String,
    /// The purpose, such as `backup`.
    pub purpose: String,
    /// The program that holds the lease, as it describes itself.
    pub holder: String,
    /// When the lease ends unless it is renewed, in RFC 3339's format.
    pub until: Option<String>,
    /// When the lease ends however often it is renewed, in RFC 3339's format.
    pub ends: Option<String>,
}

/// The leases that live.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leases {
    /// The leases, the one that ends last first.
    pub leases: Vec<Lease>,
}
