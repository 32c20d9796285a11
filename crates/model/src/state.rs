//! A state of the registry, of its processes, and of what its clients know.

mod collector;
mod push;

use crate::{Age, DIGESTS, Event, GENERATIONS, GRACE, Guard, LEASE, OLD, REPOSITORIES, Scope, Set};

pub use collector::Collector;
pub use push::Push;

/// One state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    /// Catalog: the live generation of each digest.
    pub live: [Option<usize>; DIGESTS],
    /// Catalog: the last use of each link.
    pub links: [[Option<Age>; DIGESTS]; REPOSITORIES],
    /// Catalog: the manifest of each repository.
    pub manifests: [Manifest; REPOSITORIES],
    /// Catalog: the notes of what an early collection removed.
    pub freed: [[Option<Age>; DIGESTS]; REPOSITORIES],
    /// Catalog: the files that are to be removed.
    pub doomed: Set,
    /// Catalog: the upload sessions.
    pub rows: [Row; GENERATIONS],
    /// Catalog: the ticks until a backup's lease ends.
    pub lease: Option<Age>,
    /// Storage: the files of upload sessions.
    pub uploads: Set,
    /// Storage: the files of blobs; by generation, or by digest without the guard.
    pub blobs: Set,
    /// For which repository and digest each generation was pushed.
    pub of: [(usize, usize); GENERATIONS],
    /// Each running push of a blob, by its generation.
    pub pushes: [Push; GENERATIONS],
    /// The garbage collection.
    pub collector: Collector,
    /// The repositories whose manifests retention found old.
    pub old: Set,
    /// The running backup.
    pub backup: Backup,
    /// When, in real time, a client was last told that the repository has the blob.
    pub told: [[Option<Age>; DIGESTS]; REPOSITORIES],
    /// The repositories whose manifest was acknowledged, and not deleted since by a user or a rule.
    pub acknowledged: Set,
    /// How many crashes have happened.
    pub crashes: u8,
    /// How often the clock was set back.
    pub set_backs: u8,
}

/// The manifest of a repository. It references every digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Manifest {
    /// There is none, and none can be restored.
    #[default]
    Absent,
    /// It was pushed so long ago.
    Present(Age),
    /// It was deleted so long ago, and still keeps its blobs.
    Deleted(Age),
}

/// The row of an upload session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Row {
    /// There is none.
    #[default]
    None,
    /// The session waits for bytes.
    Open,
    /// Its file gets the name of a blob, or has it.
    Named,
    /// It has ended, and its files are about to be removed.
    Expired,
}

/// A backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Backup {
    /// None runs.
    #[default]
    Idle,
    /// It has taken the lease.
    Begun,
    /// It copies these blobs, by digest.
    Copying(Set),
}

impl State {
    pub(crate) fn repository_of(&self, generation: usize) -> usize {
        self.of[generation].0
    }

    pub(crate) fn digest_of(&self, generation: usize) -> usize {
        self.of[generation].1
    }

    /// The name of a blob's file.
    fn name(&self, scope: &Scope, generation: usize) -> usize {
        if scope.keeps(Guard::Generation) { generation } else { self.digest_of(generation) }
    }

    pub(crate) fn has_blob(&self, scope: &Scope, generation: usize) -> bool {
        self.blobs.has(self.name(scope, generation))
    }

    pub(crate) fn add_blob(&mut self, scope: &Scope, generation: usize) {
        self.blobs.add(self.name(scope, generation));
    }

    pub(crate) fn remove_blob(&mut self, scope: &Scope, generation: usize) {
        self.blobs.remove(self.name(scope, generation));
    }

    /// Links a digest, or records a use of its link. The time of the last use never moves back.
    pub(crate) fn touch(&mut self, repository: usize, digest: usize) {
        let link = &mut self.links[repository][digest];
        *link = Some(link.map_or(0, |age| age.min(0)));
    }

    /// Tells a client that the repository has the blob.
    pub(crate) fn tell(&mut self, repository: usize, digest: usize) {
        self.told[repository][digest] = Some(0);
    }

    /// Lets one tick pass.
    pub(crate) fn tick(&mut self, scope: &Scope) {
        self.move_clock(scope, 1);
        for told in self.told.iter_mut().flatten() {
            *told = told.map(|age| age + 1).filter(|age| *age <= GRACE);
        }
        self.lease = self.lease.filter(|left| *left > 0);
    }

    /// Sets the machine's clock back by a tick. Real time goes on, and so does what clients remember.
    pub(crate) fn set_back(&mut self, scope: &Scope) {
        self.set_backs += 1;
        self.move_clock(scope, -1);
        // The next transaction that reads the leases shortens them to what a new one would get.
        self.lease = self.lease.map(|left| left.min(LEASE));
    }

    fn move_clock(&mut self, scope: &Scope, ticks: Age) {
        let moved = |age: Age| (age + ticks).min(OLD);
        for link in self.links.iter_mut().flatten().flatten() {
            *link = moved(*link);
        }
        for note in self.freed.iter_mut().flatten().flatten() {
            *note = moved(*note);
        }
        for manifest in &mut self.manifests {
            match manifest {
                Manifest::Absent => {}
                // Only retention asks for the age.
                Manifest::Present(age) => {
                    *age = if scope.has(Event::Retention) { moved(*age).min(1) } else { 0 }
                }
                Manifest::Deleted(age) => *age = moved(*age).min(GRACE + 2),
            }
        }
        if let Some(due) = self.collector.due() {
            due.age += ticks;
        }
        self.lease = self.lease.map(|left| left - ticks);
    }
}
