//! Container engines, Docker and Podman: their API, and their stores of images and layers.

mod answering;
mod compress;
mod disk;
mod engine;
mod frame;
mod helper;
mod image;
mod pipe;
mod ready;
#[cfg(test)]
mod sample;
mod store;
mod survey;
mod tar_split;

pub use answering::answer_questions;
/// The types of the engine's API.
pub use bollard::models;
pub use compress::Compression;
pub use disk::Disk;
pub use engine::{
    Choice, Engine, EngineError, EngineImage, File, LogPiece, Login, Output, Surroundings, remote,
};
pub use helper::Helper;
pub use image::{LookedUp, StoreImage, Target};
pub use ready::ReadyImage;
pub use store::{Ask, Form, Layer, Origin, Store};
pub use survey::{OwnImage, Survey, Way};
