//! Checks that the other suites' clusters behave as real ones: kind lists them, their containerd pulls, and their
//! kubelets run the pulled images.

use std::sync::Arc;

use hythe_e2e::binary::built_tool;
use hythe_e2e::cluster::Cluster;
use hythe_e2e::command::{program, run};
use hythe_e2e::control_plane::ControlPlane;
use hythe_e2e::engine::Engine;
use hythe_e2e::network;
use hythe_e2e::node::Node;
use hythe_e2e::node_spec::{Containerd, NodeSpec, Role};
use hythe_e2e::number::fresh_seed;
use hythe_e2e::pod;
use hythe_e2e::repository::Repository;
use hythe_e2e::sample::Sample;
use hythe_e2e::server::Server;

const CONFIGURATION: &str = "/etc/containerd/config.toml";

#[test]
fn nodes_pull_and_kubelets_run_images_of_a_registry_on_the_machine() {
    let docker = Arc::new(Engine::docker_with_networks());
    let mut server = Server::new().with_host(network::kind(&docker));
    server.run();
    let sample = Sample::busybox(fresh_seed());
    sample.push(&mut Repository::new(&mut server.client(), "app"), "v1");
    let name = format!("localhost:{}", server.address().port());
    let image = format!("{name}/app:v1");

    let old = NodeSpec { role: Role::ControlPlane, containerd: Containerd::V1_6 };
    let mut first = Cluster::start(&docker, "old", &[old]);
    let control = NodeSpec { role: Role::ControlPlane, containerd: Containerd::V1_7 };
    let worker = NodeSpec { role: Role::Worker, containerd: Containerd::V2 };
    let second = Cluster::start(&docker, "new", &[control, worker]);
    assert_eq!(kind(&docker, &["clusters"]), ["new", "old"]);
    assert_eq!(kind(&docker, &["nodes", "--name=old"]), ["old-control-plane"]);
    assert_eq!(kind(&docker, &["nodes", "--name=new"]), ["new-control-plane", "new-worker"]);

    for (node, version) in first.nodes().iter().chain(second.nodes()).zip(["1.6.", "1.7.", "2."]) {
        let said = node.run(&["containerd", "--version"]);
        assert!(said.contains(&format!(" {version}")) || said.contains(&format!(" v{version}")), "{said}");
        // Nothing listens at that port in the node, and its containerd has no other host for the name.
        let error = node.pull(&image).expect_err("there is no registry in the node");
        assert!(error.contains("connection refused"), "{error}");
        attach(node, &name, &server);
        assert_eq!(node.pull(&image).as_ref(), Ok(&sample.digest), "{}", node.name());
    }

    // The node's configuration survives a stop of the node, and is gone when the node is removed.
    let node = &first.nodes()[0];
    node.stop();
    node.start();
    node.remove_image(&image);
    assert_eq!(node.pull(&image).as_ref(), Ok(&sample.digest));
    node.write(CONFIGURATION, "version = ");
    assert_eq!(node.exec(&["systemctl", "restart", "containerd"]).code, Some(1));
    assert!(node.run(&["journalctl", "-u", "containerd"]).contains("failed to load TOML"));
    first.remove("old-control-plane");
    let node = first.add(old);
    assert_eq!(node.name(), "old-control-plane");
    assert!(node.pull(&image).is_err());

    let plane = ControlPlane::start(&second);
    for node in second.nodes() {
        node.remove_image(&image);
        plane.apply(&pod::manifest(node.name(), node.name(), &image));
        plane.expect_phase(node.name(), "Running");
        let status = &plane.pod(node.name())["status"]["containerStatuses"][0];
        let id = status["imageID"].as_str().expect("it runs");
        assert!(id.contains(&sample.digest.to_string()) || id.contains(&sample.id.to_string()), "{id}");
    }
    let context = plane.run(&["config", "current-context"]);
    assert_eq!(context, "kind-new");
    let seen = second.nodes()[0].run(&["kubectl", "get", "nodes", "--output=name"]);
    assert_eq!(seen, "node/new-control-plane\nnode/new-worker");
}

fn kind(docker: &Engine, words: &[&str]) -> Vec<String> {
    let mut command = program(built_tool("kind"), ["get"]);
    let printed = run(command.args(words).env("DOCKER_HOST", docker.address()));
    let mut names: Vec<String> = printed.lines().map(str::to_owned).collect();
    names.sort_unstable();
    names
}

/// Configures the node's containerd by hand to find the name at the server.
fn attach(node: &Node, name: &str, server: &Server) {
    let text = node.read(CONFIGURATION).expect("every node has it");
    let registry =
        "[plugins.\"io.containerd.grpc.v1.cri\".registry]\n  config_path = \"/etc/containerd/certs.d\"\n";
    node.write(CONFIGURATION, &format!("{text}\n{registry}"));
    let host = format!("[host.\"http://{}\"]\n", server.address());
    node.write(&format!("/etc/containerd/certs.d/{name}/hosts.toml"), &host);
    node.run(&["systemctl", "restart", "containerd"]);
    assert_eq!(node.run(&["systemctl", "is-active", "containerd"]), "active");
}
