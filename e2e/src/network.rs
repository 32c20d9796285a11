//! The network of kind's nodes. All clusters of an engine share it.

use std::net::Ipv4Addr;

use crate::command::{attempt, run};
use crate::engine::Engine;

/// The network's name in kind.
pub const KIND: &str = "kind";

/// Creates the network if it does not exist, and returns the machine's own address in it.
pub fn kind(engine: &Engine) -> Ipv4Addr {
    let masquerade = "com.docker.network.bridge.enable_ip_masquerade=true";
    // Two clusters may start at once; the second gets the error that the network exists.
    let made =
        attempt(&mut engine.call(&["network", "create", "--driver=bridge", "--opt", masquerade, KIND]));
    assert!(made.code == Some(0) || made.stderr.contains("already exists"), "{made:?}");
    let format = "{{(index .IPAM.Config 0).Gateway}}";
    let gateway = run(&mut engine.call(&["network", "inspect", "--format", format, KIND]));
    gateway.parse().unwrap_or_else(|error| panic!("`{gateway}`: {error}"))
}
