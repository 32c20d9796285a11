//! Retention: decides by rules which images of a local repository stay and which go.
//!
//! The decision is a pure function ([`decide`]) of a repository's tags and manifests, the rules and the time. What has no
//! rule stays, and so does what has an unknown age.

mod belonging;
mod contents;
mod criteria;
mod decide;
mod plan;
mod retainer;
mod rule;
mod untagged;
mod verdict;
mod version;

pub use contents::Contents;
pub use decide::{Decision, Judged, Removal, decide};
pub use plan::{ImageCursor, Plan, PlanSummary, Planner};
pub use retainer::{Limits, Retainer, Run};
pub use rule::Rule;
pub use verdict::{Verdict, Why};
