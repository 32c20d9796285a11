//! The data plane: connections, and the bodies of requests and responses, with as little copying as the kernel allows.
//!
//! Responses: where possible, a blob's bytes do not pass through this process. hyper gets a chunk that only *stands
//! for* bytes of a file ([`chunk::Chunk::File`]). When hyper writes this chunk to the connection, the connection
//! recognises it and calls `sendfile(2)` instead ([`Connection`]). hyper still does the framing, keep-alive and timing.
//! This depends on two properties of hyper's HTTP/1.1 with vectored writes: body chunks are queued, not copied, and are
//! written in order. `tests/data_plane.rs` fails if either property is lost. Other connections and systems read the
//! file in pieces ([`body::Body`], the reading path).
//!
//! Requests: a large body reads the socket directly, into the memory where its bytes are needed ([`RequestBody`]). The
//! connection follows the bytes that it gives to hyper ([`framing`]), and hands the socket's reading end to the body
//! when hyper holds no more bytes of that body ([`intake`]). `tests/intake.rs` fails if hyper notices.
//!
//! Both are for plain connections of HTTP/1.1. On TLS ([`Secure`]) every byte passes through the session, so bodies are
//! read in pieces and hyper reads all input. On HTTP/2 several requests share one connection and its [`Link`], and each
//! has a task of its own ([`Streams`]).

mod awaiting;
mod body;
mod chunk;
mod connection;
mod counters;
mod deadline;
mod framing;
mod input;
mod intake;
mod linger;
mod link;
mod paced;
#[cfg(target_os = "linux")]
mod pages;
mod patience;
mod request_body;
mod secure;
mod streams;

pub(crate) use body::Body;
pub(crate) use connection::Connection;
pub use counters::PlaneCounters;
pub(crate) use link::{Exchange, Link, TLS_HANDSHAKE};
pub(crate) use paced::Paced;
pub(crate) use request_body::{CollectError, RequestBody};
pub(crate) use secure::Secure;
pub(crate) use streams::Streams;
