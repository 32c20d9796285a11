//! A machine of a cluster as kind has it: a container with a containerd of its own.

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

/// A node: removed with the value.
pub struct Node {
    engine: Arc<Engine>,
    name: String,
    spec: NodeSpec,
}

impl Node {
    /// Starts a node of `cluster`, and waits until its containerd serves.
    pub(crate) fn start_new(engine: &Arc<Engine>, cluster: &str, name: &str, spec: NodeSpec) -> Self {
        let node = Self { engine: Arc::clone(engine), name: name.to_owned(), spec };
        let mut create = engine.call(&["create", "--network", KIND, "--name", name, "--hostname", name]);
        create.args([
            format!("--label=io.x-k8s.kind.cluster={cluster}"),
            format!("--label=io.x-k8s.kind.role={}", spec.role.as_str()),
        ]);
        // In the place of `--privileged`, which the tests' machine, without SYS_RESOURCE, cannot give.
        create.args(["--cap-add=ALL", "--cap-drop=SYS_RESOURCE", "--cgroupns=host"]);
        for what in ["seccomp", "apparmor", "systempaths"] {
            create.arg(format!("--security-opt={what}=unconfined"));
        }
        // Not /etc, which is to be lost with the node and to outlive its restart, as kind's is.
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

    /// Its name, which is its container's.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it was to be.
    pub fn spec(&self) -> NodeSpec {
        self.spec
    }

    /// Starts it again, and waits until its containerd serves.
    pub fn start(&self) {
        run(&mut self.engine.call(&["start", &self.name]));
        self.run(&["systemctl", "start", "containerd"]);
    }

    /// Stops it, with all that runs in it.
    pub fn stop(&self) {
        run(&mut self.engine.call(&["stop", &self.name]));
    }

    /// Runs a program in it.
    pub fn exec(&self, words: &[&str]) -> Output {
        attempt(self.engine.call(&["exec", &self.name]).args(words))
    }

    /// Runs a program in it, which must succeed, and returns what it printed.
    pub fn run(&self, words: &[&str]) -> String {
        run(self.engine.call(&["exec", &self.name]).args(words))
    }

    /// Starts a program in it, with its output in the log of a unit of this name.
    pub(crate) fn spawn(&self, unit: &str, words: &[&str]) {
        let log = format!("exec \"$@\" >>/var/log/{unit}.log 2>&1");
        let mut start = self.engine.call(&["exec", "--detach", &self.name, "sh", "-c", &log, "sh"]);
        run(start.args(words));
    }

    /// The text of one of its files, if it is there.
    pub fn read(&self, path: &str) -> Option<String> {
        let output = self.exec(&["cat", path]);
        (output.code == Some(0)).then_some(output.stdout)
    }

    /// Writes one of its files, and the folders above.
    pub fn write(&self, path: &str, text: &str) {
        let folder = Path::new(path).parent().expect("a file's path");
        self.run(&["mkdir", "-p", &folder.display().to_string()]);
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        fs::write(file.path(), text).expect("the file is ours");
        let source = fs::File::open(file.path()).expect("it was written");
        // By a program in it, as what is copied in from outside does not arrive below its tmpfs.
        let mut copy = self.engine.call(&["exec", "--interactive", &self.name, "cp", "/dev/stdin", path]);
        run(copy.stdin(Stdio::from(source)));
    }

    /// Pulls an image as kubelet does; the digest of what it got, or what containerd said.
    pub fn pull(&self, image: &str) -> Result<Digest, String> {
        let output = self.exec(&["crictl", "pull", image]);
        if output.code != Some(0) {
            return Err(output.stderr);
        }
        let status: Value = serde_json::from_str(&self.run(&["crictl", "inspecti", image])).expect("JSON");
        let digests = status["status"]["repoDigests"].as_array().into_iter().flatten();
        // An image can have come under other names before.
        let repository = repository(image);
        let digest = digests.filter_map(|text| text.as_str()?.rsplit_once('@'));
        let mut digest = digest.filter(|(name, _)| *name == repository).map(|(_, digest)| digest);
        let digest = digest.next().unwrap_or_else(|| panic!("no digest of {repository} in {status}"));
        Ok(digest.parse().unwrap_or_else(|error| panic!("{digest}: {error}")))
    }

    /// Forgets an image, so that the next pull asks for it again.
    pub fn remove_image(&self, image: &str) {
        self.run(&["crictl", "rmi", image]);
    }

    /// Gives it the sandbox's image.
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
        // The control groups of its containers are the machine's, and so outlive it.
        for group in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
            for container in containers.lines() {
                let _ = fs::remove_dir(group.path().join("k8s.io").join(container));
            }
        }
    }
}

/// An image's name without its tag or digest.
fn repository(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or(image);
    match name.rsplit_once(':') {
        Some((before, tag)) if !tag.contains('/') => before,
        _ => name,
    }
}
