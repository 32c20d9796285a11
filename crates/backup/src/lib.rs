//! Backups: copies what a registry has into a folder or a bucket, verifies and prunes it, and makes a registry of it.
//!
//! ```text
//! DEST/
//!   hythe-backup.json                     the layout's version
//!   blobs/<algorithm>/<xx>/<hex>          a blob or a manifest, whose first two hex digits are xx
//!   snapshots/<time>.zst                  the catalog at one instant; a backup exists from the moment this file does
//!   running/                              a file for each backup and prune in progress
//!   unlisted.json                         blobs that a prune found in no snapshot, and when
//!   damaged/                              blobs with wrong bytes that a verification set aside
//!   tmp/                                  files that grow
//! ```
//! All bytes are named by their digest, so a backup copies only what the place lacks. Only [`Destination`] knows these names, and
//! only a [`Store`] where the files are.

mod backup;
mod destination;
mod error;
mod folder;
mod local;
mod plan;
mod progress;
mod prune;
mod restore;
mod running;
mod snapshot;
mod source;
mod store;
mod time;
mod verify;

pub use backup::{Backup, Done};
pub use destination::Destination;
pub use error::{Error, Result};
pub use folder::Folder;
pub use local::Local;
pub use plan::Chosen;
pub use progress::Progress;
pub use prune::{Keep, Prune, Pruned};
pub use restore::{Restore, Restored};
pub use snapshot::{Records, Summary};
pub use source::{Pieces, Source};
pub use store::{Found, Growing, Listing, Store, When};
pub use time::{Time, TimeError};
pub use verify::{Bad, Verified, verify};

/// How many bytes are read, hashed and written at once.
const PIECE: usize = 512 << 10;

/// Runs work that waits for a disk on a blocking thread.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::Source("the program is stopping".to_owned())),
        },
    }
}
