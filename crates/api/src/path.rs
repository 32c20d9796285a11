//! The paths of the pages.

/// The beginning of the paths of all pages about the cache.
pub const CACHE: &str = "/api/cache/";

/// Lists the copies of upstreams' repositories (`GET`), and clears them (`DELETE`).
pub const COPIES: &str = "/api/cache/copies";

/// Shows the state of the upstreams (`GET`).
pub const UPSTREAMS: &str = "/api/cache/upstreams";

/// Reads the records of the catalog for a backup (`GET`).
pub const BACKUP_RECORDS: &str = "/api/backup/records";

/// Verifies stored content, slice by slice (`POST`).
pub const VERIFY: &str = "/api/verify";

/// Shows the disk budget and its use (`GET`).
pub const DISK: &str = "/api/disk";

/// The beginning of the path by which a cluster's images are told (`PUT`); the name of the cluster follows.
pub const RUNNING: &str = "/api/running/";

/// Lists the leases (`GET`) and takes one (`POST`). The page of each lease is below: renews it (`PUT`), ends it (`DELETE`).
pub const LEASES: &str = "/api/leases";

/// Lists the users (`GET`). The page of each user is below: creates or changes the user (`PUT`), removes the user (`DELETE`).
pub const USERS: &str = "/api/users";

/// Lists the tokens (`GET`) and creates one (`POST`). The page of each token is below: revokes it (`DELETE`).
pub const TOKENS: &str = "/api/tokens";

/// Runs garbage collection (`POST`).
pub const GC: &str = "/api/gc";

/// Shows what the retention rules keep and delete (`GET`), and deletes it (`POST`).
pub const RETAIN: &str = "/api/retain";

/// The beginning of the paths of the pages of deleted content.
pub const DELETED: &str = "/api/deleted/";

/// Lists the deleted manifests that can be restored (`GET`).
pub const DELETED_MANIFESTS: &str = "/api/deleted/manifests";

/// Lists what tags named before they were moved or removed (`GET`).
pub const PAST_TAGS: &str = "/api/deleted/tags";

/// Restores a deleted manifest or a tag (`POST`).
pub const UNDELETE: &str = "/api/undelete";
