//! `hythe deploy`, `forward` and `attach --in-cluster` on a real API server, with controllers and kubelets.

mod files;
mod forward;
mod rights;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use hythe_e2e::binary::hythe;
use hythe_e2e::cluster::Cluster;
use hythe_e2e::command::{program, run};
use hythe_e2e::control_plane::ControlPlane;
use hythe_e2e::engine::Engine;
use hythe_e2e::home::Home;
use hythe_e2e::node::Node;
use hythe_e2e::node_spec::{Containerd, NodeSpec, Role};
use hythe_e2e::pod;
use hythe_e2e::repository::Repository;
use serde_json::{Value, json};

use files::expect_files_accepted;
use forward::{Forward, eventually};
use rights::expect_locked;

const CONTROL: NodeSpec = NodeSpec { role: Role::ControlPlane, containerd: Containerd::V1_7 };
const WORKER: NodeSpec = NodeSpec { role: Role::Worker, containerd: Containerd::V2 };

/// The folder of the volume, as a provisioner would create it.
const VOLUME: &str = "/opt/volume";

/// The only Pod of a registry.
fn pod_of(plane: &ControlPlane, namespace: &str) -> Value {
    let namespace = format!("--namespace={namespace}");
    let text = plane.run(&["get", "pods", &namespace, "--output=json"]);
    let list: Value = serde_json::from_str(&text).expect("kubectl prints JSON");
    let pods = list["items"].as_array().expect("a list");
    assert_eq!(pods.len(), 1, "{list:#}");
    pods[0].clone()
}

/// The change of each object.
fn changes(deployed: &Value) -> Vec<&str> {
    let objects = deployed["objects"].as_array().expect("a list");
    objects.iter().map(|object| object["change"].as_str().expect("a text")).collect()
}

/// Adds a volume in a world-writable folder of a node, as provisioners of local clusters do.
fn add_volume(plane: &ControlPlane, node: &Node) {
    node.run(&["mkdir", "-m", "0777", VOLUME]);
    plane.apply(&json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "volume"},
        "spec": {
            "capacity": {"storage": "10Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": VOLUME},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": "kubernetes.io/hostname", "operator": "In", "values": [node.name()]},
            ]}]}},
        },
    }));
}

/// Deploys a second registry with its data in a folder of the node, under other names.
fn expect_folder_served(home: &Home, worker: &Node) {
    let names = ["--namespace", "storage", "--name", "docker-registry"];
    let place = format!("kubernetes.io/hostname={}", worker.name());
    let folder = "/mnt/local-storage/registry";
    let mut words = vec!["deploy", "--host-path", folder, "--node-selector", &place];
    words.extend(names);
    words.extend(["--engine", home.engine().address()]);
    // The first registry uses the node port: the suggestion names a free one, and has all options of this one.
    let refused = home.attempt_plainly(&words);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let line = refused.suggestion("hythe deploy --node-port 30501 ");
    words.extend(["--node-port", "30501"]);
    let deployed = home.shell(&line);
    println!("{}{}", deployed.stderr, deployed.stdout);
    assert_eq!(deployed.code, Some(0), "{deployed:?}");
    assert_eq!(worker.run(&["stat", "--format=%u:%g", folder]), "1000:1000");
    expect_locked(worker);
    let forward = Forward::suggested(home, &deployed);
    let pushed = forward.push("app");
    assert_eq!(Repository::new(&mut forward.client(), "app").verify("v1"), pushed.digest);
    drop(forward);
    let again = home.json(&words);
    assert!(changes(&again).iter().all(|change| *change == "unchanged"), "{again:#}");
    expect_explained(home, worker, folder, &words);
    home.run(&[&["deploy", "remove"][..], &names[..]].concat());
    assert!(worker.exec(&["test", "-d", folder]).code == Some(0));
}

/// A registry that cannot start: the suggested commands show its status and the reason.
fn expect_explained(home: &Home, worker: &Node, folder: &str, words: &[&str]) {
    let format = format!("{folder}/format");
    let before = worker.read(&format).expect("a registry has it");
    worker.write(&format, "damaged");
    let failed = home.attempt_plainly(&[words, &["--set", "log.level=debug", "--timeout", "20s"]].concat());
    assert_eq!(failed.code, Some(1), "{failed:?}");
    let status = home.shell(&failed.suggestion("hythe deploy status"));
    assert!(status.stdout.contains("docker-registry"), "{status:?}");
    let log = home.shell(&status.suggestion("hythe deploy logs"));
    assert!(log.stdout.contains("is damaged"), "{log:?}");
    worker.write(&format, &before);
}

/// Asserts that each node has this image pinned, and no other image of hythe that kubelet could not collect.
fn expect_pinned(cluster: &Cluster, image: &str) {
    for node in cluster.nodes() {
        let listed = node.run(&["ctr", "-n", "k8s.io", "images", "ls", "name~=^localhost/hythe:"]);
        let pinned = listed.lines().filter(|line| line.contains("io.cri-containerd.pinned=pinned"));
        let pinned: Vec<_> = pinned.filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(pinned, [image], "{listed}");
        let seen: Value = serde_json::from_str(&node.run(&["crictl", "inspecti", image])).expect("JSON");
        assert_eq!(seen["status"]["pinned"], true, "{}: {seen:#}", node.name());
    }
}

/// Deploys another binary over the same data.
fn expect_upgraded(cluster: &Cluster, plane: &ControlPlane, home: &Home) {
    let mut program = std::fs::read(hythe()).expect("it is there");
    program.push(0);
    std::fs::write(home.folder().join("other"), program).expect("the folder is ours");
    home.run(&["deploy", "--binary", "other"]);
    let found = pod_of(plane, "registry");
    let image = found["spec"]["containers"][0]["image"].as_str().expect("it has one");
    expect_pinned(cluster, image);
}

/// If the nodes are not containers of the engine, `hythe deploy` says what to do before it changes anything.
fn expect_refused_elsewhere(plane: &ControlPlane, docker: &Arc<Engine>, worker: &Node) {
    let text =
        std::fs::read_to_string(plane.kubeconfig()).expect("it is there").replace("kind-deploy", "far");
    let mut away = Home::new(docker);
    std::fs::write(away.folder().join("far"), text).expect("the folder is ours");
    away.add_kubeconfig(away.folder().join("far"));
    let label = format!("kubernetes.io/hostname={}", worker.name());
    let words = ["deploy", "--namespace", "far", "--host-path", "/opt/far", "--node-selector", &label];
    let refused = away.attempt_plainly(&[&words[..], &["--node-port", "0"]].concat());
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert_ne!(plane.kubectl(&["get", "namespace", "far"]).code, Some(0));
    // The suggested commands write the image to a file, and deploy it after an import into the nodes.
    let saved = away.shell(&refused.suggestion("hythe image --save hythe.tar"));
    assert!(saved.code == Some(0) && away.folder().join("hythe.tar").is_file(), "{saved:?}");
    let deployed = away.shell(&refused.suggestion("hythe deploy --image"));
    assert_eq!(deployed.code, Some(0), "{deployed:?}");
    away.run(&["deploy", "remove", "--namespace", "far"]);
}

#[test]
fn a_registry_in_a_cluster_serves_its_nodes_pods_and_users_and_keeps_its_images() {
    let docker = Arc::new(Engine::docker_with_networks());
    let cluster = Cluster::start(&docker, "deploy", &[CONTROL, WORKER]);
    let plane = ControlPlane::start_with_controllers(&cluster);
    let mut home = Home::new(&docker);
    home.add_kubeconfig(plane.kubeconfig());
    let worker = cluster.with_role(Role::Worker).next().expect("there is one");

    expect_files_accepted(&plane, &home);

    // With only a cluster: the image comes from the binary, the claim is bound, the Pod serves.
    add_volume(&plane, worker);
    let began = Instant::now();
    let deployed = home.attempt(&["deploy"]);
    println!("deployed in {:?}\n{}{}", began.elapsed(), deployed.stderr, deployed.stdout);
    assert_eq!(deployed.code, Some(0), "{deployed:?}");
    for node in cluster.nodes() {
        assert!(
            deployed.stderr.contains(&format!("node {}: put localhost/hythe:", node.name())),
            "{deployed:?}"
        );
    }
    let found = pod_of(&plane, "registry");
    let image = found["spec"]["containers"][0]["image"].as_str().expect("it has one").to_owned();
    assert!(home.run(&["deploy", "--print"]).contains(&format!("image: {image}\n")), "{image}");
    expect_pinned(&cluster, &image);
    expect_locked(worker);
    let status = home.json(&["deploy", "status"]);
    assert_eq!((&status["ready"], &status["data"]["phase"]), (&json!(true), &json!("Bound")), "{status:#}");
    assert!(home.run(&["deploy", "logs"]).contains("5000"));

    // A second run changes nothing.
    let again = home.json(&["deploy"]);
    assert!(changes(&again).iter().all(|change| *change == "unchanged"), "{again:#}");

    // The user pushes; every node pulls by every name, and Pods run the pulled images.
    let pushed = Forward::start(&home, &[]).push("app");
    let attached = home.attempt(&["attach", "--in-cluster"]);
    println!("{}{}", attached.stderr, attached.stdout);
    assert_eq!(attached.code, Some(0), "{attached:?}");
    assert_eq!(home.json(&["attach", "--in-cluster"])["changed"], 0);
    let names = [
        "localhost:5000",
        "registry.registry.svc.cluster.local:5000",
        "registry.registry:5000",
        "localhost:30500",
    ];
    let expect_pulls = || {
        for node in cluster.nodes() {
            for name in names {
                let image = format!("{name}/app:v1");
                let began = Instant::now();
                assert_eq!(node.pull(&image).as_ref(), Ok(&pushed.digest), "{image} on {}", node.name());
                println!("{}: {image} in {:?}", node.name(), began.elapsed());
                node.remove_image(&image);
            }
        }
    };
    expect_pulls();
    for node in cluster.nodes() {
        plane.apply(&pod::manifest(node.name(), node.name(), "localhost:5000/app:v1"));
        plane.expect_phase(node.name(), "Running");
    }
    let path = "jsonpath={.data.localRegistryHosting\\.v1}";
    let told = plane.run(&[
        "get",
        "configmap",
        "--namespace=kube-public",
        "local-registry-hosting",
        "--output",
        path,
    ]);
    assert!(told.contains("host: localhost:5000\n"), "{told}");
    assert!(told.contains("hostFromClusterNetwork: registry.registry.svc.cluster.local:5000"), "{told}");

    // The Pod is deleted, and its images stay: nodes ask the Service, not the former Pod.
    let before = pod_of(&plane, "registry")["metadata"]["name"].as_str().expect("a name").to_owned();
    for node in cluster.nodes() {
        plane.run(&["delete", "pod", "--now", node.name()]);
    }
    plane.run(&["delete", "pod", "--namespace=registry", &before]);
    eventually("another Pod serves", || {
        let status = home.attempt(&["deploy", "status"]);
        status.code == Some(0) && !status.stdout.contains(&before)
    });
    let image = "localhost:5000/app:v1";
    for node in cluster.nodes() {
        node.exec(&["crictl", "rmi", image]);
        // A node's kube-proxy learns of the new Pod a moment after the cluster does.
        eventually("a node reaches it", || node.pull(image).is_ok());
        node.remove_image(image);
    }
    expect_pulls();

    // For nodes without a proxy for Services, `--endpoint` gives another address.
    let address = pod_of(&plane, "registry")["status"]["podIP"].as_str().expect("it runs").to_owned();
    let endpoint = format!("http://{address}:5000");
    let attached = home.json(&["attach", "--in-cluster", "--endpoint", &endpoint]);
    assert_ne!(attached["changed"], 0);
    expect_pulls();
    home.run(&["detach", "--in-cluster", cluster.name()]);
    assert!(worker.pull("localhost:5000/app:v1").is_err());

    expect_upgraded(&cluster, &plane, &home);

    // Removed without its data and deployed again, the registry has its images.
    let context = ["--context", "kind-deploy"];
    let removed = home.attempt_plainly(&[&["deploy", "remove"][..], &context].concat());
    assert!(removed.stderr.contains("PersistentVolumeClaim"), "{removed:?}");
    eventually("the Pod is gone", || {
        plane.run(&["get", "pods", "--namespace=registry", "--output=name"]).is_empty()
    });
    let again = removed.suggestion("hythe deploy --context kind-deploy");
    let engine = home.engine().address();
    let deployed = home.shell(&format!("{again} --engine {engine}"));
    assert_eq!(deployed.code, Some(0), "{deployed:?}");
    let claim = "PersistentVolumeClaim registry/registry";
    assert!(
        deployed.stderr.contains(claim) && !deployed.stderr.contains(&format!("{claim} created")),
        "the claim was kept: {deployed:?}"
    );
    let forward = Forward::start(&home, &[]);
    assert_eq!(Repository::new(&mut forward.client(), "app").verify("v1"), pushed.digest);
    drop(forward);
    expect_folder_served(&home, worker);
    let data = home.shell(&format!("{} --yes", removed.suggestion("hythe deploy remove --data")));
    assert_eq!(data.code, Some(0), "{data:?}");

    expect_refused_elsewhere(&plane, &docker, worker);
}

/// Runs the library's tests against a real API server; they need a server in which nothing happens by itself.
#[test]
fn the_library_understands_a_real_api_server() {
    let plane = ControlPlane::without_nodes();
    let cargo = std::env::var_os("CARGO").expect("cargo runs this");
    let mut tests = program(cargo, ["test", "--package", "hythe-kube", "--test", "api_server"]);
    tests.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("e2e lies in the workspace"));
    tests.env("HYTHE_TEST_KUBECONFIG", plane.kubeconfig());
    tests.env("HYTHE_TEST_KUBECONFIG_OF_NOBODY", plane.kubeconfig_of_nobody());
    let printed = run(tests.args(["--", "--ignored"]));
    assert!(printed.contains("test result: ok. 6 passed"), "{printed}");
    println!("{printed}");
}
