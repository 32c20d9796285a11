//! The names of the parameters in the pages' queries.

/// The pattern that selects copies and their tags.
pub const PATTERN: &str = "pattern";

/// The name of the last copy of the page before.
pub const LAST: &str = "last";

/// The name or alias of the only upstream to show.
pub const NAME: &str = "name";

/// Where a slice of a verification, or a part of a retention plan, begins: the `next` of the one before.
pub const AFTER: &str = "after";

/// Whether garbage collection also removes untagged manifests: `true` or `false`.
pub const UNTAGGED: &str = "untagged";

/// Whether garbage collection only counts what it would remove: `true` or `false`.
pub const DRY_RUN: &str = "dry-run";

/// The grace period of one garbage collection, a duration such as `10m`.
pub const GRACE: &str = "grace";

/// The repository of deleted content, or the pattern that selects the repositories of a retention.
pub const REPOSITORY: &str = "repository";

/// The id of the retention plan that the client confirms.
pub const CONFIRM: &str = "confirm";

/// The purpose of a lease, such as `backup`.
pub const PURPOSE: &str = "purpose";

/// The program that takes a lease, as it describes itself.
pub const HOLDER: &str = "holder";

/// The tag to restore, or whose history to show.
pub const TAG: &str = "tag";

/// The digest of the manifest to restore.
pub const DIGEST: &str = "digest";

/// The digest of the manifest to which to move a tag back.
pub const TO: &str = "to";

/// Whether to list every change of tags: `true` or `false`.
pub const HISTORY: &str = "history";

/// Whose token it is, such as `robot:ci`.
pub const SUBJECT: &str = "subject";

/// The purpose of a token, in its owner's words.
pub const NOTE: &str = "note";

/// How many seconds a token is valid.
pub const VALID: &str = "valid";

/// How many entries a page has.
pub const N: &str = "n";

/// Whether a backup also takes content that the registry cached: `true` or `false`.
pub const CACHED: &str = "cached";
