//! What each action changes.

use stateright::{Model, Property};

use crate::{
    Action, Backup, Collector, GENERATIONS, Guard, LEASE, Manifest, Push, REPOSITORIES, Row, Scope, Set,
    State, properties,
};

impl Model for Scope {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        state.actions(self, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        next.act(self, action);
        (next != *state).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}

impl State {
    fn act(&mut self, scope: &Scope, action: Action) {
        match action {
            Action::Start { repository, digest } => {
                let Some(generation) = self.free_generation(scope) else { return };
                self.of[generation] = (repository, digest);
                self.rows[generation] = Row::Open;
                self.uploads.add(generation);
                self.pushes[generation] = Push::Received;
            }
            Action::Compare { generation, same } => self.compare(scope, generation, same),
            Action::Advance { generation, .. } => self.advance(scope, generation),
            Action::Resume { generation } => {
                if self.rows[generation] == Row::Named && self.has_blob(scope, generation) {
                    self.remove_blob(scope, generation);
                }
                self.uploads.add(generation);
                self.pushes[generation] = Push::Received;
            }
            Action::Expire { generation } => self.expire(scope, generation),
            Action::Mount { digest, to } => {
                self.touch(to, digest);
                if self.live[digest].is_some_and(|live| self.has_blob(scope, live)) {
                    self.tell(to, digest);
                }
            }
            Action::Head { repository, digest } => {
                if self.live[digest].is_some_and(|live| self.has_blob(scope, live)) {
                    self.touch(repository, digest);
                    self.tell(repository, digest);
                }
            }
            Action::PushManifest { repository } => self.push_manifest(scope, repository),
            Action::DeleteManifest { repository } => {
                self.manifests[repository] = Manifest::Deleted(0);
                self.acknowledged.remove(repository);
            }
            Action::Undelete { repository } => {
                self.manifests[repository] = Manifest::Present(0);
                self.acknowledged.add(repository);
            }
            Action::Collect { early } => self.collect(scope, early),
            Action::CollectOn(_) => self.collect_on(scope),
            Action::SearchOld => self.old = self.old_manifests(scope),
            Action::Retain => self.retain(scope),
            Action::FillCopy => self.manifests[scope.repositories - 1] = Manifest::Present(0),
            Action::Evict => self.evict(scope),
            Action::TakeLease => {
                self.lease = Some(LEASE);
                self.backup = Backup::Begun;
            }
            Action::Snapshot => {
                let linked = |digest: &usize| (0..REPOSITORIES).any(|of| self.links[of][*digest].is_some());
                self.backup = Backup::Copying((0..scope.digests).filter(linked).collect());
            }
            Action::RenewLease => {
                if let Some(left) = &mut self.lease {
                    *left = LEASE.max(*left);
                }
            }
            // It may also be killed: then the lease stays until its time is over.
            Action::EndBackup => self.backup = Backup::Idle,
            Action::Crash => {
                self.crashes += 1;
                self.crash(scope);
            }
            Action::Tick => self.tick(scope),
            Action::SetClockBack => self.set_back(scope),
        }
        // A backup whose lease is over notices that, and gives up.
        if self.lease.is_none() {
            self.backup = Backup::Idle;
        }
        // What is forgotten must not make two states of one.
        for generation in 0..GENERATIONS {
            if !self.remembers(scope, generation) {
                self.of[generation] = (0, 0);
            }
        }
    }

    fn remembers(&self, scope: &Scope, generation: usize) -> bool {
        self.free_generation(scope) != Some(generation)
            && (self.rows[generation] != Row::None
                || self.pushes[generation] != Push::Idle
                || self.live.contains(&Some(generation))
                || self.doomed.has(generation)
                || self.pushes.iter().enumerate().any(|(own, push)| push.uses(own, generation))
                || self.collector.uses(generation)
                || self.blobs.has(generation))
    }

    fn push_manifest(&mut self, scope: &Scope, repository: usize) {
        let mut lacking = Set::default();
        for digest in 0..scope.digests {
            let known = self.links[repository][digest].is_some();
            if known {
                self.touch(repository, digest);
            }
            let noted = self.freed[repository][digest].is_some();
            if !known && (noted || scope.require_blobs) {
                lacking.add(digest);
            }
        }
        if lacking.is_empty() {
            self.manifests[repository] = Manifest::Present(0);
            self.acknowledged.add(repository);
        }
        // The client pushes these again.
        for digest in lacking.iter() {
            self.told[repository][digest] = None;
        }
    }

    /// One step of the removal of a session that no client continued.
    pub(crate) fn expire(&mut self, scope: &Scope, generation: usize) {
        let is_named = self.rows[generation] == Row::Named;
        match self.rows[generation] {
            Row::None => {}
            Row::Open | Row::Named => {
                self.rows[generation] = Row::Expired;
                // The row keeps the name, so the removal of the file is a step of its own only for an unnamed one.
                if is_named {
                    self.uploads.remove(generation);
                    self.remove_blob(scope, generation);
                }
            }
            Row::Expired if self.uploads.has(generation) => self.uploads.remove(generation),
            Row::Expired => self.rows[generation] = Row::None,
        }
    }

    fn old_manifests(&self, scope: &Scope) -> Set {
        let is_old = |repository: &usize| {
            matches!(self.manifests[*repository], Manifest::Present(age) if age > 0)
                && scope.is_local(*repository)
        };
        (0..scope.repositories).filter(is_old).collect()
    }

    /// Removes the manifests that retention found, if a check finds them old again.
    fn retain(&mut self, scope: &Scope) {
        let (found, old) = (std::mem::take(&mut self.old), self.old_manifests(scope));
        for repository in found.iter() {
            let is_old = old.has(repository);
            let is_here = matches!(self.manifests[repository], Manifest::Present(_));
            if is_here && (is_old || !scope.keeps(Guard::Recheck)) {
                self.manifests[repository] = Manifest::Deleted(0);
                if is_old {
                    self.acknowledged.remove(repository);
                }
            }
        }
    }

    /// Removes the content of the copy.
    fn evict(&mut self, scope: &Scope) {
        let copy = scope.repositories - 1;
        self.manifests[copy] = Manifest::Absent;
        self.links[copy] = Default::default();
        (0..scope.digests).for_each(|digest| self.bury_if_unlinked(digest));
    }

    /// Ends every process of the registry, and starts it again.
    pub(crate) fn crash(&mut self, _scope: &Scope) {
        self.pushes = Default::default();
        self.old = Set::default();
        self.collector = Collector::Listing;
        for generation in self.uploads.iter() {
            if self.rows[generation] == Row::None {
                self.uploads.remove(generation);
            }
        }
    }
}
