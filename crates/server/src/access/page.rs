//! The pages outside the registry's API.

/// A page, or a group of pages with one handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// `/healthz` and `/livez`: whether the process runs.
    Health,
    /// `/readyz`: whether the registry can answer requests.
    Ready,
    /// `/metrics`
    Metrics,
    /// `/token…`: the token server.
    Token,
    /// `/api/gc`: garbage collection.
    Collection,
    /// `/api/backup/records`: the catalog's records.
    Backup,
    /// `/api/leases…`: leases.
    Leases,
    /// `/api/verify`: verification of stored content.
    Verification,
    /// `/api/retain`: retention by rules.
    Retention,
    /// `/api/disk`: the disk budget.
    Disk,
    /// `/api/running/…`: what clusters run.
    Running,
    /// `/api/cache/…`: copies and upstreams.
    Cache,
    /// `/api/users…`: the registry's own users.
    Users,
    /// `/api/tokens…`: the tokens of users and robots.
    Tokens,
    /// `/api/deleted/…` and `/api/undelete`: deleted content that can be restored.
    Deleted,
}

impl Page {
    /// The page of a path; `None` if no page has it.
    pub(crate) fn of(path: &str) -> Option<Self> {
        Some(match path {
            _ if path.starts_with(hythe_api::path::CACHE) => Self::Cache,
            _ if path.starts_with(hythe_api::path::RUNNING) => Self::Running,
            _ if is_at_or_below(path, hythe_api::path::LEASES) => Self::Leases,
            _ if is_at_or_below(path, hythe_api::path::USERS) => Self::Users,
            _ if is_at_or_below(path, hythe_api::path::TOKENS) => Self::Tokens,
            _ if path.starts_with(hythe_api::path::DELETED) => Self::Deleted,
            hythe_api::path::UNDELETE => Self::Deleted,
            hythe_api::path::BACKUP_RECORDS => Self::Backup,
            hythe_api::path::GC => Self::Collection,
            hythe_api::path::VERIFY => Self::Verification,
            hythe_api::path::RETAIN => Self::Retention,
            hythe_api::path::DISK => Self::Disk,
            "/healthz" | "/livez" => Self::Health,
            "/readyz" => Self::Ready,
            "/metrics" => Self::Metrics,
            _ if is_at_or_below(path, crate::auth::TOKEN) => Self::Token,
            _ => return None,
        })
    }

    /// Whether the page only says whether the server works. Programs on this machine also reach it by plain HTTP on a
    /// listener with TLS, so that a probe needs no certificate.
    pub(crate) const fn is_health(self) -> bool {
        matches!(self, Self::Health | Self::Ready)
    }

    /// The handler's name in metrics.
    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Ready => "ready",
            Self::Metrics => "metrics",
            Self::Token => "token",
            Self::Collection => "gc",
            Self::Backup => "backup",
            Self::Leases => "leases",
            Self::Verification => "verify",
            Self::Retention => "retain",
            Self::Disk => "disk",
            Self::Running => "running",
            Self::Cache => "cache",
            Self::Users => "users",
            Self::Tokens => "tokens",
            Self::Deleted => "undelete",
        }
    }

    /// Whether the page belongs to hythe's admin API.
    pub(super) const fn is_admin(self) -> bool {
        match self {
            Self::Backup
            | Self::Collection
            | Self::Leases
            | Self::Verification
            | Self::Retention
            | Self::Disk
            | Self::Running
            | Self::Cache
            | Self::Users
            | Self::Tokens
            | Self::Deleted => true,
            Self::Health | Self::Ready | Self::Metrics | Self::Token => false,
        }
    }
}

/// Whether a path is that of a page, or of a page below it.
fn is_at_or_below(path: &str, page: &str) -> bool {
    path.strip_prefix(page).is_some_and(|below| below.is_empty() || below.starts_with('/'))
}
