//! The types of single settings. Each parses its text once, with an error that says what to write.

mod addition;
mod amount;
mod backup_place;
mod choice;
mod duration;
mod endpoint;
mod host_name;
mod image_place;
mod keep;
mod listen;
mod mirror;
mod name;
mod origin;
mod output;
mod path;
mod raw;
pub(crate) mod read;
mod rule;
mod secret;
mod size;
mod tag_pattern;
mod tag_ttl;

pub use addition::Addition;
pub use amount::{parse_amount, parse_budget, show_amount, show_budget};
pub use backup_place::BackupPlace;
pub use choice::{AuthChallenge, Choice, LogFormat, LogLevel, Storage};
pub use duration::{parse_duration, show_duration};
pub use endpoint::Endpoint;
pub use host_name::HostName;
pub use image_place::ImagePlace;
#[cfg(feature = "cluster")]
pub use image_place::Program;
pub use keep::{parse_keep, show_keep};
pub use listen::{Listen, Place, Scheme};
pub use mirror::Mirror;
pub use name::parse_name;
pub use origin::Origin;
pub use output::Output;
pub use raw::Raw;
pub(crate) use raw::without_credentials;
pub use rule::{RepositoryPattern, RuleAction, RuleSubject};
pub use secret::{HIDDEN, Secret, SecretFile};
pub use size::{parse_size, show_size};
pub use tag_pattern::{TagExpiry, TagPattern};
pub use tag_ttl::TagTtl;

/// The error for a text that is not a value of its type. It says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValueError(pub String);

impl ValueError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}
