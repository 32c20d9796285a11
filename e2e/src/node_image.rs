//! The images that a cluster's nodes are made of: the node's own, and the one that holds each Pod's sandbox.

use std::process::{Command, Stdio};

use crate::binary::tool;
use crate::cache::cached;
use crate::command::{attempt, program, run};
use crate::engine::Engine;
use crate::rootfs;

/// Belongs to what the cache holds: change it with the recipe.
const RECIPE: &str = "node-2";

/// What a node's root file system has beside Debian's smallest.
const PACKAGES: [&str; 5] = ["containerd", "iproute2", "iptables", "procps", "runc"];

/// What no program of a node's reads, and every engine would have to unpack.
const UNREAD: [&str; 5] =
    ["/usr/share/doc", "/usr/share/locale", "/usr/share/man", "/var/cache/apt", "/var/lib/apt/lists"];

/// Debian with containerd 1.6: what else a node needs is laid into its container.
pub const NODE: &str = "hythe-e2e/node:2";

/// The sandbox that node/etc/containerd/config.toml names. Nodes have it before they join, as kind's have.
pub const PAUSE: &str = "registry.k8s.io/pause:3.10";

/// Makes both known to the engine.
pub fn load(engine: &Engine) {
    if attempt(&mut engine.call(&["image", "inspect", NODE])).code == Some(0) {
        return;
    }
    let busybox = tool("busybox");
    let folder = busybox.parent().expect("a program lies in a folder");
    let entry = "ENTRYPOINT [\"/busybox\", \"sleep\", \"1000000\"]";
    let pack = program(tool("tar"), ["-C", &folder.display().to_string(), "-c", "busybox"]);
    pipe(pack, engine.call(&["import", "--change", entry, "-", PAUSE]));

    let folder = cached(RECIPE, |folder| rootfs::archive(&PACKAGES, &UNREAD, &folder.join("rootfs.tar")));
    run(engine.call(&["import"]).arg(folder.join("rootfs.tar")).arg(NODE));
}

/// Runs both, the second with the first one's output, and returns what the second printed.
pub fn pipe(mut from: Command, mut to: Command) -> String {
    let mut source = from.stdout(Stdio::piped()).spawn().unwrap_or_else(|error| panic!("{from:?}: {error}"));
    let printed = run(to.stdin(source.stdout.take().expect("it is piped")));
    let status = source.wait().expect("it is our child");
    assert!(status.success(), "{from:?}: {status}");
    printed
}
