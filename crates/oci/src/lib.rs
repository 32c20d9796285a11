//! The vocabulary of a container registry, as the OCI specifications spell it. Pure: no I/O, no clock.

mod digest;
mod hash;
mod name;
mod reference;
mod upload_id;

pub use digest::{Algorithm, Digest, DigestError};
pub use hash::{HashState, HashStateError};
pub use name::{NameError, RepositoryName};
pub use reference::{Reference, ReferenceError, Tag, TagError};
pub use upload_id::{UploadId, UploadIdError};
