//! `hythe kind-config`, run as a program.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

const HEAD: &str = "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n";

fn run(arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hythe"));
    command.arg("kind-config").args(arguments).env_clear();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Writing fails if the program ended without reading its input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn a_patch_with_mirrors_is_refused_and_the_error_has_the_files_to_use_instead() {
    let patch = "containerdConfigPatches:\n- |-\n  [plugins.\"io.containerd.cri.v1.images\".registry.mirrors.\"https://r.corp:5000\"]\n    endpoint = [\"http://m:5000\"]\n";
    let (code, out, err) = run(&["-"], &format!("{HEAD}{patch}"));
    assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
    for words in [
        "line 5: this patch sets `registry.mirrors`",
        "\n# /etc/containerd/certs.d/r.corp:5000/hosts.toml\n",
        "[host.\"http://m:5000\"]",
    ] {
        assert!(err.contains(words), "`{words}` is not in: {err}");
    }
}

#[test]
fn several_folders_in_config_path_are_kept_with_a_warning() {
    let patch = "containerdConfigPatches:\n- |-\n  [plugins.\"io.containerd.grpc.v1.cri\".registry]\n    config_path = \"/a:/b\"\n";
    let (code, out, err) = run(&["-"], &format!("{HEAD}{patch}"));
    assert_eq!((code, out), (Some(0), format!("{HEAD}{patch}")), "{err}");
    assert!(err.starts_with("warning: -: line 5: `config_path = \"/a:/b\"` names several folders"), "{err}");
}

#[test]
fn a_node_port_outside_kubernetes_range_is_refused() {
    let (code, _, err) = run(&["--node-port", "5000"], "");
    assert_eq!(code, Some(2), "{err}");
    assert!(
        err.contains("--node-port 5000 is not a node port: Kubernetes gives Services 30000 to 32767"),
        "{err}"
    );
    let (code, out, _) = run(&["--node-port"], "");
    assert_eq!(code, Some(0));
    assert!(out.contains("containerPort: 30500"), "{out}");
}
