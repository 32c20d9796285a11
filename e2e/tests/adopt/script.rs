//! The steps of kind's script for a local registry, with hythe's image instead of registry:2.

use std::io::Write as _;
use std::process::{Command, Stdio};

use hythe_e2e::cluster::Cluster;
use hythe_e2e::command::attempt;
use hythe_e2e::control_plane::ControlPlane;
use hythe_e2e::node_spec::{Containerd, NodeSpec, Role};
use hythe_e2e::number::fresh_seed;
use hythe_e2e::repository::Repository;
use hythe_e2e::sample::Sample;
use serde_json::json;

use super::{answers, inspect, machine, tag_image};

/// The effect of kind's `containerdConfigPatches` on a node's file.
const PATCH: &str =
    "\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\n  config_path = \"/etc/containerd/certs.d\"\n";

const NAME: &str = "kind-registry";

#[test]
fn kind_s_script_needs_no_other_word_than_the_image_s_name() {
    let (docker, home) = machine();
    let image = tag_image(&home);
    let registry = home.registry();

    // 1. Start the registry, unless it runs.
    let publish = format!("127.0.0.1:{}:5000", home.port());
    home.docker(&[
        "run",
        "-d",
        "--restart=always",
        "-p",
        &publish,
        "--network",
        "bridge",
        "--name",
        NAME,
        image,
    ]);

    // 2. Create a cluster whose nodes read certs.d.
    let control = NodeSpec { role: Role::ControlPlane, containerd: Containerd::V1_7 };
    let worker = NodeSpec { role: Role::Worker, containerd: Containerd::V2 };
    let cluster = Cluster::start(&docker, "kind", &[control, worker]);
    for node in cluster.nodes() {
        let file = "/etc/containerd/config.toml";
        let before = node.read(file).expect("every node has it");
        node.write(file, &format!("{before}{PATCH}"));
        node.run(&["systemctl", "restart", "containerd"]);
    }
    let plane = ControlPlane::start(&cluster);

    // 3. Make the registry's name on the host known to each node.
    let folder = format!("/etc/containerd/certs.d/{registry}");
    for node in cluster.nodes() {
        home.docker(&["exec", node.name(), "mkdir", "-p", &folder]);
        let file = format!("{folder}/hosts.toml");
        let copy = docker.call(&["exec", "-i", node.name(), "cp", "/dev/stdin", &file]);
        feed(copy, &format!("[host.\"http://{NAME}:5000\"]\n"));
    }

    // 4. Connect the registry to kind's network, unless it is connected.
    assert_eq!(inspect(&home, NAME, "{{json .NetworkSettings.Networks.kind}}"), "null");
    home.docker(&["network", "connect", "kind", NAME]);

    // 5. Publish the ConfigMap for tools.
    plane.apply(&json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "local-registry-hosting", "namespace": "kube-public"},
        "data": {"localRegistryHosting.v1": format!("host: \"{registry}\"\n")},
    }));

    answers(&docker, &home, NAME);
    let sample = Sample::busybox(fresh_seed());
    sample.push(&mut Repository::new(&mut home.client(), "app"), "v1");
    // Then push images as users do.
    home.docker(&["tag", image, &format!("{registry}/tools/hythe:v1")]);
    let pushed = home.docker(&["push", &format!("{registry}/tools/hythe:v1")]);
    let pushed = hythe_e2e::command::digest_in(&pushed);
    for node in cluster.nodes() {
        assert_eq!(node.pull(&format!("{registry}/app:v1")).as_ref(), Ok(&sample.digest), "{}", node.name());
        assert_eq!(node.pull(&format!("{registry}/tools/hythe:v1")).as_ref(), Ok(&pushed), "{}", node.name());
    }
    // The container started as root, and the server runs as an ordinary user.
    let pid = inspect(&home, NAME, "{{.State.Pid}}");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    assert!(status.contains("\nUid:\t1000\t1000\t1000\t1000\n"), "{status}");

    // The container restarts with all its content.
    home.docker(&["restart", NAME]);
    answers(&docker, &home, NAME);
    let log = attempt(&mut docker.call(&["logs", NAME]));
    for node in cluster.nodes() {
        node.remove_image(&format!("{registry}/app:v1"));
        assert_eq!(node.pull(&format!("{registry}/app:v1")).as_ref(), Ok(&sample.digest), "{log:?}");
    }
}

fn feed(mut command: Command, text: &str) {
    let mut child =
        command.stdin(Stdio::piped()).spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    child.stdin.take().expect("it is piped").write_all(text.as_bytes()).expect("it reads");
    assert!(child.wait().expect("it is our child").success(), "{command:?}");
}
