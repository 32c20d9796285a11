//! Kubernetes: a client of a cluster's API, a registry in a cluster, what Pods pull, and the `ConfigMap` that names a
//! cluster's registry.
//! This crate knows no container engine.

pub mod api;
pub mod deploy;
pub mod hosting;
pub mod image;
pub mod pod;
pub mod running;
pub mod trial;
pub mod workload;
