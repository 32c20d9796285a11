//! Everything that can happen.

use crate::{Backup, Collector, Event, Manifest, Push, Row, Scope, State};

/// One step of a process or a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the module's table says which code each action is")]
pub enum Action {
    Start { repository: usize, digest: usize },
    Compare { generation: usize, same: bool },
    Advance { generation: usize, from: Push },
    Resume { generation: usize },
    Expire { generation: usize },
    Mount { digest: usize, to: usize },
    Head { repository: usize, digest: usize },
    PushManifest { repository: usize },
    DeleteManifest { repository: usize },
    Undelete { repository: usize },
    Collect { early: bool },
    CollectOn(Collector),
    SearchOld,
    Retain,
    FillCopy,
    Evict,
    TakeLease,
    Snapshot,
    RenewLease,
    EndBackup,
    Crash,
    Tick,
    SetClockBack,
}

impl State {
    /// Everything that can happen now.
    pub(crate) fn actions(&self, scope: &Scope, actions: &mut Vec<Action>) {
        self.pushes_can(scope, actions);
        self.clients_can(scope, actions);
        self.upkeep_can(scope, actions);
        if self.crashes < scope.crashes {
            actions.push(Action::Crash);
        }
        // A collection takes less than the grace period.
        if self.collector.clone().due().is_none_or(|due| due.age < 1) {
            actions.push(Action::Tick);
        }
        if self.set_backs < scope.set_backs {
            actions.push(Action::SetClockBack);
        }
    }

    fn pushes_can(&self, scope: &Scope, actions: &mut Vec<Action>) {
        if self.free_generation(scope).is_some() {
            for repository in 0..scope.repositories {
                for digest in 0..scope.digests {
                    actions.push(Action::Start { repository, digest });
                }
            }
        }
        for generation in 0..scope.generations {
            match (self.pushes[generation], self.rows[generation]) {
                (Push::Received, _) => {
                    let is_here = self.live[self.digest_of(generation)].is_some();
                    let found = [true, false].into_iter().filter(|same| is_here || !same);
                    actions.extend(found.map(|same| Action::Compare { generation, same }));
                }
                (Push::Idle, Row::None) => {}
                (Push::Idle, Row::Expired) => actions.push(Action::Expire { generation }),
                (Push::Idle, Row::Open | Row::Named) => {
                    actions.extend([Action::Resume { generation }, Action::Expire { generation }]);
                }
                (from, _) => actions.push(Action::Advance { generation, from }),
            }
        }
    }

    fn clients_can(&self, scope: &Scope, actions: &mut Vec<Action>) {
        for repository in 0..scope.repositories {
            for digest in 0..scope.digests {
                if scope.has(Event::Mount) && self.live[digest].is_some() && scope.is_local(repository) {
                    actions.push(Action::Mount { digest, to: repository });
                }
                if self.links[repository][digest].is_some() && scope.is_local(repository) {
                    actions.push(Action::Head { repository, digest });
                }
            }
            // A client that was told of every blob sends none of them. Without this knowledge it tries only a registry
            // that checks.
            let was_told = self.told[repository][..scope.digests].iter().all(Option::is_some);
            if scope.is_local(repository) && (was_told || scope.require_blobs) {
                actions.push(Action::PushManifest { repository });
            }
            match self.manifests[repository] {
                Manifest::Present(_) if scope.has(Event::Delete) && scope.is_local(repository) => {
                    actions.push(Action::DeleteManifest { repository });
                }
                Manifest::Deleted(_) => actions.push(Action::Undelete { repository }),
                Manifest::Present(_) | Manifest::Absent => {}
            }
        }
    }

    fn upkeep_can(&self, scope: &Scope, actions: &mut Vec<Action>) {
        if self.collector == Collector::Idle {
            actions.push(Action::Collect { early: false });
            if scope.has(Event::EarlyCollection) {
                actions.push(Action::Collect { early: true });
            }
        } else {
            actions.push(Action::CollectOn(self.collector));
        }
        if scope.has(Event::Retention) {
            actions.push(if self.old.is_empty() { Action::SearchOld } else { Action::Retain });
        }
        if scope.has(Event::Eviction) {
            actions.extend([Action::FillCopy, Action::Evict]);
        }
        if scope.has(Event::Backup) {
            match self.backup {
                Backup::Idle => actions.push(Action::TakeLease),
                Backup::Begun => actions.extend([Action::Snapshot, Action::RenewLease, Action::EndBackup]),
                Backup::Copying(_) => actions.extend([Action::RenewLease, Action::EndBackup]),
            }
        }
    }
}
