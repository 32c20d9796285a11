//! Leases: while one lives, no local blob is removed.

/// A lease. While it lives, garbage collection removes no local blob: no link, no row and no file. Its holder, such as a
/// backup, can read the blobs that it found at the lease's beginning.
///
/// The holder renews it. A holder that was killed does not, so its lease ends [`LIFE`](Self::LIFE) after the last renewal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The lease's id, which nobody can guess.
    pub id: String,
    /// The purpose, such as `backup`.
    pub purpose: String,
    /// The program that holds the lease, as it describes itself.
    pub holder: String,
    /// When the lease ends, unless its holder renews it.
    pub until: i64,
    /// When the lease ends, however often its holder renews it.
    pub ends: i64,
}

impl Lease {
    /// How long a lease lives after its last renewal, in milliseconds.
    pub const LIFE: i64 = 10 * 60 * 1000;
    /// How long a lease lives at most, in milliseconds.
    pub const LONGEST: i64 = 24 * 60 * 60 * 1000;
    /// The most leases that live at the same time.
    pub const MOST: usize = 16;
}
