//! Every reachable state keeps the properties. Without any one of the guards, one of them fails.

use std::time::Instant;

use hythe_model::Event::{Backup, Delete, EarlyCollection, Eviction, Mount, Retention};
use hythe_model::{Guard, Scope, properties};
use stateright::{Checker, HasDiscoveries, Model};

const SCOPE: Scope = Scope {
    repositories: 1,
    digests: 1,
    generations: 2,
    require_blobs: false,
    events: &[EarlyCollection, Delete],
    crashes: 0,
    set_backs: 0,
    without: None,
};

/// Visits every state of the scope, and checks the properties in each.
fn holds(scope: Scope) {
    let began = Instant::now();
    let checker = scope.checker().threads(2).spawn_bfs().join();
    println!("{} states in {:.1?}: {scope:?}", checker.unique_state_count(), began.elapsed());
    checker.assert_properties();
}

#[test]
fn pushes_deletes_and_collections_with_a_crash() {
    holds(Scope { crashes: 1, ..SCOPE });
}

#[test]
fn a_registry_that_requires_blobs() {
    holds(Scope { require_blobs: true, ..SCOPE });
}

#[test]
fn three_files_of_one_blob() {
    holds(Scope { generations: 3, events: &[], ..SCOPE });
}

#[test]
fn a_manifest_of_two_blobs() {
    holds(Scope { digests: 2, events: &[EarlyCollection], ..SCOPE });
}

#[test]
fn a_blob_of_two_repositories() {
    holds(Scope { repositories: 2, generations: 1, events: &[Mount, EarlyCollection, Delete], ..SCOPE });
    holds(Scope { repositories: 2, events: &[Mount], ..SCOPE });
}

#[test]
fn a_clock_that_is_set_back() {
    holds(Scope { set_backs: 1, ..SCOPE });
}

#[test]
fn retention_beside_pushes_and_undeletes() {
    holds(Scope { events: &[Delete, Retention], crashes: 1, ..SCOPE });
}

#[test]
fn eviction_of_a_copy_whose_blob_is_mounted_and_pushed() {
    holds(Scope { repositories: 2, events: &[Mount, Eviction], ..SCOPE });
}

#[test]
fn backups_beside_collections_crashes_and_a_clock_that_is_set_back() {
    holds(Scope { events: &[EarlyCollection, Delete, Backup], crashes: 1, ..SCOPE });
    holds(Scope { events: &[EarlyCollection, Delete, Backup], set_backs: 1, generations: 1, ..SCOPE });
}

/// Checks that without `guard` the property fails, and prints the shortest way there.
fn catches(guard: Guard, property: &'static str, scope: Scope) {
    let without = Scope { without: Some(guard), ..scope };
    let checker = without.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let found = checker.discoveries();
    let failed = || found.keys().copied().collect::<Vec<_>>();
    let Some(path) = checker.discovery(property) else {
        panic!("without {guard:?}, \"{property}\" holds in all states; found: {:?}", failed());
    };
    println!("without {guard:?}, \"{property}\" fails after:");
    path.into_actions().iter().for_each(|action| println!("    {action:?}"));
}

#[test]
fn without_the_grace_period_a_promised_blob_is_lost() {
    catches(Guard::Grace, properties::PROMISES, SCOPE);
}

#[test]
fn without_the_recheck_an_image_loses_its_blob() {
    catches(Guard::Recheck, properties::IMAGES, SCOPE);
}

#[test]
fn without_the_recheck_retention_removes_a_manifest_that_was_just_pushed() {
    catches(Guard::Recheck, properties::IMAGES, Scope { events: &[Retention], ..SCOPE });
}

#[test]
fn without_the_lease_a_backup_lacks_a_blob() {
    catches(Guard::Lease, properties::BACKUPS, Scope { events: &[EarlyCollection, Backup], ..SCOPE });
}

#[test]
fn without_the_generation_a_later_push_loses_its_file() {
    catches(Guard::Generation, properties::FILES, SCOPE);
}

#[test]
fn without_the_note_an_early_collection_breaks_its_promise() {
    catches(Guard::Note, properties::PROMISES, SCOPE);
}

#[test]
fn a_note_with_the_time_of_the_collection_is_forgotten_too_early() {
    catches(Guard::NoteTime, properties::PROMISES, SCOPE);
}

#[test]
fn without_the_intent_a_crash_leaves_a_file_for_ever() {
    catches(Guard::Intent, properties::GARBAGE, Scope { crashes: 1, ..SCOPE });
}

#[test]
fn a_file_that_is_removed_before_its_row_is_one_of_a_live_blob() {
    catches(Guard::RowFirst, properties::FILES, SCOPE);
}
