//! How many files a process may have open.

/// The limit of open files that is assumed if the limit is not known, or if there is none.
const MANY: usize = 1 << 20;

/// How many files and connections this process may have open at once: the current limit of the system.
pub fn most_open_files() -> usize {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit};

        let limit = getrlimit(Resource::Nofile).current;
        limit.map_or(MANY, |limit| usize::try_from(limit).unwrap_or(MANY).min(MANY))
    }
    #[cfg(not(unix))]
    MANY
}
