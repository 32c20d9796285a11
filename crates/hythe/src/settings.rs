//! The typed settings of the registry. `Default` has the settings of an empty configuration.

mod auth;
mod backup;
mod retain;
mod upstreams;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

pub use auth::Auth;
pub use backup::BackupSettings;
pub use retain::Retain;
pub use upstreams::Upstreams;

use hythe_registry::{Budget, DiskAmount};
use hythe_server::{ClientAuth, TlsOptions, TlsVersion};
use hythe_storage::fs::Direct;

use crate::values::{HostName, Listen, LogFormat, LogLevel, Origin, Scheme, Storage};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The settings of the registry. The keys in [`crate::config::KEYS`] document each field.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each key's sentence is in `KEYS`, spelt once")]
pub struct Settings {
    pub listen: Vec<Listen>,
    pub data: PathBuf,
    pub storage: Storage,
    pub stay_root: bool,
    pub log: Log,
    pub http: Http,
    pub auth: Auth,
    pub tls: Tls,
    pub upload: Upload,
    pub manifest: Manifest,
    pub delete: Delete,
    pub collect: Collect,
    pub verify: Verify,
    pub retain: Retain,
    pub backup: BackupSettings,
    pub disk: Disk,
    pub catalog: Page,
    pub tags: Page,
    pub upstream: Upstreams,
}

/// The keys `log.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each key's sentence is in `KEYS`, spelt once")]
pub struct Log {
    pub format: LogFormat,
    pub level: LogLevel,
    pub requests: bool,
}

/// The keys `http.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each key's sentence is in `KEYS`, spelt once")]
pub struct Http {
    pub allow_anonymous_network: bool,
    pub hosts: Vec<HostName>,
    pub published_on_loopback: bool,
    pub cors_origins: Vec<Origin>,
    pub header_timeout: Duration,
    pub idle_timeout: Duration,
    pub progress_timeout: Duration,
    pub drain_timeout: Duration,
    pub max_header_size: u64,
    pub max_connections: u64,
    pub sendfile: bool,
}

/// The keys `tls.*`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each key's sentence is in `KEYS`, spelt once")]
pub struct Tls {
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
    pub client_ca: Vec<PathBuf>,
    pub client_auth: ClientAuth,
    pub min_version: TlsVersion,
}

impl Tls {
    /// The options of TLS; `None` if it is off.
    pub fn options(&self) -> Option<TlsOptions> {
        Some(TlsOptions {
            certificate: self.certificate.clone()?,
            key: self.key.clone()?,
            client_ca: self.client_ca.clone(),
            client_auth: self.client_auth,
            min_version: self.min_version,
        })
    }
}

impl Settings {
    /// Whether clients of this address speak TLS.
    pub fn has_tls(&self, listen: &Listen) -> bool {
        match listen.scheme {
            Some(scheme) => scheme == Scheme::Https,
            None => self.tls.certificate.is_some(),
        }
    }

    /// Whether anyone on the network can use this address: it is not loopback, and clients need no certificate.
    pub fn is_open(&self, listen: &Listen) -> bool {
        let tls = &self.tls;
        let needs_certificate = !tls.client_ca.is_empty() && tls.client_auth == ClientAuth::Require;
        let is_guarded = self.has_tls(listen) && needs_certificate;
        !listen.is_loopback() && !is_guarded
    }
}

/// The keys `upload.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each key's sentence is in `KEYS`, spelt once")]
pub struct Upload {
    pub max_concurrent: u64,
    pub memory: u64,
    pub direct: Direct,
    pub expire: Duration,
}

/// The keys `manifest.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each key's sentence is in `KEYS`, spelt once")]
pub struct Manifest {
    pub max_size: u64,
    pub require_blobs: bool,
}

/// The keys `delete.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each key's sentence is in `KEYS`, spelt once")]
pub struct Delete {
    pub enabled: bool,
}

/// The keys `collect.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each key's sentence is in `KEYS`, spelt once")]
pub struct Collect {
    pub grace: Duration,
    pub interval: Duration,
}

/// The keys `verify.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each key's sentence is in `KEYS`, spelt once")]
pub struct Verify {
    pub interval: Duration,
    pub rate: u64,
}

/// The keys `disk.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each key's sentence is in `KEYS`, spelt once")]
pub struct Disk {
    pub budget: Budget,
    pub floor: DiskAmount,
    pub keep_running: Duration,
}

/// The keys `catalog.*` and `tags.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each key's sentence is in `KEYS`, spelt once")]
pub struct Page {
    pub max_page: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5001).into()],
            // The folder for root. `load` sets the platform's folder for every other user.
            data: PathBuf::from("/var/lib/hythe"),
            storage: Storage::Fs,
            stay_root: false,
            log: Log { format: LogFormat::Text, level: LogLevel::Info, requests: true },
            http: Http {
                allow_anonymous_network: false,
                hosts: Vec::new(),
                published_on_loopback: false,
                cors_origins: Vec::new(),
                header_timeout: Duration::from_secs(10),
                idle_timeout: Duration::from_secs(3 * MINUTE),
                progress_timeout: Duration::from_secs(MINUTE),
                drain_timeout: Duration::from_secs(10),
                max_header_size: 64 << 10,
                max_connections: 10_000,
                sendfile: true,
            },
            auth: Auth::default(),
            tls: Tls::default(),
            upload: Upload {
                max_concurrent: 2000,
                memory: 8 << 20,
                direct: Direct::Auto,
                expire: Duration::from_secs(7 * DAY),
            },
            // The specification asks for at least 4 MiB. The margin keeps a manifest of exactly that size from failing.
            manifest: Manifest { max_size: (4 << 20) + (256 << 10), require_blobs: false },
            delete: Delete { enabled: true },
            collect: Collect { grace: Duration::from_secs(DAY), interval: Duration::from_secs(10 * MINUTE) },
            verify: Verify { interval: Duration::from_secs(30 * DAY), rate: 8 << 20 },
            retain: Retain::default(),
            backup: BackupSettings::default(),
            disk: Disk {
                budget: Budget::Auto,
                floor: DiskAmount::Percent(1),
                keep_running: Duration::from_secs(7 * DAY),
            },
            catalog: Page { max_page: 1000 },
            tags: Page { max_page: 10_000 },
            upstream: Upstreams::default(),
        }
    }
}
