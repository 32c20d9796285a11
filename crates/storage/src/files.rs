//! How many files a process may have open.

/// What is taken where no limit is known, or there is none.
const MANY: usize = 1 << 20;

/// How many files and connections this process may have open at once, as the system limits it now.
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
