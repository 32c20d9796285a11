//! The registry's knowledge, in one transactional database: repositories, tags, manifests, links, uploads.
//!
//! Every command is async, so that callers need not know what waits. A short read (indexed statements, a few
//! microseconds) runs on the caller's thread and never yields; a read that visits many rows runs on a blocking thread.
//! Writes go to one thread, which commits all waiting writes as one group; a write resolves after that commit. A
//! *durable* write has reached the disk when it resolves; a *relaxed* write survives the process, and reaches the disk
//! with the next durable write. A caller that goes away does not stop a write that it began.
//!
//! Times are milliseconds since the Unix epoch. Callers always pass the time in: the catalog has no clock.

mod accounts;
mod blobs;
mod collection;
mod copies;
mod deleted;
mod error;
mod evict;
mod journal;
mod leases;
mod lines;
mod manifests;
mod origin;
mod place;
mod rebuild;
mod record;
mod referrers;
mod reserve;
mod retention;
mod running;
mod sqlite;
mod times;
mod totals;
mod unused;
mod uploads;
mod verify;
mod visible;

pub use accounts::{Secret, User, UserSet};
pub use blobs::{Blob, BlobCommit, BlobFile, MountFrom};
pub use collection::{Collected, LinkCursor, Promise};
pub use copies::{Cleared, CopySummary};
pub use deleted::{
    Cause, DeletedManifest, DeletedTotal, Deletion, PastTag, PastTags, Purged, Restored, RestoredTag,
};
pub use error::{Error, OpenError, Result};
pub use evict::CachedImage;
pub use journal::{Journal, Journaled};
pub use leases::Lease;
pub use lines::{DamagedLine, Lines, write_line};
pub use manifests::{ManifestDeleted, ManifestHead, ManifestPush, ManifestPushed, Protects};
pub use origin::{Origin, Provenance};
pub use place::put_in_place;
pub use rebuild::{Incomplete, Rebuilt};
pub use record::Record;
pub use referrers::Referrer;
pub use reserve::Reserve;
pub use retention::{AgedManifest, AgedTag, ImageRemoval, Listing};
pub use running::Running;
pub use sqlite::{Catalog, Rebuild};
pub use times::{Pull, Times};
pub use totals::Totals;
pub use unused::{Amount, Untagged, Unused};
pub use uploads::{EndedUpload, Upload, UploadSave, UploadStart};
pub use verify::{Dependant, StoredManifest};
pub use visible::{Origins, Visible};

/// Which catalog a file must hold when it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Any catalog, or none: then an empty catalog is created.
    Anything,
    /// A catalog that exists: without it, nothing says which images the blobs beside it belong to.
    Catalog,
}
