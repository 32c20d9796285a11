//! The Kubernetes objects as files for kubectl, from each of their sources.

use std::path::Path;

use hythe_e2e::binary::built_tool;
use hythe_e2e::command::{program, run};
use hythe_e2e::control_plane::ControlPlane;
use hythe_e2e::home::Home;

/// Asserts that the API server accepts all of them.
pub(crate) fn expect_files_accepted(plane: &ControlPlane, home: &Home) {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("e2e lies in the workspace");
    let at = |path: &str| repository.join("deploy").join(path).display().to_string();
    plane.run(&["create", "namespace", "registry"]);
    let printed = home.run(&["deploy", "--print"]);
    let on_node = home.run(&["deploy", "--print", "--host-path", "/mnt/registry", "--kind", "statefulset"]);
    let built = plane.run(&["kustomize", &at("kustomize/base")]);
    let mut helm = program(built_tool("helm"), ["template", "registry"]);
    let chart = run(helm.arg(at("chart/hythe")).arg("--namespace=registry"));
    for (name, text) in
        [("--print", printed), ("--host-path", on_node), ("Kustomize", built), ("Helm", chart)]
    {
        let taken = plane.apply_text(&text, &["--dry-run=server", "--namespace=registry"]);
        println!("{name}: {} objects accepted", taken.lines().count());
        assert!(
            taken.lines().count() >= 4 && taken.lines().all(|line| line.ends_with("(server dry run)")),
            "{taken}"
        );
    }
    plane.run(&["delete", "namespace", "registry"]);
}
