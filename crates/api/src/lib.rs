//! hythe's own HTTP pages (docs/reference/admin-api.md): their paths, parameters and JSON. The server writes these
//! types, and commands read them.
//!
//! A reader ignores fields that it does not know: a newer server may have more.

mod accounts;
mod copies;
mod deleted;
mod disk;
mod lease;
pub mod parameter;
pub mod path;
mod retention;
mod round;
mod running;
mod upstreams;
mod verification;

pub use accounts::{NewToken, Password, Token, Tokens, User, UserSet, Users};
pub use copies::{Cleared, Copies, CopyEntry};
pub use deleted::{DeletedManifest, DeletedManifests, Outcome, PastTag, PastTags, Restored, TakenTag};
pub use disk::{Disk, EvictedNext};
pub use lease::{Lease, Leases};
pub use retention::{RetainedImage, RetentionPlan, RetentionRun, RetentionSummary};
pub use round::{Held, Restorable, Round, Waiting};
pub use running::{Running, RunningIn};
pub use upstreams::{Budget, Statistics, Upstream, Upstreams};
pub use verification::{Damage, DamagedImage, Total, VerifiedSlice};
