//! `hythe up --adopt` where it fails or is refused: the old registry runs again with all its data.

use std::fs;

use hythe_e2e::old_registry;

use super::adoption::Old;
use super::{answers, expect, inspect, machine};

impl Old {
    /// Asserts that a failed adoption left the old registry unchanged.
    fn expect_untouched(&self) {
        answers(&self.engine, &self.home, self.name);
        self.stock.expect(&mut self.home.client());
        assert_eq!(
            inspect(&self.home, self.name, "{{.Config.Image}} {{.HostConfig.RestartPolicy.Name}}"),
            "registry:2.8 always"
        );
        let all = self.home.docker(&["ps", "--all", "--format", "{{.Names}}"]);
        assert_eq!(all, self.name);
    }
}

#[test]
fn a_failed_adoption_restores_the_old_registry() {
    let old = Old::run(machine(), "kind-registry", &["-v", "old-data:/var/lib/registry"]);

    // The data folder is damaged.
    let blobs = old.folder().join("blobs");
    fs::write(&blobs, "no folder").expect("we are root");
    expect(&old.home.attempt(&["up", "--adopt"]), 1, &["The previous container is restored, with its data"]);
    old.expect_untouched();
    fs::remove_file(&blobs).expect("we are root");

    // The binary of the new container is not hythe, and fails.
    expect(
        &old.home.attempt(&["up", "--adopt", "--binary", "/bin/false"]),
        1,
        &["The previous container is restored"],
    );
    old.expect_untouched();
    // A binary that does nothing and exits with 0.
    expect(
        &old.home.attempt(&["up", "--adopt", "--binary", "/bin/true"]),
        1,
        &["The previous container is restored"],
    );
    old.expect_untouched();

    // The configuration is wrong, which hythe finds before it stops anything.
    let started = inspect(&old.home, old.name, "{{.State.StartedAt}}");
    fs::write(old.home.folder().join("hythe.toml"), "uplaod = 1\n").expect("the folder is ours");
    expect(&old.home.attempt(&["up", "--adopt", "--config", "hythe.toml"]), 2, &["uplaod"]);
    assert_eq!(inspect(&old.home, old.name, "{{.State.StartedAt}}"), started);

    // After all these failures, an adoption succeeds.
    expect(&old.home.attempt(&["up", "--adopt"]), 0, &["replaced kind-registry"]);
    old.stock.expect(&mut old.home.client());
}

#[test]
fn a_registry_that_hythe_cannot_take_over_is_refused_before_anything_is_stopped() {
    let elsewhere = ["-e", "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=/elsewhere"];
    let old = Old::run(machine(), "kind-registry", &elsewhere);
    let started = inspect(&old.home, old.name, "{{.State.StartedAt}}");
    let copy = "docker cp kind-registry:/elsewhere ./registry-data";
    expect(&old.home.attempt(&["up", "--adopt"]), 1, &["its data is not in a volume", copy]);
    assert_eq!(inspect(&old.home, old.name, "{{.State.StartedAt}}"), started);
    old.expect_untouched();

    // The error's advice works.
    let folder = old.home.folder().join("registry-data");
    old.home.docker(&["cp", "kind-registry:/elsewhere", &folder.display().to_string()]);
    old.home.docker(&["rm", "--force", old.name]);
    expect(&old.home.up(&["--data", "registry-data"]), 0, &["created"]);
    old.stock.expect(&mut old.home.client());
    old.home.run(&["down"]);

    let make = |options: &[&str]| {
        let make = ["create", "--name", "kind-registry", "-v", "data:/var/lib/registry"];
        old.home.docker(&[&make[..], options, &[old_registry::IMAGE]].concat());
        let output = old.home.attempt(&["up", "--adopt"]);
        old.home.docker(&["rm", "kind-registry"]);
        output
    };
    let users = make(&["-e", "REGISTRY_AUTH=htpasswd", "-e", "REGISTRY_AUTH_HTPASSWD_REALM=r"]);
    expect(&users, 2, &["REGISTRY_AUTH", "does not start"]);
    let file = old.home.folder().join("config.yml");
    fs::write(&file, "version: 0.1\n").expect("the folder is ours");
    let mount = format!("{}:/etc/docker/registry/config.yml", file.display());
    expect(&make(&["-v", &mount]), 1, &["its settings are in", "use hythe's image"]);
}
