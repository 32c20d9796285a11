//! The vocabulary of a container registry, as the OCI specifications spell it. Pure: no I/O, no clock.

mod authority;
mod descriptor;
mod digest;
mod endpoint;
mod error_code;
mod fallback_tag;
mod fields;
mod hash;
pub mod header;
mod image_name;
pub mod lenient;
mod manifest;
mod manifest_error;
pub mod media_type;
mod name;
pub mod path;
mod query;
mod range;
mod reference;
mod upload_id;

pub use authority::{Authority, AuthorityError};
pub use descriptor::Descriptor;
pub use digest::{Algorithm, Digest, DigestError};
pub use endpoint::{Endpoint, EndpointError};
pub use error_code::{ErrorBody, ErrorCode, ErrorCodeError, ErrorEntry};
pub use fallback_tag::fallback_tag;
pub use hash::{HashState, HashStateError};
pub use image_name::{ImageName, ImageNameError, ImageNameFault, ImageNameParts};
pub use manifest::Manifest;
pub use manifest_error::ManifestError;
pub use name::{NameError, RepositoryName};
pub use query::{Query, QueryError, encode};
pub use range::{ByteRanges, ChunkRange, ChunkRangeError, Part, Selection};
pub use reference::{Reference, ReferenceError, Tag, TagError};
pub use upload_id::{UploadId, UploadIdError};
