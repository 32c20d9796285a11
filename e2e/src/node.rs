//! A cluster's node as kind creates it: a container with its own containerd.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use hythe_oci::Digest;
use serde_json::Value;

use crate::command::{Output, attempt, run};
use crate::engine::Engine;
use crate::network::KIND;
use crate::node_image::{NODE, PAUSE, pipe};
use crate::node_spec::{NodeSpec, Role};

/// A node. Dropping the value removes it.
pub struct Node {
    engine: Arc<Engine>,
    name: String,
    spec: NodeSpec,
}

impl Node {
    /// Starts a node of `cluster`, and waits until its containerd answers.
    pub(crate) fn start_new(engine: &Arc<Engine>, cluster: &str, name: &str, spec: NodeSpec) -> Self {
        let node = Self { engine: Arc::clone(engine), name: name.to_owned(), spec };
        let mut create = engine.call(&["create", "--network", KIND, "--name", name, "--hostname", name]);
        create.args([
            format!("--label=io.x-k8s.kind.cluster={cluster}"),
            format!("--label=io.x-k8s.kind.role={}", spec.role.as_str()),
        ]);
        // Instead of `--privileged`, which fails on the tests' machine, because that has no SYS_RESOURCE.
        create.args(["--cap-add=ALL", "--cap-drop=SYS_RESOURCE", "--cgroupns=host"]);
        for what in ["seccomp", "apparmor", "systempaths"] {
            create.arg(format!("--security-opt={what}=unconfined"));
        }
        // No volume for /etc: as in kind, it must survive a restart of the node and be lost with the node.
        create.args(["--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw", "--volume=/var/lib/containerd"]);
        create.args(["--volume=/var/lib/kubelet", "--tmpfs=/run:exec", "--tmpfs=/tmp:exec"]);
        for (program, place) in spec.containerd.programs() {
            create.arg(format!("--volume={}:{place}:ro", program.display()));
        }
        if spec.role == Role::ControlPlane {
            create.arg("--env=KUBECONFIG=/etc/kubernetes/admin.conf");
        }
        run(create.args([NODE, "/usr/local/sbin/init"]));
        let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("node");
        run(engine.call(&["cp"]).arg(files.join(".")).arg(format!("{name}:/")));
        node.start();
        node
    }

    /// The name of the node and of its container.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The node's specification.
    pub fn spec(&self) -> NodeSpec {
        self.spec
    }

    /// Starts the node again, and waits until its containerd answers.
    pub fn start(&self) {
        run(&mut self.engine.call(&["start", &self.name]));
        self.run(&["systemctl", "start", "containerd"]);
    }

    /// Stops the node with everything that runs in it.
    pub fn stop(&self) {
        run(&mut self.engine.call(&["stop", &self.name]));
    }

    /// Runs a program in the node.
    pub fn exec(&self, words: &[&str]) -> Output {
        attempt(self.engine.call(&["exec", &self.name]).args(words))
    }

    /// Runs a program in the node, which must succeed, and returns its output.
    pub fn run(&self, words: &[&str]) -> String {
        run(self.engine.call(&["exec", &self.name]).args(words))
    }

    /// Starts a program in the node, with its output in the log of a unit with this name.
    pub(crate) fn spawn(&self, unit: &str, words: &[&str]) {
        let log = format!("exec \"$@\" >>/var/log/{unit}.log 2>&1");
        let mut start = self.engine.call(&["exec", "--detach", &self.name, "sh", "-c", &log, "sh"]);
        run(start.args(words));
    }

    /// The text of a file in the node, if the file exists.
    pub fn read(&self, path: &str) -> Option<String> {
        let output = self.exec(&["cat", path]);
        (output.code == Some(0)).then_some(output.stdout)
    }

    /// Writes a file in the node, and creates the folders above it.
    pub fn write(&self, path: &str, text: &str) {
        let folder = Path::new(path).parent().expect("a file's path");
        self.run(&["mkdir", "-p", &folder.display().to_string()]);
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        fs::write(file.path(), text).expect("the file is ours");
        let source = fs::File::open(file.path()).expect("it was written");
        // A program in the node writes the file, because a copy from outside does not reach folders on the node's
        // tmpfs.
        let mut copy = self.engine.call(&["exec", "--interactive", &self.name, "cp", "/dev/stdin", path]);
        run(copy.stdin(Stdio::from(source)));
    }

    /// Pulls an image as kubelet does. Returns the digest of the pulled image, or containerd's error.
    pub fn pull(&self, image: &str) -> Result<Digest, String> {
        let output = self.exec(&["crictl", "pull", image]);
        if output.code != Some(0) {
            return Err(output.stderr);
        }
        let status: Value = serde_json::from_str(&self.run(&["crictl", "inspecti", image])).expect("JSON");
        let digests = status["status"]["repoDigests"].as_array().into_iter().flatten();
        // The image may have been pulled under other names before.
        let repository = repository(image);
        let digest = digests.filter_map(|text| text.as_str()?.rsplit_once('@'));
        let mut digest = digest.filter(|(name, _)| *name == repository).map(|(_, digest)| digest);
        let digest = digest.next().unwrap_or_else(|| panic!("no digest of {repository} in {status}"));
        Ok(digest.parse().unwrap_or_else(|error| panic!("{digest}: {error}")))
    }

    /// Removes an image, so that the next pull asks the registry again.
    pub fn remove_image(&self, image: &str) {
        self.run(&["crictl", "rmi", image]);
    }

    /// Loads the sandbox's image into the node.
    pub(crate) fn load_pause(&self) {
        let import = ["exec", "--interactive", &self.name, "ctr", "-n", "k8s.io", "images", "import", "-"];
        pipe(self.engine.call(&["save", PAUSE]), self.engine.call(&import));
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.exec(&["journalctl", "-n", "15", "-u", "containerd", "-u", "kubelet"]);
            eprintln!("--- the end of {}'s logs\n{}", self.name, log.stdout);
        }
        let containers = self.exec(&["ctr", "-n", "k8s.io", "containers", "ls", "-q"]).stdout;
        attempt(&mut self.engine.call(&["rm", "--force", "--volumes", &self.name]));
        // The control groups of the node's containers belong to the machine, so they outlive the node.
        for group in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
            for container in containers.lines() {
                let _ = fs::remove_dir(group.path().join("k8s.io").join(container));
            }
        }
    }
}

/// The name of an image without its tag or digest.
fn repository(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or(image);
    match name.rsplit_once(':') {
        Some((before, tag)) if !tag.contains('/') => before,
        _ => name,
    }
}
