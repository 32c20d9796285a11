//! Pull-through with real clients and real upstreams, all on loopback.

mod containerd;
mod crane;
mod credentials;
mod docker;
mod kill;
mod memory;
mod outage;
mod podman;
mod puller;
mod registry_2;
mod site;
mod skopeo;
mod together;
