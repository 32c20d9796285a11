//! Airplane mode: the images of a cluster are bundled, and run elsewhere without a network.

use std::sync::Arc;

use hythe_e2e::cluster::Cluster;
use hythe_e2e::command::{program, run};
use hythe_e2e::control_plane::ControlPlane;
use hythe_e2e::engine::Engine;
use hythe_e2e::home::Home;
use hythe_e2e::number::fresh_seed;
use hythe_e2e::repository::Repository;
use hythe_e2e::sample::Sample;
use hythe_e2e::{binary, network, pod};
use hythe_oci::Digest;

use crate::{CONTROL, Hub};

/// Removes the routes of a container's network namespace that lead out of its own network.
fn cut_off(home: &Home, container: &str) {
    let process = home.docker(&["inspect", "--format", "{{.State.Pid}}", container]);
    let inside = |words: &[&str]| {
        let enter = ["--target", process.trim(), "--net", "--"];
        run(program(binary::tool("nsenter"), enter).arg(binary::tool("ip")).args(words))
    };
    inside(&["route", "delete", "default"]);
    let routes = inside(&["route", "show"]);
    assert!(!routes.contains("default") && !routes.contains("via"), "{routes}");
}

#[test]
fn pods_of_an_unchanged_manifest_run_from_a_bundle_where_there_is_no_route() {
    let docker = Arc::new(Engine::docker_with_bridge());
    let hub = Hub::start(network::kind(&docker));
    let (cached, pushed) = (Sample::busybox(fresh_seed()), Sample::busybox(fresh_seed()));
    hub.fill("library/x", &cached);
    let mut home = Home::new(&docker);
    std::fs::write(home.folder().join("hythe.toml"), hub.configuration()).expect("the folder is ours");
    let images = [
        ("docker.io/library/x:v1".to_owned(), cached.digest),
        (format!("{}/app:v1", home.registry()), pushed.digest),
    ];

    // One machine: a cluster runs both images, and they are bundled.
    let cluster = Cluster::start(&docker, "field", &[CONTROL]);
    let plane = ControlPlane::start(&cluster);
    home.add_kubeconfig(plane.kubeconfig());
    let up = home.up(&["--config", "hythe.toml"]);
    assert_eq!(up.code, Some(0), "{up:?}");
    pushed.push(&mut Repository::new(&mut home.client(), "app"), "v1");
    let node = cluster.nodes()[0].name().to_owned();
    let manifests = images.each_ref().map(|(image, digest)| pod::manifest(&pod_name(digest), &node, image));
    for (manifest, (_, digest)) in manifests.iter().zip(&images) {
        plane.apply(manifest);
        plane.expect_phase(&pod_name(digest), "Running");
    }
    let registry = home.registry();
    let created = home.attempt(&[
        "bundle",
        "create",
        "field.tar",
        "--from-cluster",
        "kind-field",
        "--registry",
        &registry,
        "--chunk-size",
        "1MiB",
    ]);
    println!("{}{}", created.stderr, created.stdout);
    assert_eq!(created.code, Some(0), "{created:?}");
    // What the nodes have is found too, also the images that no Pod of the API runs.
    let words =
        ["bundle", "create", "nodes.tar", "--cluster", "field", "--registry", &registry, "--skip-missing"];
    let of_nodes = home.attempt(&words);
    assert_eq!(of_nodes.code, Some(0), "{of_nodes:?}");
    for (image, digest) in &images {
        for listed in [&created.stdout, &of_nodes.stdout] {
            assert!(listed.contains(&format!("{image}  {digest}")), "{listed}");
        }
    }

    // Nothing of it is left, and the upstream is gone.
    drop(plane);
    drop(cluster);
    home.run(&["down", "--delete-data", "--yes"]);
    drop(hub);

    // Another machine: a new cluster and an empty registry, both without a route out of their network.
    let cluster = Cluster::start(&docker, "field", &[CONTROL]);
    let plane = ControlPlane::start(&cluster);
    home.add_kubeconfig(plane.kubeconfig());
    let up = home.up(&["--set", "upstream.load=all"]);
    assert_eq!(up.code, Some(0), "{up:?}");
    cut_off(&home, &node);
    cut_off(&home, home.name());
    for (image, _) in &images {
        assert!(cluster.nodes()[0].pull(image).is_err(), "{image} is not here yet");
    }
    let loaded = home.attempt(&["bundle", "load", "field.tar", "--registry", &registry]);
    println!("{}{}", loaded.stderr, loaded.stdout);
    assert_eq!(loaded.code, Some(0), "{loaded:?}");
    for (manifest, (_, digest)) in manifests.iter().zip(&images) {
        plane.apply(manifest);
        plane.expect_phase(&pod_name(digest), "Running");
    }
    for (image, digest) in &images {
        assert_eq!(cluster.nodes()[0].pull(image).as_ref(), Ok(digest), "{image}");
    }
}

fn pod_name(digest: &Digest) -> String {
    format!("pod-{}", &digest.hex()[..8])
}
