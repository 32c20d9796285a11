//! Container engines, Docker and Podman: their API, and their stores of images and layers.

mod engine;

/// The types of the engine's API.
pub use bollard::models;
pub use engine::{Choice, Engine, EngineError, File, LogPiece, Output, Surroundings, remote};
