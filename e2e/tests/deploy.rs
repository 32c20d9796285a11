//! `hythe deploy`, `forward` and `attach --in-cluster`, on a real API server, with controllers and kubelets.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hythe_e2e::binary::built_tool;
use hythe_e2e::client::Client;
use hythe_e2e::cluster::Cluster;
use hythe_e2e::command::{program, run};
use hythe_e2e::control_plane::ControlPlane;
use hythe_e2e::engine::Engine;
use hythe_e2e::home::Home;
use hythe_e2e::node::Node;
use hythe_e2e::node_spec::{Containerd, NodeSpec, Role};
use hythe_e2e::number::fresh_seed;
use hythe_e2e::pod;
use hythe_e2e::process::Process;
use hythe_e2e::repository::Repository;
use hythe_e2e::sample::Sample;
use hythe_e2e::server::free_port;
use serde_json::{Value, json};

const CONTROL: NodeSpec = NodeSpec { role: Role::ControlPlane, containerd: Containerd::V1_7 };
const WORKER: NodeSpec = NodeSpec { role: Role::Worker, containerd: Containerd::V2 };

const PATIENCE: Duration = Duration::from_mins(2);

/// Where a provisioner would have made the volume.
const VOLUME: &str = "/opt/volume";

/// A user's port that leads to the registry.
struct Forward {
    port: u16,
    _process: Process,
}

impl Forward {
    fn start(home: &Home, words: &[&str]) -> Self {
        let port = free_port();
        let process = home.spawn(&[&["forward", &port.to_string()][..], words].concat());
        let forward = Self { port, _process: process };
        eventually("the registry is reached", || forward.client().get("/v2/").is_ok());
        forward
    }

    fn client(&self) -> Client {
        Client::new(([127, 0, 0, 1], self.port).into())
    }

    fn push(&self, name: &str) -> Sample {
        let sample = Sample::busybox(fresh_seed());
        sample.push(&mut Repository::new(&mut self.client(), name), "v1");
        sample
    }
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// The only Pod of a registry.
fn pod_of(plane: &ControlPlane, namespace: &str) -> Value {
    let namespace = format!("--namespace={namespace}");
    let text = plane.run(&["get", "pods", &namespace, "--output=json"]);
    let list: Value = serde_json::from_str(&text).expect("kubectl prints JSON");
    let pods = list["items"].as_array().expect("a list");
    assert_eq!(pods.len(), 1, "{list:#}");
    pods[0].clone()
}

/// What became of each object.
fn changes(deployed: &Value) -> Vec<&str> {
    let objects = deployed["objects"].as_array().expect("a list");
    objects.iter().map(|object| object["change"].as_str().expect("a text")).collect()
}

/// A limit of a process, in control groups of either version.
fn limit(node: &Node, pid: &str, controller: &str, first: &str, second: &str) -> String {
    let groups = node.read(&format!("/proc/{pid}/cgroup")).expect("it runs");
    let mut groups = groups.lines().filter_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        Some((controllers.to_owned(), path.to_owned()))
    });
    let found = groups.find_map(|(controllers, path)| {
        if controllers.split(',').any(|name| name == controller) {
            return node.read(&format!("/sys/fs/cgroup/{controller}{path}/{first}"));
        }
        node.read(&format!("/sys/fs/cgroup{path}/{second}"))
    });
    found.unwrap_or_else(|| panic!("no {controller} of {pid}")).trim().to_owned()
}

/// The rights of the server's process, which are no more than it needs.
fn expect_locked(node: &Node) {
    let pid = node.run(&["pgrep", "-f", "^/bin/hythe serve"]);
    let status = node.read(&format!("/proc/{pid}/status")).expect("it runs");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
        line.unwrap_or_else(|| panic!("{name} in {status}")).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!((field("Uid"), field("Gid")), ("1000 1000 1000 1000".to_owned(), "1000 1000 1000 1000".to_owned()));
    assert_eq!((field("CapEff"), field("CapBnd")), ("0".repeat(16), "0".repeat(16)));
    assert_eq!((field("NoNewPrivs"), field("Seccomp")), ("1".to_owned(), "2".to_owned()));
    let mounts = node.read(&format!("/proc/{pid}/mountinfo")).expect("it runs");
    let root = mounts.lines().find(|line| line.split(' ').nth(4) == Some("/")).expect("a root");
    assert!(root.split(' ').nth(5).is_some_and(|options| options.split(',').any(|word| word == "ro")), "{root}");
    let memory = limit(node, &pid, "memory", "memory.limit_in_bytes", "memory.max");
    let cpu = limit(node, &pid, "cpu", "cpu.cfs_quota_us", "cpu.max");
    println!("limits: memory {memory}, cpu {cpu}");
    assert_eq!(memory, (256 << 20).to_string());
    assert!(cpu == "20000" || cpu == "20000 100000", "{cpu}");
}

/// A volume in a folder of a node that everybody may write in, as provisioners of local clusters make it.
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

/// What is for kubectl is taken by the server, from each of its sources.
fn expect_files_taken(plane: &ControlPlane, home: &Home) {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("e2e lies in the workspace");
    let at = |path: &str| repository.join("deploy").join(path).display().to_string();
    plane.run(&["create", "namespace", "registry"]);
    let printed = home.run(&["deploy", "--print"]);
    let on_node = home.run(&["deploy", "--print", "--host-path", "/mnt/registry", "--kind", "statefulset"]);
    let built = plane.run(&["kustomize", &at("kustomize/base")]);
    let mut helm = program(built_tool("helm"), ["template", "registry"]);
    let chart = run(helm.arg(at("chart/hythe")).arg("--namespace=registry"));
    for (name, text) in [("--print", printed), ("--host-path", on_node), ("Kustomize", built), ("Helm", chart)] {
        let taken = plane.apply_text(&text, &["--dry-run=server", "--namespace=registry"]);
        println!("{name}: {} objects taken", taken.lines().count());
        assert!(taken.lines().count() >= 5 && taken.lines().all(|line| line.ends_with("(server dry run)")), "{taken}");
    }
    plane.run(&["delete", "namespace", "registry"]);
}

#[test]
fn a_registry_in_a_cluster_serves_its_nodes_pods_and_users_and_keeps_its_images() {
    let docker = Arc::new(Engine::docker_with_networks());
    let cluster = Cluster::start(&docker, "deploy", &[CONTROL, WORKER]);
    let plane = ControlPlane::start_with_controllers(&cluster);
    let mut home = Home::new(&docker);
    home.add_kubeconfig(plane.kubeconfig());
    let worker = cluster.with_role(Role::Worker).next().expect("there is one");

    expect_files_taken(&plane, &home);

    // With nothing but a cluster: the image comes from the binary, the claim is bound, the Pod serves.
    add_volume(&plane, worker);
    let began = Instant::now();
    let deployed = home.attempt(&["deploy"]);
    println!("deployed in {:?}\n{}{}", began.elapsed(), deployed.stderr, deployed.stdout);
    assert_eq!(deployed.code, Some(0), "{deployed:?}");
    for node in cluster.nodes() {
        assert!(deployed.stderr.contains(&format!("node {}: localhost/hythe:", node.name())), "{deployed:?}");
    }
    let found = pod_of(&plane, "registry");
    let image = found["spec"]["containers"][0]["image"].as_str().expect("it has one").to_owned();
    assert!(home.run(&["deploy", "--print"]).contains(&format!("image: {image}\n")), "{image}");
    for node in cluster.nodes() {
        let listed = node.run(&["ctr", "-n", "k8s.io", "images", "ls", &format!("name=={image}")]);
        assert!(listed.contains("io.cri-containerd.pinned=pinned"), "{listed}");
        let seen = node.run(&["crictl", "inspecti", &image]);
        assert!(seen.contains("\"pinned\"") && seen.contains("true"), "{}: {seen}", node.name());
    }
    expect_locked(worker);
    let status = home.json(&["deploy", "status"]);
    assert_eq!((&status["ready"], &status["data"]["phase"]), (&json!(true), &json!("Bound")), "{status:#}");
    assert!(home.run(&["deploy", "logs"]).contains("5000"));

    // Again: nothing is changed.
    let again = home.json(&["deploy"]);
    assert!(changes(&again).iter().all(|change| *change == "unchanged"), "{again:#}");

    // The user pushes; every node pulls by every name, and Pods run what it pulled.
    let pushed = Forward::start(&home, &[]).push("app");
    let attached = home.attempt(&["attach", "--in-cluster"]);
    println!("{}{}", attached.stderr, attached.stdout);
    assert_eq!(attached.code, Some(0), "{attached:?}");
    assert_eq!(home.json(&["attach", "--in-cluster"])["changed"], 0);
    let names = ["localhost:5000", "registry.registry.svc.cluster.local:5000", "registry.registry:5000", "localhost:30500"];
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
    let told = plane.run(&["get", "configmap", "--namespace=kube-public", "local-registry-hosting", "--output", path]);
    assert!(told.contains("host: localhost:5000\n"), "{told}");
    assert!(told.contains("hostFromClusterNetwork: registry.registry.svc.cluster.local:5000"), "{told}");

    // The Pod goes, its images stay. Nodes ask the Service, and not the Pod that there was.
    let before = pod_of(&plane, "registry")["metadata"]["name"].as_str().expect("a name").to_owned();
    for node in cluster.nodes() {
        plane.run(&["delete", "pod", "--now", node.name()]);
    }
    plane.run(&["delete", "pod", "--namespace=registry", &before]);
    eventually("another Pod serves", || {
        let status = home.json(&["deploy", "status"]);
        let pods = status["pods"].as_array().expect("a list");
        status["ready"] == true && pods.iter().all(|pod| pod["name"] != *before)
    });
    for node in cluster.nodes() {
        node.exec(&["crictl", "rmi", "localhost:5000/app:v1"]);
    }
    expect_pulls();

    // Where nodes have no proxy for Services, they are given another address.
    let address = pod_of(&plane, "registry")["status"]["podIP"].as_str().expect("it runs").to_owned();
    let endpoint = format!("http://{address}:5000");
    let attached = home.json(&["attach", "--in-cluster", "--endpoint", &endpoint]);
    assert_ne!(attached["changed"], 0);
    expect_pulls();
    home.run(&["detach", "--in-cluster", cluster.name()]);
    assert!(worker.pull("localhost:5000/app:v1").is_err());

    // Removed, all but its data; deployed anew, it has its images.
    let removed = home.json(&["deploy", "remove"]);
    assert!(removed["left"][0].as_str().is_some_and(|left| left.contains("PersistentVolumeClaim")), "{removed:#}");
    eventually("the Pod is gone", || {
        plane.run(&["get", "pods", "--namespace=registry", "--output=name"]).is_empty()
    });
    let deployed = home.json(&["deploy"]);
    assert!(changes(&deployed).contains(&"unchanged"), "the claim was kept: {deployed:#}");
    let forward = Forward::start(&home, &[]);
    assert_eq!(Repository::new(&mut forward.client(), "app").verify("v1"), pushed.digest);
    drop(forward);
    home.run(&["deploy", "remove", "--data", "--yes"]);

    // The same with the data in a folder of the node, under other names.
    let names = ["--namespace", "storage", "--name", "docker-registry"];
    let place = format!("kubernetes.io/hostname={}", worker.name());
    let folder = "/mnt/local-storage/registry";
    let mut words = vec!["deploy", "--host-path", folder, "--node-selector", &place];
    words.extend(names);
    let deployed = home.attempt(&words);
    println!("{}{}", deployed.stderr, deployed.stdout);
    assert_eq!(deployed.code, Some(0), "{deployed:?}");
    assert_eq!(worker.run(&["stat", "--format=%u:%g", folder]), "1000:1000");
    expect_locked(worker);
    let forward = Forward::start(&home, &names);
    let pushed = forward.push("app");
    assert_eq!(Repository::new(&mut forward.client(), "app").verify("v1"), pushed.digest);
    drop(forward);
    let again = home.json(&words);
    assert!(changes(&again).iter().all(|change| *change == "unchanged"), "{again:#}");
    home.run(&[&["deploy", "remove"][..], &names[..]].concat());
    assert!(worker.exec(&["test", "-d", folder]).code == Some(0));

    // Nodes that are none of the engine's containers: what to do is told before anything is changed.
    let text = std::fs::read_to_string(plane.kubeconfig()).expect("it is there").replace("kind-deploy", "far");
    let mut away = Home::new(&docker);
    std::fs::write(away.folder().join("far"), text).expect("the folder is ours");
    away.add_kubeconfig(away.folder().join("far"));
    let refused = away.attempt(&["deploy", "--namespace", "far"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("--image") && refused.stderr.contains("hythe image --save"), "{refused:?}");
    assert_ne!(plane.kubectl(&["get", "namespace", "far"]).code, Some(0));
}

/// The library's own tests of what an API server says: they want one in which nothing happens by itself.
#[test]
fn the_library_understands_a_real_api_server() {
    let plane = ControlPlane::without_nodes();
    let cargo = std::env::var_os("CARGO").expect("cargo runs this");
    let mut tests = program(cargo, ["test", "--package", "hythe-cluster", "--test", "api_server"]);
    tests.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("e2e lies in the workspace"));
    tests.env("HYTHE_TEST_KUBECONFIG", plane.kubeconfig());
    tests.env("HYTHE_TEST_KUBECONFIG_OF_NOBODY", plane.kubeconfig_of_nobody());
    let printed = run(tests.args(["--", "--ignored"]));
    assert!(printed.contains("test result: ok. 5 passed"), "{printed}");
    println!("{printed}");
}
