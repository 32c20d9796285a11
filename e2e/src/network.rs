//! The network of kind's nodes, which all clusters of an engine share.

use std::net::Ipv4Addr;

use crate::command::{attempt, run};
use crate::engine::Engine;

/// What kind calls it.
pub const KIND: &str = "kind";

/// Makes the network unless it is there, and returns the machine's own address in it.
pub fn kind(engine: &Engine) -> Ipv4Addr {
    let masquerade = "com.docker.network.bridge.enable_ip_masquerade=true";
    // Two clusters may begin at once: whichever comes second is told that the network exists.
    let made =
        attempt(&mut engine.call(&["network", "create", "--driver=bridge", "--opt", masquerade, KIND]));
    assert!(made.code == Some(0) || made.stderr.contains("already exists"), "{made:?}");
    let format = "{{(index .IPAM.Config 0).Gateway}}";
    let gateway = run(&mut engine.call(&["network", "inspect", "--format", format, KIND]));
    gateway.parse().unwrap_or_else(|error| panic!("`{gateway}`: {error}"))
}
