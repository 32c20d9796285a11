//! The images for a cluster's nodes: the node's own image, and the image of each Pod's sandbox.

use std::process::{Command, Stdio};

use crate::binary::tool;
use crate::cache::cached;
use crate::command::{attempt, program, run};
use crate::engine::Engine;
use crate::rootfs;

/// The name of the image's folder in the cache. Change it with the recipe.
const RECIPE: &str = "node-2";

/// The packages that a node's root file system has in addition to the smallest Debian.
const PACKAGES: [&str; 5] = ["containerd", "iproute2", "iptables", "procps", "runc"];

/// Folders that no program in a node reads. They are left out, because every engine would have to unpack them.
const UNREAD: [&str; 5] =
    ["/usr/share/doc", "/usr/share/locale", "/usr/share/man", "/var/cache/apt", "/var/lib/apt/lists"];

/// Debian with containerd 1.6. A node's other files are copied into its container.
pub const NODE: &str = "hythe-e2e/node:2";

/// The sandbox's image that node/etc/containerd/config.toml names. As in kind, nodes have it before they join the
/// cluster.
pub const PAUSE: &str = "registry.k8s.io/pause:3.10";

/// Loads both images into the engine.
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

/// Runs both commands, with the first one's output as the second one's input, and returns the second one's output.
pub fn pipe(mut from: Command, mut to: Command) -> String {
    let mut source = from.stdout(Stdio::piped()).spawn().unwrap_or_else(|error| panic!("{from:?}: {error}"));
    let printed = run(to.stdin(source.stdout.take().expect("it is piped")));
    let status = source.wait().expect("it is our child");
    assert!(status.success(), "{from:?}: {status}");
    printed
}
