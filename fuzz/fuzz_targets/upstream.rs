//! `?ns=` and `WWW-Authenticate`: no input panics, and no name resolves to a registry that is not allowed.
#![no_main]

use hythe_client::challenges;
use hythe_oci::Authority;
use hythe_upstream::{Allowed, Resolved};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for challenge in challenges(text) {
        assert!(!challenge.scheme().is_empty());
    }
    if let Ok(authority) = text.parse::<Authority>() {
        assert_eq!(authority.to_string().parse(), Ok(authority));
    }
    let (namespace, name) = text.split_once('?').unwrap_or(("docker.io", text));
    let Ok(name) = name.parse() else { return };
    let allowed = Allowed::shipped();
    if let Resolved::Upstream(upstream, _) = allowed.resolve(Some(namespace), &name) {
        let namespace = namespace.parse().expect("only a host is allowed");
        assert_eq!(allowed.get(&namespace), Some(upstream));
    }
});
