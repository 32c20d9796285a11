//! `hythe up` and `hythe attach`, and new images in nodes, on a real engine with real nodes, API servers and kubelets.

mod airplane;
mod new_images;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hythe_e2e::authority::Authority;
use hythe_e2e::cluster::Cluster;
use hythe_e2e::control_plane::ControlPlane;
use hythe_e2e::engine::Engine;
use hythe_e2e::home::Home;
use hythe_e2e::network;
use hythe_e2e::node::Node;
use hythe_e2e::node_spec::{Containerd, NodeSpec, Role};
use hythe_e2e::number::fresh_seed;
use hythe_e2e::pod;
use hythe_e2e::repository::Repository;
use hythe_e2e::sample::Sample;
use hythe_e2e::upstream::{Access, Upstream};

const HUB: &str = "registry-1.docker.io";

const OLD: NodeSpec = NodeSpec { role: Role::ControlPlane, containerd: Containerd::V1_6 };
const CONTROL: NodeSpec = NodeSpec { role: Role::ControlPlane, containerd: Containerd::V1_7 };
const WORKER: NodeSpec = NodeSpec { role: Role::Worker, containerd: Containerd::V2 };

/// An upstream in the role of Docker Hub. hythe reaches it at an address of the machine, and nodes at Docker Hub's
/// name.
struct Hub {
    upstream: Upstream,
    authority: Authority,
    address: Ipv4Addr,
    _by_tls: hythe_e2e::process::Process,
}

impl Hub {
    fn start(address: Ipv4Addr) -> Self {
        let upstream = Upstream::start_at(address, Access::Anonymous);
        let authority = Authority::for_names(&[HUB], address);
        let (certificate, key) = authority.server();
        let by_tls = upstream.serve_by_tls(SocketAddr::from((address, 443)), &certificate, &key);
        Self { upstream, authority, address, _by_tls: by_tls }
    }

    fn fill(&self, name: &str, sample: &Sample) {
        self.upstream.fill(name, |repository| sample.push(repository, "v1"));
    }

    /// A configuration of hythe that uses this upstream as Docker Hub.
    fn configuration(&self) -> String {
        format!(
            "[upstream.\"docker.io\"]\nendpoints = [\"http://{0}\"]\nprivate-hosts = [\"{1}\"]\n",
            self.upstream.address(),
            self.address
        )
    }

    /// Lets a node reach the upstream at Docker Hub's name, without hythe.
    fn known_to(&self, node: &Node) {
        let hosts = node.read("/etc/hosts").expect("every node has it");
        let authorities = node.read("/etc/ssl/certs/ca-certificates.crt").unwrap_or_default();
        node.exec(&["sh", "-c", &format!("echo '{} {HUB}' >> /etc/hosts", self.address)]);
        assert!(node.read("/etc/hosts").is_some_and(|text| text != hosts));
        let authorities = format!("{authorities}\n{}", self.authority.certificate());
        node.write("/etc/ssl/certs/ca-certificates.crt", &authorities);
        // containerd reads the trusted authorities only at its start.
        node.run(&["systemctl", "restart", "containerd"]);
    }
}

fn expect_changes(home: &Home, words: &[&str], count: u64) {
    let steps = home.json(words);
    assert_eq!(steps["changed"], count, "{steps:#}");
}

fn eventually(what: &str, patience: Duration, mut holds: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < patience, "{what}: not within {patience:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    began.elapsed()
}

#[test]
fn from_nothing_every_node_and_pod_pulls_what_was_pushed_and_what_is_cached() {
    let docker = Arc::new(Engine::docker_with_bridge());
    let gateway = network::kind(&docker);
    let hub = Hub::start(gateway);
    let cached = Sample::busybox(fresh_seed());
    hub.fill("library/x", &cached);
    let mut home = Home::new(&docker);
    std::fs::write(home.folder().join("hythe.toml"), hub.configuration()).expect("the folder is ours");

    let one = Cluster::start(&docker, "one", &[OLD]);
    let mut two = Cluster::start(&docker, "two", &[CONTROL, WORKER]);
    let planes = [ControlPlane::start(&one), ControlPlane::start(&two)];
    for plane in &planes {
        home.add_kubeconfig(plane.kubeconfig());
    }

    let up = home.up(&["--config", "hythe.toml"]);
    assert_eq!(up.code, Some(0), "{up:?}");
    println!("{}{}", up.stderr, up.stdout);

    // The container has no more rights than it needs.
    let inspect = |format: &str| home.docker(&["inspect", "--format", format, home.name()]);
    assert_eq!(
        inspect("{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}}"),
        "1000:1000 true [ALL]"
    );
    assert_eq!(inspect("{{.HostConfig.RestartPolicy.Name}}"), "always");

    let pushed = Sample::busybox(fresh_seed());
    pushed.push(&mut Repository::new(&mut home.client(), "app"), "v1");
    let images = [
        (format!("{}/app:v1", home.registry()), &pushed),
        (format!("{}:5000/app:v1", home.name()), &pushed),
        ("docker.io/library/x:v1".to_owned(), &cached),
    ];
    for node in one.nodes().iter().chain(two.nodes()) {
        for (image, sample) in &images {
            assert_eq!(node.pull(image).as_ref(), Ok(&sample.digest), "{} of {}", image, node.name());
            node.remove_image(image);
        }
    }
    assert_eq!(hub.upstream.downloads(&cached.layers[0]), 1, "one fetch for all nodes");

    // With unchanged manifests: a Pod of each image runs on each kubelet, and the ConfigMap for tools exists.
    for (cluster, plane) in [&one, &two].into_iter().zip(&planes) {
        for node in cluster.nodes() {
            for (number, (image, _)) in images.iter().enumerate() {
                let name = format!("{}-{number}", node.name());
                plane.apply(&pod::manifest(&name, node.name(), image));
                plane.expect_phase(&name, "Running");
            }
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
        assert!(told.contains(&format!("host: {}", home.registry())), "{told}");
        assert!(told.contains("hostFromClusterNetwork: kind-registry:5000"), "{told}");
    }

    // A second run changes nothing and says so.
    let port = home.port().to_string();
    let again = home.up(&["--config", "hythe.toml"]);
    assert!(again.stdout.contains("nothing had to be changed"), "{again:?}");
    expect_changes(&home, &["up", "--port", &port], 0);
    expect_changes(&home, &["attach", "--all"], 0);

    // While hythe is down, nodes pull from the upstream directly, without a long wait.
    let second = Sample::busybox(fresh_seed());
    hub.fill("library/y", &second);
    for node in one.nodes().iter().chain(two.nodes()) {
        hub.known_to(node);
    }
    home.docker(&["stop", home.name()]);
    for node in one.nodes().iter().chain(two.nodes()) {
        let began = Instant::now();
        assert_eq!(node.pull("docker.io/library/y:v1").as_ref(), Ok(&second.digest), "{}", node.name());
        let took = began.elapsed();
        println!("{} fell through in {took:?}", node.name());
        assert!(took < Duration::from_secs(15), "{took:?}");
        node.remove_image("docker.io/library/y:v1");
    }
    // Once hythe runs again, nodes pull through it.
    home.docker(&["start", home.name()]);
    eventually("the registry is back", Duration::from_secs(20), || home.client().get("/v2/").is_ok());
    let third = Sample::busybox(fresh_seed());
    hub.fill("library/z", &third);
    for node in one.nodes().iter().chain(two.nodes()) {
        assert_eq!(node.pull("docker.io/library/z:v1").as_ref(), Ok(&third.digest), "{}", node.name());
    }
    assert_eq!(hub.upstream.downloads(&third.layers[0]), 1, "through hythe again");

    // The watch attaches nodes that appear, and forgets clusters that are removed.
    let watch = home.spawn(&["attach", "--watch"]);
    eventually("the watch has looked", Duration::from_secs(20), || watch.log().contains("kind cluster two"));
    let file = format!("/etc/containerd/certs.d/{}/hosts.toml", home.registry());
    let node = two.add(WORKER);
    let name = node.name().to_owned();
    let took = eventually("the new node is attached", Duration::from_secs(10), || node.read(&file).is_some());
    println!("{name}: attached {took:?} after it served");
    assert_eq!(node.pull(&images[0].0).as_ref(), Ok(&pushed.digest));
    drop(one);
    eventually("the cluster is forgotten", Duration::from_secs(10), || {
        watch.log().contains("kind cluster one: it no longer exists")
    });
    drop(watch);

    // The cluster is created again and attached; the images are still there.
    let one = Cluster::start(&docker, "one", &[OLD]);
    home.attempt(&["attach", "--all"]);
    assert_eq!(one.nodes()[0].pull(&images[0].0).as_ref(), Ok(&pushed.digest));

    // A detached cluster stays detached, until a command names it.
    home.run(&["detach", "two"]);
    assert_eq!(two.nodes()[0].read(&file), None);
    let steps = home.attempt(&["attach", "--all"]);
    assert!(steps.stderr.contains("two: it was detached"), "{steps:?}");
    assert_eq!(two.nodes()[0].read(&file), None);
    home.run(&["attach", "two"]);
    assert!(two.nodes()[0].read(&file).is_some());

    // After a restart of the machine, the images, the registry's networks and the files in the nodes are still there.
    docker.restart();
    eventually("the registry is back", Duration::from_secs(30), || home.client().get("/v2/").is_ok());
    for node in one.nodes().iter().chain(two.nodes()) {
        // Starting the nodes is kind's task, not hythe's.
        node.start();
        for (image, sample) in &images {
            node.remove_image(image);
            assert_eq!(node.pull(image).as_ref(), Ok(&sample.digest), "{} of {}", image, node.name());
        }
    }

    // The registry as a process on this machine: nodes reach it through the gateway.
    home.run(&["down"]);
    let words = ["up", "--process", "--port", &port, "--config", "hythe.toml", "--data", "of-process"];
    let mut process = home.spawn(&words);
    let address = format!("{gateway}:{port}");
    let nodes: Vec<&Node> = one.nodes().iter().chain(two.nodes()).collect();
    eventually("every node is wired to the process", Duration::from_mins(1), || {
        nodes.iter().all(|node| node.read(&file).is_some_and(|text| text.contains(&address)))
    });
    let (pushed, cached) = (Sample::busybox(fresh_seed()), Sample::busybox(fresh_seed()));
    pushed.push(&mut Repository::new(&mut home.client(), "last"), "v1");
    hub.fill("library/w", &cached);
    let images =
        [(format!("{}/last:v1", home.registry()), &pushed), ("docker.io/library/w:v1".to_owned(), &cached)];
    for node in nodes {
        for (image, sample) in &images {
            assert_eq!(node.pull(image).as_ref(), Ok(&sample.digest), "{image} of {}", node.name());
        }
    }
    assert_eq!(hub.upstream.downloads(&cached.layers[0]), 1, "through the process");
    process.end();
    println!("{}", process.log());
}
