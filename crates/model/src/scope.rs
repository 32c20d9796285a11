//! What a check explores, and which guard it leaves out.

/// A rule of the program that keeps live content. A check without one of them must find a counterexample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Unused content stays for the grace period.
    Grace,
    /// The transaction that removes something checks it again.
    Recheck,
    /// No local link is removed while a backup holds a lease.
    Lease,
    /// A file has its generation in its name.
    Generation,
    /// A collection with a shorter grace period notes what it removed, and a manifest that needs it is refused.
    Note,
    /// The time of a note is not before the last use that the note is about.
    NoteTime,
    /// The catalog records the name of a file before the file gets it.
    Intent,
    /// A row is removed before its file.
    RowFirst,
}

/// What may happen beside pushes of blobs and manifests, HEADs and ordinary collections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Blobs are mounted from one repository into the other.
    Mount,
    /// A collection runs without a grace period.
    EarlyCollection,
    /// Manifests are deleted, and restored before they are purged.
    Delete,
    /// Retention removes manifests.
    Retention,
    /// The last repository is a copy of an upstream's, which is evicted.
    Eviction,
    /// Backups run.
    Backup,
}

/// The bounds of a check: how much there is of everything, and what may happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// How many repositories there are.
    pub repositories: usize,
    /// How many digests there are. Each manifest references all of them.
    pub digests: usize,
    /// How many files exist, or are remembered, at a time.
    pub generations: usize,
    /// Whether a manifest is refused if the repository lacks a blob.
    pub require_blobs: bool,
    /// What may happen.
    pub events: &'static [Event],
    /// How many crashes happen.
    pub crashes: u8,
    /// How often the clock is set back by a tick.
    pub set_backs: u8,
    /// The guard that is left out.
    pub without: Option<Guard>,
}

impl Scope {
    /// Whether this may happen.
    pub fn has(&self, event: Event) -> bool {
        self.events.contains(&event)
    }

    /// Whether the program follows this rule.
    pub fn keeps(&self, guard: Guard) -> bool {
        self.without != Some(guard)
    }

    /// Whether clients push to this repository: not if it is a copy.
    pub fn is_local(&self, repository: usize) -> bool {
        !(self.has(Event::Eviction) && repository + 1 == self.repositories)
    }
}
