//! The nodes of local clusters and the registry beside them, and how hythe wires both.

pub mod attach;
pub mod containerd;
mod containerd_version;
pub mod doctor;
pub mod hosts;
mod http;
pub mod image;
pub mod kind_config;
pub mod pull;
pub mod pulled;
pub mod registries;
pub mod registry;
pub mod running;
mod runtime;
#[cfg(test)]
mod sample;
pub mod sites;
pub mod step;
mod toml_error;
pub mod topology;

pub use toml_error::NotToml;
