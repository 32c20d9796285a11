//! Container engines, the nodes of local clusters, and how both are wired to hythe.

pub mod api;
pub mod containerd;
pub mod deploy;
pub mod doctor;
pub mod engine;
pub mod hosting;
pub mod hosts;
pub mod image;
pub mod kind_config;
pub mod registries;
mod toml_error;
pub mod attach;
pub mod registry;
pub mod step;
pub mod topology;

pub use toml_error::NotToml;
