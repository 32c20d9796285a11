//! The steps of a garbage collection.

use crate::{Age, GRACE, Guard, Manifest, OLD, Scope, Set, State};

/// How far the garbage collection is. A crash ends it; the next start removes the doomed files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Collector {
    /// No collection runs.
    #[default]
    Idle,
    /// It has fixed what is due.
    Begun(Due),
    /// It has searched the links, and found these.
    Found(Due, Set),
    /// It is about to list the doomed files.
    Listing,
    /// It removes the doomed files of its list.
    Removing {
        /// The files that are left of the list.
        left: Set,
        /// The files that are removed.
        gone: Set,
    },
}

/// What is due for one collection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Due {
    /// Whether everything unused is due, however recently it was used.
    pub early: bool,
    /// How long ago this was decided.
    pub age: Age,
}

impl Due {
    /// Whether a last use so long ago lets a link go.
    fn reaches(self, scope: &Scope, last_use: Age) -> bool {
        self.early || !scope.keeps(Guard::Grace) || last_use - self.age > GRACE
    }

    /// Whether a client may rely on content that was last used so long ago.
    fn promises(self, last_use: Age) -> bool {
        self.early && last_use - self.age <= GRACE
    }
}

impl Collector {
    /// Whether the collection has the generation in its list.
    pub(crate) fn uses(self, generation: usize) -> bool {
        matches!(self, Self::Removing { left, gone } if left.has(generation) || gone.has(generation))
    }

    /// When the collection began, if it has not removed all rows yet.
    pub(crate) fn due(&mut self) -> Option<&mut Due> {
        match self {
            Self::Begun(due) | Self::Found(due, _) => Some(due),
            Self::Idle | Self::Listing | Self::Removing { .. } => None,
        }
    }
}

impl State {
    /// Begins a collection: forgets old notes, and purges the manifests that can no longer be restored, each with the
    /// blobs that only it referenced.
    pub(crate) fn collect(&mut self, scope: &Scope, early: bool) {
        let due = Due { early, age: 0 };
        self.collector = Collector::Begun(due);
        for repository in 0..scope.repositories {
            for note in &mut self.freed[repository] {
                *note = note.filter(|age| *age <= GRACE);
            }
            if let Manifest::Deleted(age) = self.manifests[repository]
                && (early || age > GRACE)
            {
                self.manifests[repository] = Manifest::Absent;
                for digest in 0..scope.digests {
                    self.unlink(scope, due, repository * scope.digests + digest);
                }
            }
        }
    }

    /// The next step of the collection that runs.
    pub(crate) fn collect_on(&mut self, scope: &Scope) {
        self.collector = match self.collector {
            Collector::Idle => unreachable!("no collection runs"),
            Collector::Begun(due) => {
                let found = self.search(scope, due);
                if !scope.keeps(Guard::RowFirst) {
                    let live = self.live;
                    let files = found.iter().filter_map(|link| live[link % scope.digests]);
                    files.for_each(|generation| self.remove_blob(scope, generation));
                }
                Collector::Found(due, found)
            }
            Collector::Found(due, found) => {
                found.iter().for_each(|link| self.unlink(scope, due, link));
                Collector::Listing
            }
            Collector::Listing if self.doomed.is_empty() => Collector::Idle,
            Collector::Listing => Collector::Removing { left: self.doomed, gone: Set::default() },
            Collector::Removing { left, gone } => {
                if let Some(generation) = left.iter().next() {
                    self.remove_blob(scope, generation);
                    Collector::Removing { left: left.without(generation), gone: gone.with(generation) }
                } else {
                    gone.iter().for_each(|generation| self.doomed.remove(generation));
                    Collector::Idle
                }
            }
        };
    }

    fn search(&self, scope: &Scope, due: Due) -> Set {
        let links = (0..scope.repositories * scope.digests).filter(|link| self.is_due(scope, due, *link));
        links.collect()
    }

    /// Whether a link is unused for long enough.
    fn is_due(&self, scope: &Scope, due: Due, link: usize) -> bool {
        let (repository, digest) = (link / scope.digests, link % scope.digests);
        let referenced = self.manifests[repository] != Manifest::Absent;
        self.links[repository][digest].is_some_and(|age| due.reaches(scope, age)) && !referenced
    }

    /// Removes a link that was found, and dooms the file of a blob that has no other link.
    fn unlink(&mut self, scope: &Scope, due: Due, link: usize) {
        let (repository, digest) = (link / scope.digests, link % scope.digests);
        if scope.keeps(Guard::Recheck) && !self.is_due(scope, due, link) {
            return;
        }
        if self.lease.is_some() && scope.keeps(Guard::Lease) && scope.is_local(repository) {
            return;
        }
        let Some(last_use) = self.links[repository][digest].take() else { return };
        if due.promises(last_use) && scope.keeps(Guard::Note) {
            let at = if scope.keeps(Guard::NoteTime) { due.age.min(last_use) } else { due.age };
            self.freed[repository][digest] = Some(at);
        }
        self.bury_if_unlinked(digest);
    }

    /// Dooms the file of a blob without links.
    pub(crate) fn bury_if_unlinked(&mut self, digest: usize) {
        if self.links.iter().all(|links| links[digest].is_none())
            && let Some(live) = self.live[digest].take()
        {
            self.doomed.add(live);
        }
    }

    /// Ends everything that runs, lets the grace period pass, and collects to the end.
    pub(crate) fn settle(&mut self, scope: &Scope) {
        self.crash(scope);
        (self.lease, self.backup) = (None, crate::Backup::default());
        for generation in 0..scope.generations {
            self.expire(scope, generation);
            self.expire(scope, generation);
            self.expire(scope, generation);
        }
        for repository in 0..scope.repositories {
            for link in self.links[repository].iter_mut().flatten() {
                *link = OLD;
            }
            if let Manifest::Deleted(age) = &mut self.manifests[repository] {
                *age = OLD;
            }
        }
        // What a crash left comes first; then a collection of its own.
        for _ in 0..2 {
            while self.collector != Collector::Idle {
                self.collect_on(scope);
            }
            self.collect(scope, false);
        }
        while self.collector != Collector::Idle {
            self.collect_on(scope);
        }
    }
}
