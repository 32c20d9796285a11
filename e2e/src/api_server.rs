//! kube-apiserver with its etcd: beside the test, where the nodes reach it too.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::binary::{built_tool, tool};
use crate::command::{Output, program, run};
use crate::process::Process;
use crate::server::free_port;

/// What its administrator shows.
const TOKEN: &str = "e2e";
/// What a user shows who may do nothing.
const NOBODY: &str = "e2e-nobody";

const ACCOUNT_KEY: &str = "account.key";

/// The server: ended with the value.
pub struct ApiServer {
    // Before etcd, without which it could not end in order.
    process: Process,
    _etcd: Process,
    url: String,
    folder: TempDir,
}

impl ApiServer {
    /// Starts it with nothing in it, on this address of the machine's.
    pub(crate) fn start(host: Ipv4Addr) -> Self {
        let folder = tempfile::Builder::new().prefix("hythe-e2e-api-server-").tempdir();
        let folder = folder.expect("a temporary folder");
        let (etcd, store) = start_etcd(folder.path());
        let (process, url) = start_server(folder.path(), &store, host);
        Self { process, _etcd: etcd, url, folder }
    }

    /// Waits until `probe` succeeds.
    pub(crate) fn answers(&mut self, patience: Duration, probe: impl FnMut() -> Output) {
        self.process.answers(patience, probe);
    }

    /// `https://ADDRESS:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A folder that goes with the server.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The key by which it knows service accounts.
    pub(crate) fn account_key(&self) -> PathBuf {
        self.folder().join(ACCOUNT_KEY)
    }

    /// An administrator's configuration. The server signs its own certificate.
    pub fn kubeconfig(&self, context: &str) -> String {
        self.kubeconfig_of(TOKEN, context)
    }

    /// The configuration of a user who may do nothing.
    pub fn kubeconfig_of_nobody(&self) -> String {
        self.kubeconfig_of(NOBODY, "nobody")
    }

    fn kubeconfig_of(&self, token: &str, context: &str) -> String {
        let url = &self.url;
        format!(
            r"apiVersion: v1
kind: Config
clusters:
- name: {context}
  cluster:
    server: {url}
    insecure-skip-tls-verify: true
contexts:
- name: {context}
  context:
    cluster: {context}
    user: {context}
current-context: {context}
users:
- name: {context}
  user:
    token: {token}
"
        )
    }
}

/// etcd, and where it listens.
fn start_etcd(folder: &Path) -> (Process, String) {
    let (clients, peers) = (free_port(), free_port());
    let (url, peers) = (format!("http://127.0.0.1:{clients}"), format!("http://127.0.0.1:{peers}"));
    let mut command = program(tool("etcd"), ["--data-dir"]);
    command.arg(folder.join("etcd")).args(["--initial-cluster", &format!("default={peers}")]);
    command.args(["--listen-client-urls", &url, "--advertise-client-urls", &url]);
    command.args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers]);
    (Process::spawn("etcd", &mut command, &folder.join("etcd.log")), url)
}

/// kube-apiserver, and where it listens.
fn start_server(folder: &Path, store: &str, host: Ipv4Addr) -> (Process, String) {
    let key = folder.join(ACCOUNT_KEY);
    let ec = ["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out"];
    run(program(tool("openssl"), ec).arg(&key));
    let tokens = folder.join("tokens.csv");
    let users = format!("{TOKEN},kubernetes-admin,1,system:masters\n{NOBODY},nobody,2\n");
    fs::write(&tokens, users).expect("the folder is ours");
    let port = free_port();
    let mut command = program(built_tool("kube-apiserver"), ["--etcd-servers", store]);
    command.args(["--bind-address", &host.to_string(), "--secure-port", &port.to_string()]);
    command.args(["--advertise-address", &host.to_string(), "--service-cluster-ip-range=10.96.0.0/16"]);
    command.args(["--authorization-mode=RBAC", "--allow-privileged=true", "--token-auth-file"]).arg(&tokens);
    // The machine knows no node by its name.
    command.arg("--kubelet-preferred-address-types=InternalIP");
    // Debian's etcd is too old to say how far a watch is, and the cache would wait for that.
    command.arg("--watch-cache=false");
    command.args(["--service-account-issuer=https://kubernetes.default.svc", "--cert-dir"]).arg(folder);
    command.arg("--service-account-key-file").arg(&key).arg("--service-account-signing-key-file").arg(&key);
    let server = Process::spawn("kube-apiserver", &mut command, &folder.join("kube-apiserver.log"));
    (server, format!("https://{host}:{port}"))
}
