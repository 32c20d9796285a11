//! `hythe doctor` finds each deliberate fault, names the check, and repairs what can be repaired.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use hythe_e2e::authority::Authority;
use hythe_e2e::binary::tool;
use hythe_e2e::cluster::Cluster;
use hythe_e2e::command::{Output, attempt, program, suggested_in};
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
use hythe_e2e::server::free_port;
use hythe_e2e::upstream::{Access, Upstream};
use serde_json::{Value, json};

const OLD: NodeSpec = NodeSpec { role: Role::ControlPlane, containerd: Containerd::V1_6 };
const NEW: NodeSpec = NodeSpec { role: Role::Worker, containerd: Containerd::V2 };
const CONFIG: &str = "/etc/containerd/config.toml";
const ROOT: &str = "/etc/containerd/certs.d";

struct World {
    home: Home,
    cluster: Cluster,
    plane: ControlPlane,
}

impl World {
    /// Runs the doctor with these arguments; returns its exit code and its checks.
    fn doctor(&self, words: &[&str]) -> (i32, Vec<Value>) {
        let mut all = vec!["--output", "json", "doctor"];
        all.extend_from_slice(words);
        let output = self.home.attempt(&all);
        let data: Value =
            serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        let checks = data["checks"].as_array().expect("it has checks").clone();
        (output.code.expect("it ends by itself"), checks)
    }

    fn bad(&self, words: &[&str]) -> BTreeSet<String> {
        let (code, checks) = self.doctor(words);
        let bad: Vec<&Value> = checks.iter().filter(|check| check["verdict"] == "bad").collect();
        assert_eq!(code, i32::from(!bad.is_empty()), "{checks:#?}");
        for check in &bad {
            for field in ["evidence", "cause", "fix"] {
                assert!(check[field].as_str().is_some_and(|text| !text.is_empty()), "{check:#}");
            }
        }
        bad.iter().map(|check| check["id"].as_str().expect("it has a name").to_owned()).collect()
    }

    /// Runs the command that the doctor suggests for each bad check, then the one that it suggests for all that are
    /// left. Each suggestion contains the options that this user's registry and engine need, because nothing else names
    /// them.
    fn follow(&self, what: &str) {
        let target = ["--name", self.home.name(), "--engine", self.home.engine().address()];
        let looked = || self.home.attempt_plainly(&[&["doctor", "--output", "json"][..], &target].concat());
        let data: Value = serde_json::from_str(&looked().stdout).expect("the doctor prints JSON");
        let checks = data["checks"].as_array().expect("it has checks");
        let bad = checks.iter().filter(|check| check["verdict"] == "bad");
        let fixes: Vec<String> = bad.filter_map(|check| check["fix"].as_str().map(str::to_owned)).collect();
        // A person has to read a log.
        let is_cure = |line: &String| !line.starts_with("hythe logs");
        let mut done = BTreeSet::new();
        for line in fixes.iter().flat_map(|fix| suggested_in(fix)).filter(is_cure) {
            if done.insert(line.clone()) {
                let output = self.home.shell(&line);
                assert_eq!(output.code, Some(0), "{what}: {line}: {output:?}");
            }
        }
        let left = looked();
        if left.code == Some(1) {
            let line = left.suggestion("hythe doctor --fix");
            let output = self.home.shell(&line);
            assert_eq!(output.code, Some(0), "{what}: {line}: {output:?}");
            done.insert(line);
        }
        println!("{what}: followed {done:?}");
        assert!(!done.is_empty() && self.bad(&[]).is_empty(), "{what}: {fixes:?}");
    }

    /// Breaks something twice. First follows the doctor's suggestions, then expects these checks to be bad and runs
    /// `--fix`; each time all must be good afterwards.
    fn expect(&self, what: &str, broken: &[&str], by: impl Fn(&Self)) {
        by(self);
        self.follow(what);
        by(self);
        let bad = self.bad(&[]);
        println!("{what}: {bad:?}");
        for id in broken {
            assert!(bad.contains(*id), "{what}: {id} is not among {bad:?}");
        }
        let (code, checks) = self.doctor(&["--fix"]);
        let left: Vec<&Value> = checks.iter().filter(|check| check["verdict"] == "bad").collect();
        assert_eq!(code, 0, "{what}: {left:#?}");
        assert!(self.bad(&[]).is_empty(), "{what}");
    }

    /// Expects that a tool failed, and that the doctor recognises its message as this symptom.
    fn expect_meaning(&self, output: &Output, symptom: u8) {
        assert_ne!(output.code, Some(0), "{output:?}");
        let (code, checks) = self.doctor(&[&output.stderr]);
        assert_eq!(code, 1, "{output:?}");
        let cause = checks[0]["cause"].as_str().expect("it has a cause");
        assert!(cause.ends_with(&format!("(symptom {symptom})")), "{checks:#?}");
    }

    fn older(&self) -> &Node {
        &self.cluster.nodes()[0]
    }

    fn newer(&self) -> &Node {
        &self.cluster.nodes()[1]
    }
}

fn hosts(name: &str) -> String {
    format!("{ROOT}/{name}/hosts.toml")
}

fn restart(node: &Node) {
    node.run(&["systemctl", "restart", "containerd"]);
}

/// A node's configuration without the path of the `hosts.toml` files.
fn without_root(node: &Node) -> String {
    let text = node.read(CONFIG).expect("every node has it");
    text.lines().filter(|line| !line.contains("config_path")).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_doctor_finds_and_repairs_each_fault() {
    let docker = Arc::new(Engine::docker_with_bridge());
    let mut home = Home::new(&docker);
    let cluster = Cluster::start(&docker, "dev", &[OLD, NEW]);
    let plane = ControlPlane::start(&cluster);
    home.add_kubeconfig(plane.kubeconfig());
    let up = home.up(&[]);
    assert_eq!(up.code, Some(0), "{up:?}");
    let world = World { home, cluster, plane };
    let own = world.home.registry();
    let name = world.home.name().to_owned();
    assert_eq!(world.bad(&[]), BTreeSet::new(), "all is well");

    // 1, 21: a node without the registry's files; a node whose containerd does not read them.
    world.expect("no hosts.toml", &["node.hosts"], |world| {
        world.newer().run(&["rm", "-r", &format!("{ROOT}/{own}")]);
    });
    world.expect("no config_path", &["node.config-path"], |world| {
        world.older().write(CONFIG, &without_root(world.older()));
        restart(world.older());
    });
    // 3: a stopped registry, and one off the cluster's network.
    world.expect("stopped", &["registry.runs"], |world| {
        world.home.docker(&["stop", &name]);
    });
    // A removed registry: one run creates it again with its options, and joins it to the cluster's network.
    world.expect("removed", &["registry.container"], |world| {
        world.home.docker(&["rm", "--force", &name]);
    });
    world.expect("off the network", &["cluster.network"], |world| {
        world.home.docker(&["network", "disconnect", "kind", &name]);
    });
    // The node's own hosts file gives the name another address: the doctor must not blame a firewall, and must not
    // offer a repair that would not help.
    world.newer().run(&[
        "sh",
        "-c",
        &format!("cp /etc/hosts /tmp/hosts; echo 198.51.100.9 {name} >> /etc/hosts"),
    ]);
    let (code, checks) = world.doctor(&[]);
    let told = |id: &str| {
        let check = checks.iter().find(|check| check["id"] == id && check["verdict"] == "bad");
        check.unwrap_or_else(|| panic!("{id} is well: {checks:#?}"))
    };
    assert_eq!(code, 1);
    assert!(
        told("node.name")["cause"].as_str().is_some_and(|cause| cause.contains("hosts file")),
        "{checks:#?}"
    );
    assert!(!checks.iter().any(|check| check.to_string().contains("firewall")), "{checks:#?}");
    assert!(told("node.reaches")["repair"].is_null(), "{checks:#?}");
    // The engine mounts the file, so it must be overwritten and cannot be replaced.
    world.newer().run(&["sh", "-c", "cat /tmp/hosts > /etc/hosts"]);
    // 4: this machine's port instead of the container's.
    world.expect("the wrong port", &["node.hosts"], |world| {
        let text = format!("[host.\"http://{name}:{}\"]\n", world.home.port());
        world.newer().write(&hosts(&own), &text);
    });
    // 5: no file for the in-network name, so that containerd tries HTTPS.
    world.expect("no file for the in-network name", &["node.hosts"], |world| {
        world.older().run(&["rm", "-r", &format!("{ROOT}/{name}:5000")]);
    });
    // 8: an address of another network.
    world.expect("an address of another network", &["node.hosts"], |world| {
        world.newer().write(&hosts(&own), "[host.\"http://198.51.100.7:5000\"]\n");
    });
    // 10: mirrors in the configuration beside config_path.
    world.expect("mirrors of the older form", &["node.config-path"], |world| {
        let text = world.older().read(CONFIG).expect("every node has it");
        let mirrors = "[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"corp.example\"]\n  \
                       endpoint = [\"http://kind-registry:5000\"]\n";
        world.older().write(CONFIG, &format!("{text}\n{mirrors}"));
        world.older().exec(&["systemctl", "restart", "containerd"]);
    });
    // 12: containerd has the setting, and was not restarted.
    world.expect("not started anew", &["node.restarted"], |world| {
        let told = world.older().read(CONFIG).expect("every node has it");
        world.older().write(CONFIG, &without_root(world.older()));
        restart(world.older());
        // The system gives a process's start in whole seconds.
        std::thread::sleep(std::time::Duration::from_secs(4));
        world.older().write(CONFIG, &told);
    });
    // 17: a file that this containerd ignores.
    world.expect("server alone", &["node.hosts"], |world| {
        world.older().write(&hosts(&own), &format!("server = \"http://{name}:5000\"\n"));
    });
    // 22: the ConfigMap that tools read.
    world.expect("no ConfigMap", &["cluster.hosting"], |world| {
        world.plane.run(&["delete", "configmap", "--namespace=kube-public", "local-registry-hosting"]);
    });
    world.expect("a ConfigMap that nobody understands", &["cluster.hosting"], |world| {
        let patch = json!({"data": {"localRegistryHosting.v1": null, "localRegistryHosting.v1.host": "localhost:5000"}});
        let patch = patch.to_string();
        let words =
            ["patch", "configmap", "--namespace=kube-public", "local-registry-hosting", "--type=merge", "--patch", &patch];
        world.plane.run(&words);
    });

    // A detached cluster stays detached until the user names it.
    let detached =
        world.home.attempt_plainly(&["detach", "dev", "--name", &name, "--engine", docker.address()]);
    let line = detached.suggestion("hythe attach dev");
    assert_eq!(world.home.shell(&line).code, Some(0), "{line}");
    assert_eq!(world.bad(&[]), BTreeSet::new());

    // 15: another user's mirror that is gone. The doctor leaves its repair to that user.
    world.newer().write(&hosts("corp.example"), "[host.\"http://10.255.255.1:5000\"]\n");
    assert!(world.bad(&[]).contains("node.mirrors"));
    world.newer().run(&["rm", "-r", &format!("{ROOT}/corp.example")]);
    // 16: an empty directory hides the default.
    world.newer().write(&hosts("_default"), &format!("[host.\"http://{name}:5000\"]\n"));
    world.newer().run(&["mkdir", "-p", &format!("{ROOT}/corp.example")]);
    assert!(world.bad(&[]).contains("node.shadow"));
    world.newer().run(&["rm", "-r", &format!("{ROOT}/corp.example"), &format!("{ROOT}/_default")]);
    assert_eq!(world.bad(&[]), BTreeSet::new());

    // 13: an image that was not pushed, a misspelt name, and a Pod that waits for it.
    let sample = Sample::busybox(fresh_seed());
    sample.push(&mut Repository::new(&mut world.home.client(), "team/app"), "v1");
    let right = format!("{own}/team/app:v1");
    assert_eq!(world.bad(&[&right]), BTreeSet::new());
    let wrong = format!("{own}/team/ap:v1");
    let (code, checks) = world.doctor(&[&wrong]);
    assert_eq!(code, 1);
    let told = checks.iter().map(ToString::to_string).collect::<String>();
    assert!(told.contains("team/app"), "the doctor does not suggest the right name: {checks:#?}");
    // 2, 6, 41: messages of other tools about a healthy registry.
    let ctr = ["ctr", "--namespace=k8s.io", "images", "pull", &right];
    world.expect_meaning(&world.older().exec(&ctr), 2);
    let format = "{{(index .NetworkSettings.Networks \"kind\").IPAddress}}";
    let address = world.home.docker(&["inspect", "--format", format, &name]);
    let inspect =
        |image: &str| attempt(&mut program(tool("skopeo"), ["inspect", &format!("docker://{image}")]));
    world.expect_meaning(&inspect(&format!("{address}:5000/team/app:v1")), 6);
    let gateway = network::kind(&docker);
    let upstream = Upstream::start_at(gateway, Access::Anonymous);
    let authority = Authority::for_names(&["corp.example"], gateway);
    let (certificate, key) = authority.server();
    let by_tls = SocketAddr::from((gateway, free_port()));
    let _by_tls = upstream.serve_by_tls(by_tls, &certificate, &key);
    world.expect_meaning(&inspect(&format!("{by_tls}/app:v1")), 41);

    world.plane.apply(&pod::manifest("waits", world.newer().name(), &wrong));
    let waits = || {
        let pod = world.plane.pod("waits");
        let reason = pod.pointer("/status/containerStatuses/0/state/waiting/reason").cloned();
        matches!(reason.as_ref().and_then(Value::as_str), Some("ErrImagePull" | "ImagePullBackOff"))
    };
    while !waits() {
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    assert!(world.bad(&["default/waits"]).contains("pod.image"));
}
