//! The steps of one push of a blob.

use crate::{Guard, Row, Scope, State};

/// How far a push of a blob is. A crash ends every push.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Push {
    /// No process works on the session.
    #[default]
    Idle,
    /// All bytes are here.
    Received,
    /// The live file of this generation has the same bytes.
    Same(usize),
    /// The bytes are linked from another file; the upload's own file is left.
    Linked,
    /// The bytes become a file of their own, in place of the generation `replaces`.
    New {
        /// The live generation that was found damaged, or that costs more to compare than to replace.
        replaces: Option<usize>,
    },
    /// The catalog has recorded the file's name.
    Named {
        /// As in [`Push::New`].
        replaces: Option<usize>,
    },
    /// The file has its name.
    Published {
        /// As in [`Push::New`].
        replaces: Option<usize>,
    },
    /// The blob is committed, and this generation is redundant.
    Redundant(usize),
    /// The redundant file is removed, and its row is left.
    Removed(usize),
}

impl Push {
    /// Whether the push still uses a generation, its own or another one.
    pub(crate) fn uses(self, own: usize, generation: usize) -> bool {
        match self {
            Self::Idle => false,
            Self::Received | Self::Linked => own == generation,
            Self::Same(other) | Self::Redundant(other) | Self::Removed(other) => {
                own == generation || other == generation
            }
            Self::New { replaces } | Self::Named { replaces } | Self::Published { replaces } => {
                own == generation || replaces == Some(generation)
            }
        }
    }
}

impl State {
    /// A generation that nothing names, for a new upload.
    pub(crate) fn free_generation(&self, scope: &Scope) -> Option<usize> {
        (0..scope.generations).find(|generation| {
            let generation = *generation;
            let named = self.blobs.has(generation) && scope.keeps(Guard::Generation);
            self.rows[generation] == Row::None
                && !self.uploads.has(generation)
                && !named
                && !self.live.contains(&Some(generation))
                && !self.doomed.has(generation)
                && !self.pushes.iter().enumerate().any(|(own, push)| push.uses(own, generation))
                && !self.collector.uses(generation)
        })
    }

    /// Finds the live file of the upload's digest. `same` says what a comparison with it finds.
    pub(crate) fn compare(&mut self, scope: &Scope, own: usize, same: bool) {
        self.pushes[own] = match self.live[self.digest_of(own)] {
            None => Push::New { replaces: None },
            Some(live) if same && self.has_blob(scope, live) => Push::Same(live),
            Some(live) => Push::New { replaces: Some(live) },
        };
    }

    /// The next step of a push that has compared its bytes.
    pub(crate) fn advance(&mut self, scope: &Scope, own: usize) {
        let digest = self.digest_of(own);
        self.pushes[own] = match self.pushes[own] {
            Push::Idle | Push::Received => unreachable!("the push has no such step"),
            Push::Same(live) if self.live[digest] == Some(live) => {
                self.rows[own] = Row::None;
                self.link(own);
                Push::Linked
            }
            // Garbage collection removed the file meanwhile.
            Push::Same(_) => Push::New { replaces: None },
            Push::Linked => {
                self.uploads.remove(own);
                Push::Idle
            }
            Push::New { replaces } => {
                if scope.keeps(Guard::Intent) {
                    self.rows[own] = Row::Named;
                }
                Push::Named { replaces }
            }
            Push::Named { replaces } => {
                self.uploads.remove(own);
                self.add_blob(scope, own);
                Push::Published { replaces }
            }
            Push::Published { replaces } => self.commit(own, replaces),
            Push::Redundant(other) => {
                self.remove_blob(scope, other);
                Push::Removed(other)
            }
            Push::Removed(other) => {
                self.doomed.remove(other);
                Push::Idle
            }
        };
    }

    fn commit(&mut self, own: usize, replaces: Option<usize>) -> Push {
        let digest = self.digest_of(own);
        self.rows[own] = Row::None;
        match self.live[digest] {
            Some(live) if replaces == Some(live) => {
                self.live[digest] = Some(own);
                self.doomed.add(live);
            }
            Some(_) => self.doomed.add(own),
            None => self.live[digest] = Some(own),
        }
        self.link(own);
        let redundant = if self.live[digest] == Some(own) { replaces } else { Some(own) };
        redundant.map_or(Push::Idle, Push::Redundant)
    }

    /// Links the upload's digest into its repository, and tells the client.
    fn link(&mut self, own: usize) {
        let (repository, digest) = (self.repository_of(own), self.digest_of(own));
        self.touch(repository, digest);
        self.tell(repository, digest);
    }
}
