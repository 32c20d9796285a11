//! kube-apiserver with its etcd. They run beside the test, at an address that the nodes reach too.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::binary::{built_tool, tool};
use crate::command::{Output, program, run};
use crate::process::Process;
use crate::server::free_port;

/// The administrator's token.
const TOKEN: &str = "e2e";
/// The token of a user without any rights.
const NOBODY: &str = "e2e-nobody";

const ACCOUNT_KEY: &str = "account.key";

/// A running API server. Dropping the value ends the server.
pub struct ApiServer {
    // Dropped before etcd, because the server needs etcd to end properly.
    process: Process,
    _etcd: Process,
    url: String,
    folder: TempDir,
}

impl ApiServer {
    /// Starts an empty API server on this address of the machine.
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

    /// A folder that is deleted with the server.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The key with which the server verifies tokens of service accounts.
    pub(crate) fn account_key(&self) -> PathBuf {
        self.folder().join(ACCOUNT_KEY)
    }

    /// The administrator's kubeconfig. It skips the check of the server's certificate, which is self-signed.
    pub fn kubeconfig(&self, context: &str) -> String {
        self.kubeconfig_of(TOKEN, context)
    }

    /// The kubeconfig of a user without any rights.
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

/// Starts etcd. Returns the process and its URL.
fn start_etcd(folder: &Path) -> (Process, String) {
    let (clients, peers) = (free_port(), free_port());
    let (url, peers) = (format!("http://127.0.0.1:{clients}"), format!("http://127.0.0.1:{peers}"));
    let mut command = program(tool("etcd"), ["--data-dir"]);
    command.arg(folder.join("etcd")).args(["--initial-cluster", &format!("default={peers}")]);
    command.args(["--listen-client-urls", &url, "--advertise-client-urls", &url]);
    command.args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers]);
    (Process::spawn("etcd", &mut command, &folder.join("etcd.log")), url)
}

/// Starts kube-apiserver. Returns the process and its URL.
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
    // The machine cannot resolve nodes' names.
    command.arg("--kubelet-preferred-address-types=InternalIP");
    // Debian's etcd is too old to report the progress of a watch, for which the cache would wait.
    command.arg("--watch-cache=false");
    command.args(["--service-account-issuer=https://kubernetes.default.svc", "--cert-dir"]).arg(folder);
    command.arg("--service-account-key-file").arg(&key).arg("--service-account-signing-key-file").arg(&key);
    let server = Process::spawn("kube-apiserver", &mut command, &folder.join("kube-apiserver.log"));
    (server, format!("https://{host}:{port}"))
}
