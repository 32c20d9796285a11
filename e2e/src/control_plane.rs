//! A real control plane: etcd and kube-apiserver beside the test, kubelets in the nodes.
//!
//! Controllers, a scheduler and a network for Pods run only if a test asks for them. Otherwise the test itself creates
//! the objects that they would create.

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::api_server::ApiServer;
use crate::binary::built_tool;
use crate::cluster::Cluster;
use crate::command::{Output, attempt, program, run};
use crate::network;
use crate::node::Node;
use crate::node_spec::Role;
use crate::pod_network;
use crate::process::Process;
use crate::server::free_port;

/// Time limit for each step. It is long because the machine may be busy with other suites.
const PATIENCE: Duration = Duration::from_mins(2);

/// The control plane of a cluster.
pub struct ControlPlane {
    // Dropped before the server, because they need the server to end properly.
    controllers: Vec<Process>,
    server: ApiServer,
}

impl ControlPlane {
    /// Starts a control plane, and waits until every node of `cluster` is ready.
    pub fn start(cluster: &Cluster) -> Self {
        let plane = Self::serve(network::kind(cluster.engine()), &format!("kind-{}", cluster.name()));
        plane.account("default");
        plane.join(cluster.nodes());
        plane
    }

    /// Starts a control plane with controllers, a scheduler, a network for Pods, and Services that nodes reach.
    pub fn start_with_controllers(cluster: &Cluster) -> Self {
        let mut plane = Self::serve(network::kind(cluster.engine()), &format!("kind-{}", cluster.name()));
        plane.controllers =
            ["kube-controller-manager", "kube-scheduler"].map(|name| plane.control(name)).into();
        plane.eventually(&["get", "serviceaccount", "default"]);
        pod_network::begin(cluster.nodes());
        plane.join(cluster.nodes());
        pod_network::begin_services(cluster.nodes());
        plane
    }

    /// Starts a control plane without nodes: its objects are stored, but never run.
    pub fn without_nodes() -> Self {
        Self::serve(Ipv4Addr::LOCALHOST, "kind-none")
    }

    fn serve(host: Ipv4Addr, context: &str) -> Self {
        let server = ApiServer::start(host);
        fs::write(server.folder().join("kubeconfig"), server.kubeconfig(context))
            .expect("the folder is ours");
        let nobody = server.kubeconfig_of_nobody();
        fs::write(server.folder().join("kubeconfig-of-nobody"), nobody).expect("the folder is ours");
        let mut plane = Self { controllers: Vec::new(), server };
        let mut probe = plane.command(&["get", "--raw", "/readyz"]);
        plane.server.answers(PATIENCE, || attempt(&mut probe));
        plane
    }

    /// Starts a program that acts on the server's objects, such as the scheduler.
    fn control(&self, name: &str) -> Process {
        let folder = self.server.folder();
        let mut command = program(built_tool(name), ["--leader-elect=false", "--bind-address=127.0.0.1"]);
        command.arg("--kubeconfig").arg(self.kubeconfig()).arg(format!("--secure-port={}", free_port()));
        command.arg("--cert-dir").arg(folder);
        if name == "kube-controller-manager" {
            command.arg("--service-account-private-key-file").arg(self.server.account_key());
        }
        Process::spawn(name, &mut command, &folder.join(format!("{name}.log")))
    }

    /// Starts the kubelets of these nodes, and waits until they are ready.
    pub fn join<'n>(&self, nodes: impl IntoIterator<Item = &'n Node> + Clone) {
        for node in nodes.clone() {
            let user = self.server.kubeconfig("default");
            if node.spec().role == Role::ControlPlane {
                node.write("/etc/kubernetes/admin.conf", &user);
            }
            node.load_pause();
            node.write("/etc/kubernetes/kubelet.conf", &user);
            node.run(&["systemctl", "start", "kubelet"]);
        }
        // A node without a network for Pods never becomes ready. So each node has the configuration of one, although
        // the tests' Pods use the node's own network.
        for node in nodes {
            let resource = format!("node/{}", node.name());
            self.eventually(&["wait", "--for=condition=Ready", "--timeout=1s", &resource]);
        }
    }

    /// The kubeconfig for clients on this machine. Its context is `kind-NAME`.
    pub fn kubeconfig(&self) -> PathBuf {
        self.server.folder().join("kubeconfig")
    }

    /// The kubeconfig of a user without any rights.
    pub fn kubeconfig_of_nobody(&self) -> PathBuf {
        self.server.folder().join("kubeconfig-of-nobody")
    }

    /// `https://ADDRESS:PORT`, which the machine and the nodes reach.
    pub fn url(&self) -> &str {
        self.server.url()
    }

    /// Runs kubectl on the machine.
    pub fn kubectl(&self, words: &[&str]) -> Output {
        attempt(&mut self.command(words))
    }

    /// Runs kubectl on the machine, which must succeed, and returns its output.
    pub fn run(&self, words: &[&str]) -> String {
        run(&mut self.command(words))
    }

    /// Applies an object, or a list of objects.
    pub fn apply(&self, object: &Value) {
        self.apply_text(&object.to_string(), &[]);
    }

    /// Applies the objects in a file's text, with further flags.
    pub fn apply_text(&self, text: &str, flags: &[&str]) -> String {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        fs::write(file.path(), text).expect("the file is ours");
        let source = fs::File::open(file.path()).expect("it was written");
        let mut command = self.command(&["apply", "--filename=-"]);
        run(command.args(flags).stdin(Stdio::from(source)))
    }

    /// Creates a namespace in which Pods can run.
    pub fn add_namespace(&self, name: &str) {
        self.run(&["create", "namespace", name]);
        self.account(name);
    }

    /// The present state of a Pod in the server.
    pub fn pod(&self, name: &str) -> Value {
        let text = self.run(&["get", "pod", name, "--output=json"]);
        serde_json::from_str(&text).expect("kubectl prints JSON")
    }

    /// Waits until a Pod is in this phase.
    pub fn expect_phase(&self, pod: &str, phase: &str) {
        let begin = Instant::now();
        loop {
            let found = self.pod(pod);
            if found["status"]["phase"] == phase {
                return;
            }
            assert!(begin.elapsed() < PATIENCE, "{pod} is not {phase}: {:#}", found["status"]);
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Creates a namespace's default account. The server accepts no Pod without it; the tests' Pods do not need its
    /// token.
    fn account(&self, namespace: &str) {
        let namespaced = format!("--namespace={namespace}");
        // The server creates its own namespaces a moment after it is ready.
        self.eventually(&["create", "serviceaccount", "default", &namespaced]);
        let patch = json!({"automountServiceAccountToken": false}).to_string();
        self.run(&["patch", "serviceaccount", "default", &namespaced, "--patch", &patch]);
    }

    /// Runs kubectl until it succeeds.
    pub fn eventually(&self, words: &[&str]) {
        let begin = Instant::now();
        loop {
            let output = self.kubectl(words);
            if output.code == Some(0) {
                return;
            }
            assert!(begin.elapsed() < PATIENCE, "kubectl {words:?}: {output:?}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = program(built_tool("kubectl"), ["--kubeconfig"]);
        let cache = self.server.folder().join("kubectl");
        command.arg(self.kubeconfig()).arg("--cache-dir").arg(cache).args(words);
        command
    }
}
