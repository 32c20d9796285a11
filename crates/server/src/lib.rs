//! The HTTP edge: turns requests into calls of the domain, and the results into responses.
//!
//! One request: `serve` accepts the connection, and `serving` serves it, after the handshake of `tls` if the listener has
//! TLS. `protocol` reads HTTP/1.1 or HTTP/2 from it. `dispatch` parses the request once (`request`) and asks once whether it
//! is allowed (`access`). One of `handlers` calls the registry. `reject` turns an error or a refusal into its status and
//! code. `plane` sends the body. After the last byte, `record` becomes one log line and one measurement.

mod access;
mod accounts;
mod auth;
mod authenticate;
mod backups;
mod call;
mod cors;
mod dispatch;
mod endpoints;
mod handlers;
mod listener;
mod log;
mod manifest_room;
mod metrics;
mod options;
mod peer;
mod plane;
mod protocol;
mod record;
mod reject;
mod request;
mod seldom;
mod serve;
mod serving;
mod time;
mod tls;
mod workers;

pub use accounts::RegistryAccounts;
pub use auth::{Auth, Challenge};
pub use handlers::collection::round_of;
pub use handlers::verification::verified_slice;
pub use listener::{Listener, Mirror};
pub use log::{Format, Log, LogGuard};
pub use options::{BackupOptions, RetentionOptions, ServerOptions};
pub use plane::PlaneCounters;
pub use serve::Server;
pub use tls::{AlternativeName, ClientAuth, ClientCertificate, Tls, TlsError, TlsOptions, TlsVersion};
