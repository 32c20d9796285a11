//! The data plane: how bodies leave and connections live, at the price that the kernel charges.
//!
//! A blob's body never passes through this process where it need not: hyper is given a chunk that only *stands for*
//! bytes of a file ([`chunk::Chunk::File`]), and when it writes that chunk to the connection, the connection recognises it
//! and calls `sendfile(2)` instead ([`Connection`]). hyper frames, keeps alive and times as ever. This leans on two
//! things hyper does for HTTP/1.1 with vectored writes: body chunks are queued, not copied, and written in order.
//! `tests/data_plane.rs` fails when either stops being true. Other connections (and systems) read the file in
//! pieces ([`body::Body`], the reading path).
//!
//! The large body of a request reads the connection by itself, to where its bytes are to be ([`RequestBody`]): the
//! connection follows what hyper is given ([`framing`]), and hands over the socket's reading end where hyper has nothing
//! left of the body ([`intake`]). `tests/intake.rs` fails where hyper would notice.

mod body;
mod chunk;
mod connection;
mod deadline;
mod framing;
mod input;
mod intake;
mod link;
mod pages;
mod request_body;

pub(crate) use body::Body;
pub use connection::SENDFILE_BYTES;
pub(crate) use connection::{Connection, Patience};
pub use intake::INTAKE_BYTES;
pub(crate) use link::{Exchange, Link};
pub(crate) use request_body::{CollectError, RequestBody};
