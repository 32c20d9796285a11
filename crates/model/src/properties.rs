//! What holds in every state.

use stateright::Property;

use crate::{Backup, Event, Guard, Manifest, Push, Row, Scope, State};

/// No file of a live blob is removed.
pub const FILES: &str = "a live blob has its file";
/// A manifest that was acknowledged stays until a user or a rule deletes it, and so do its blobs.
pub const IMAGES: &str = "an acknowledged manifest is there with its blobs";
/// A client that was told of a blob finds it, or its manifest is refused.
pub const PROMISES: &str = "a promised blob is there, or its manifest is refused";
/// A backup finds each file of its snapshot as long as it holds the lease.
pub const BACKUPS: &str = "a backup under a lease finds its files";
/// When everything is at rest, a collection removes all garbage.
pub const GARBAGE: &str = "garbage can be removed";
/// A collection removes the file of a blob that clients had been told of.
pub const REMOVES: &str = "a collection removes a file";
/// A manifest is refused because an early collection removed its blob.
pub const REFUSES: &str = "an early collection leaves a note";

/// All properties.
pub(crate) fn all() -> Vec<Property<Scope>> {
    vec![
        Property::always(FILES, files),
        Property::always(IMAGES, images),
        Property::always(PROMISES, promises),
        Property::always(BACKUPS, backups),
        Property::always(GARBAGE, garbage),
        Property::sometimes(
            REMOVES,
            |_, state: &State| matches!(state.collector, crate::Collector::Removing { gone, .. } if !gone.is_empty()),
        ),
        Property::sometimes(REFUSES, |scope, state: &State| {
            !scope.has(Event::EarlyCollection) || state.freed.iter().flatten().any(Option::is_some)
        }),
    ]
}

fn files(scope: &Scope, state: &State) -> bool {
    state.live.iter().flatten().all(|live| state.has_blob(scope, *live))
}

fn images(scope: &Scope, state: &State) -> bool {
    (0..scope.repositories).filter(|repository| scope.is_local(*repository)).all(|repository| {
        let manifest = state.manifests[repository];
        let is_whole = (0..scope.digests)
            .all(|digest| state.links[repository][digest].is_some() && state.live[digest].is_some());
        (manifest == Manifest::Absent || is_whole)
            && (!state.acknowledged.has(repository) || matches!(manifest, Manifest::Present(_)))
    })
}

fn promises(scope: &Scope, state: &State) -> bool {
    (0..scope.repositories).all(|repository| {
        (0..scope.digests).all(|digest| {
            state.told[repository][digest].is_none()
                || !scope.is_local(repository)
                || state.links[repository][digest].is_some()
                || state.freed[repository][digest].is_some()
                || scope.require_blobs
        })
    })
}

fn backups(scope: &Scope, state: &State) -> bool {
    match state.backup {
        Backup::Copying(files) if state.lease.is_some() => {
            files.iter().all(|digest| state.live[digest].is_some_and(|live| state.has_blob(scope, live)))
        }
        Backup::Copying(_) | Backup::Begun | Backup::Idle => true,
    }
}

fn garbage(scope: &Scope, state: &State) -> bool {
    // Each state at rest has the files of those from which it came, so those need no search of their own.
    let at_rest = state.pushes.iter().all(|push| *push == Push::Idle);
    if !at_rest || !scope.keeps(Guard::Generation) {
        return true;
    }
    let mut settled = state.clone();
    settled.settle(scope);
    let is_used = |digest: usize| {
        (0..scope.repositories).any(|repository| {
            matches!(settled.manifests[repository], Manifest::Present(_))
                && settled.links[repository][digest].is_some()
        })
    };
    let live: crate::Set = settled.live.iter().flatten().copied().collect();
    settled.uploads.is_empty()
        && settled.doomed.is_empty()
        && settled.blobs == live
        && settled.rows.iter().all(|row| *row == Row::None)
        && (0..scope.digests).all(|digest| settled.live[digest].is_none() || is_used(digest))
}
