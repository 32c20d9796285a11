//! What can be set about the server.

use std::time::Duration;

use crate::log::Format;

/// Settings of the HTTP edge. All but the marked ones can change while it runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Further host names that mean this registry, beside loopback ones.
    pub hosts: Vec<String>,
    /// Whether what is listened on inside of a container is published on its host's loopback only: `Host` is checked then
    /// as on a loopback listener, beside what containers call it.
    pub published_on_loopback: bool,
    /// Origins whose pages may read answers, and write where they are named; `*` for all.
    pub cors_origins: Vec<String>,
    /// From the first byte of a request's head to its last.
    pub header_timeout: Duration,
    /// Between requests on one connection.
    pub idle_timeout: Duration,
    /// Without progress of a body, in either direction.
    pub progress_timeout: Duration,
    /// How long requests may go on after the server was told to stop.
    pub drain_timeout: Duration,
    /// The largest request head, in bytes.
    pub max_header_size: usize,
    /// How many connections are served at once; further ones wait. Fixed at the start.
    pub max_connections: usize,
    /// Whether files leave by `sendfile(2)`.
    pub sendfile: bool,
    /// The most repositories on one page.
    pub catalog_max_page: usize,
    /// The most tags on one page.
    pub tags_max_page: usize,
    /// Whether each request is logged.
    pub log_requests: bool,
    /// How request lines look.
    pub log_format: Format,
    /// How often the collector looks for what is not needed any more.
    pub collect_interval: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            published_on_loopback: false,
            cors_origins: Vec::new(),
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_mins(3),
            progress_timeout: Duration::from_mins(1),
            drain_timeout: Duration::from_secs(10),
            max_header_size: 64 << 10,
            max_connections: 10_000,
            sendfile: true,
            catalog_max_page: 1000,
            tags_max_page: 10_000,
            log_requests: true,
            log_format: Format::Text,
            collect_interval: Duration::from_mins(10),
        }
    }
}
