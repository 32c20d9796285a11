//! A model of the life of a blob: pushes, mounts, HEADs, manifests, deletes and their undoing, garbage collection,
//! retention, eviction, backups, crashes and a clock that is set back. A model checker visits every state that the model
//! can reach within a [`Scope`], and checks the [properties](crate::properties) in each.
//!
//! The model has no code in common with the program; it repeats the program's *order of steps*. Each action is what the
//! program does without another request in between: one transaction of the catalog, one operation of the storage, or
//! one read on which a later step relies. Between any two of them every other action can happen, and a crash too. Who
//! changes an order, a condition or a transaction in the program changes it here, and sees whether the properties still
//! hold.
//!
//! | model | program |
//! |---|---|
//! | [`Action::Start`] | `registry/src/uploads.rs`, `begin`: the session's row, then its file |
//! | [`Action::Compare`] | `registry/src/commit.rs`, `compare`: no live file, one with the same bytes, or one to replace |
//! | [`Push::Same`] | `catalog/src/sqlite/blobs.rs`, `link_same`; then `commit.rs`, `drop_file` |
//! | [`Push::New`] | `catalog/src/sqlite/uploads.rs`, `name_upload` |
//! | [`Push::Named`] | `storage/src/fs/upload.rs`, `publish` |
//! | [`Push::Published`] | `catalog/src/sqlite/blobs.rs`, `commit_blob` and `replace_blob` |
//! | [`Push::Redundant`], [`Push::Removed`] | `registry/src/commit.rs`, `commit`: `remove_files` of the redundant file |
//! | [`Action::Resume`] | `registry/src/uploads.rs`, `reopen`: after a crash the file is an upload again |
//! | [`Action::Expire`] | `registry/src/upkeep.rs`, `expire`; `uploads.rs`, `clear_upload` |
//! | [`Action::Mount`] | `catalog/src/sqlite/blobs.rs`, `mount_blob`; then the registry opens the file |
//! | [`Action::Head`] | `registry/src/blobs.rs`, `use_blob`: the file is open, then `touch_blob` |
//! | [`Action::PushManifest`] | `catalog/src/sqlite/manifests.rs`, `push_at_once`, with the notes of `freed.rs` |
//! | [`Action::DeleteManifest`], [`Action::Undelete`] | a deleted manifest keeps its references until it is purged |
//! | [`Action::Collect`] | `registry/src/upkeep.rs`, `due` and `forget_old`; the purge of deleted manifests |
//! | [`Collector::Begun`] | `catalog/src/sqlite/collection.rs`, `candidates` |
//! | [`Collector::Found`] | `collection.rs`, `remove`: the recheck, the note, the doomed file |
//! | [`Collector::Listing`], [`Collector::Removing`] | `registry/src/upkeep.rs`, `remove_doomed` and `remove_files` |
//! | [`Action::SearchOld`], [`Action::Retain`] | retention: a search, then a transaction that checks again |
//! | [`Action::FillCopy`], [`Action::Evict`] | eviction of a copy: its manifest and its links go, whatever their age |
//! | [`Action::TakeLease`], [`Action::Snapshot`], [`Action::RenewLease`] | backup: the lease comes before the catalog is read |
//! | [`Action::Crash`] | `kill -9` and the next start: `registry/src/upkeep.rs`, `recover` |
//! | [`Action::SetClockBack`] | the machine's clock; what clients remember goes on by real time |
//!
//! **Time** is counted in ticks. The grace period is one tick ([`GRACE`]), and the catalog's times are ages: a blob is due
//! when its age is more than the grace period. Ages above [`OLD`] are one age, so that the model has no last tick.
//!
//! **Not in the model**: explicit deletion of blobs (a client that deletes a blob breaks the images that use it), manifests
//! stored in turns, damaged files, several processes on one folder, full disks, power loss. Tests of their own cover these.

mod action;
pub mod properties;
mod scope;
mod set;
mod state;
mod step;

pub use action::Action;
pub use scope::{Event, Guard, Scope};
pub use set::Set;
pub use state::{Backup, Collector, Manifest, Push, Row, State};

/// The most repositories of a scope.
pub const REPOSITORIES: usize = 2;
/// The most digests of a scope.
pub const DIGESTS: usize = 2;
/// The most files that exist, or are remembered, at a time.
pub const GENERATIONS: usize = 3;

/// How many ticks lie between an event and now. Less than zero after the clock was set back.
pub type Age = i8;

/// The grace period, in ticks.
pub const GRACE: Age = 1;
/// The age that stands for itself and all greater ones: due for a collection that began a tick ago, also after the
/// clock is set back by a tick.
pub const OLD: Age = GRACE + 3;
/// The length of a backup's lease, in ticks.
pub const LEASE: Age = 1;
