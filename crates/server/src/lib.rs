//! The HTTP edge: turns requests into calls of the domain, and the results into responses.
//!
//! One request: `serve` accepts the connection. `dispatch` parses the path once and checks that the client may ask. One
//! of `handlers` calls the registry. `reject` turns an error into its status and code. `plane` sends the body. After
//! the last byte, `record` becomes one log line and one measurement.

mod call;
mod cors;
mod dispatch;
mod handlers;
mod host;
mod listener;
mod log;
mod manifest_room;
mod metrics;
mod options;
mod peer;
mod place;
mod plane;
mod record;
mod reject;
mod serve;
mod site;
mod time;
mod workers;

pub use handlers::collection::round_of;
pub use listener::{Listener, Mirror};
pub use log::{Format, Log, LogGuard};
pub use options::Options;
pub use plane::{INTAKE_BYTES, SENDFILE_BYTES};
pub use serve::Server;
