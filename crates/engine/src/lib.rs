//! Container engines, Docker and Podman: their API, and their stores of images and layers.

mod answering;
mod disk;
mod engine;
mod frame;
mod helper;
mod image;
mod pipe;
#[cfg(test)]
mod sample;
mod store;
mod survey;
mod tar_split;

pub use answering::answer_questions;
/// The types of the engine's API.
pub use bollard::models;
pub use disk::Disk;
pub use engine::{
    Choice, Engine, EngineError, EngineImage, File, LogPiece, Login, Output, Surroundings, remote,
};
pub use helper::Helper;
pub use image::{Have, ReadyImage, StoreImage};
pub use store::{Ask, Layer, Origin, Store};
pub use survey::{OwnImage, Survey, Way};
