//! `hythe up --adopt`: hythe replaces a running registry:2, without copying its data. The old registry can be started
//! again.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hythe_e2e::binary::tool;
use hythe_e2e::command::{program, run};
use hythe_e2e::engine::Engine;
use hythe_e2e::home::Home;
use hythe_e2e::{network, old_registry};

use super::stock::Stock;
use super::{answers, expect, inspect, machine};

/// KiB that hythe uses at most in addition to content: the reserve for a full disk (8 MiB) and the catalog.
const OF_ITS_OWN: u64 = 12 << 10;

/// A registry:2 with content.
pub(crate) struct Old {
    pub(crate) engine: Arc<Engine>,
    pub(crate) home: Home,
    pub(crate) name: &'static str,
    pub(crate) stock: Stock,
}

impl Old {
    /// Starts a registry with this name and these options on the user's port, and fills it.
    pub(crate) fn run(machine: (Arc<Engine>, Home), name: &'static str, options: &[&str]) -> Self {
        let (engine, home) = machine;
        old_registry::load(&engine);
        let publish = format!("127.0.0.1:{}:5000", home.port());
        let run = ["run", "-d", "--restart=always", "-p", &publish, "--name", name];
        home.docker(&[&run[..], options, &[old_registry::IMAGE]].concat());
        answers(&engine, &home, name);
        let stock = Stock::push(&mut home.client());
        Self { engine, home, name, stock }
    }

    /// The folder of the registry's data on the machine.
    pub(crate) fn folder(&self) -> PathBuf {
        let mount = "{{range .Mounts}}{{if eq .Destination \"/var/lib/registry\"}}{{.Source}}{{end}}{{end}}";
        PathBuf::from(inspect(&self.home, self.name, mount))
    }

    fn aside(&self) -> String {
        format!("{}-before", self.name)
    }

    /// Asserts that the adoption succeeded: hythe has all content, at the same address, and the old container is kept.
    fn expect_adopted(&self) {
        self.stock.expect(&mut self.home.client());
        let name = self.home.name();
        let user = inspect(&self.home, name, "{{.Config.User}}");
        assert!(!user.starts_with("0:"), "{user}");
        let state = "{{.State.Status}} {{.HostConfig.RestartPolicy.Name}}";
        assert_eq!(inspect(&self.home, &self.aside(), state), "exited no");
    }

    /// Goes back to the old registry, and asserts that its data is unchanged.
    fn expect_way_back(&self) {
        let aside = self.aside();
        self.home.run(&["down"]);
        self.home.docker(&["start", &aside]);
        answers(&self.engine, &self.home, &aside);
        self.stock.expect(&mut self.home.client());
    }
}

/// The disk use of a folder, in KiB.
fn disk_use(folder: &Path) -> u64 {
    let printed = run(program(tool("du"), ["-sk"]).arg(folder));
    printed.split_whitespace().next().and_then(|text| text.parse().ok()).expect("du prints a number")
}

#[test]
fn from_a_volume_with_its_networks_and_back_again() {
    let options = ["-v", "old-data:/var/lib/registry", "-e", "REGISTRY_STORAGE_DELETE_ENABLED=true"];
    let mut old = Old::run(machine(), "kind-registry", &options);
    network::kind(&old.engine);
    old.home.docker(&["network", "connect", "kind", old.name]);
    let before = disk_use(&old.folder());

    // Without `--adopt`, hythe refuses.
    let refused = old.home.up(&[]);
    expect(&refused, 1, &["a container named kind-registry already exists", "hythe up --adopt"]);
    answers(&old.engine, &old.home, old.name);

    let adopted = old.home.attempt(&["up", "--adopt"]);
    expect(&adopted, 0, &["imported repositories=", "replaced kind-registry", "kind-registry-before"]);
    old.expect_adopted();
    let after = disk_use(&old.folder());
    println!("{before} KiB before, {after} KiB after");
    assert!(after < before + OF_ITS_OWN, "{before} KiB before, {after} KiB after");
    let network = "{{.NetworkSettings.Networks.kind.NetworkID}}";
    assert!(
        inspect(&old.home, "kind-registry", network).len() == 64,
        "it is on the network that the old one was on"
    );

    // A second run changes nothing, and a recreated container keeps all settings.
    expect(&old.home.attempt(&["up"]), 0, &["nothing had to be changed"]);
    expect(&old.home.attempt(&["up", "--set", "log.level=debug"]), 0, &["recreated"]);
    old.expect_adopted();

    old.expect_way_back();
    // Content that was pushed to the old registry meanwhile is taken over too.
    old.stock.add(&mut old.home.client(), "since", "v1", &[3000]);
    expect(&old.home.up(&["--adopt"]), 0, &["replaced kind-registry-before"]);
    old.expect_adopted();
    expect(&old.home.attempt(&["down"]), 0, &["the volume old-data stays: `hythe up` brings it back"]);
    expect(&old.home.up(&[]), 0, &["created", "the volume old-data"]);
    old.stock.expect(&mut old.home.client());
}

#[test]
fn from_a_volume_without_a_name() {
    let old = Old::run(machine(), "kind-registry", &[]);
    expect(&old.home.attempt(&["up", "--adopt"]), 0, &["replaced kind-registry"]);
    old.expect_adopted();
    old.expect_way_back();
}

#[test]
fn from_a_folder_whose_owner_stays_its_owner() {
    for (user, expected) in [(0, "1000:1000"), (1234, "1234:1234")] {
        let (engine, home) = machine();
        let folder = home.folder().join("registry-data");
        fs::create_dir(&folder).expect("the folder is ours");
        chown(&folder, Some(user), Some(user)).expect("we are root");
        let mount = format!("{}:/var/lib/registry", folder.display());
        let owner = format!("{user}:{user}");
        let old = Old::run((engine, home), "kind-registry", &["-v", &mount, "--user", &owner]);
        let before = disk_use(&folder);
        let tree = folder.join("docker/registry/v2/blobs");
        expect(&old.home.attempt(&["up", "--adopt"]), 0, &["replaced"]);
        old.expect_adopted();
        assert_eq!(inspect(&old.home, "kind-registry", "{{.Config.User}}"), expected);
        assert_eq!(
            fs::metadata(&tree).expect("it is there").uid(),
            user,
            "the old registry's tree still belongs to its owner"
        );
        let after = disk_use(&folder);
        println!("{before} KiB before, {after} KiB after");
        assert!(after < before + OF_ITS_OWN, "{before} KiB before, {after} KiB after");
        old.expect_way_back();
    }
}

#[test]
fn by_the_port_where_it_has_another_name() {
    let old = Old::run(machine(), "registry", &["-v", "old-data:/var/lib/registry"]);
    network::kind(&old.engine);
    old.home.docker(&["network", "connect", "kind", old.name]);
    let refused = old.home.up(&[]);
    expect(&refused, 1, &["is taken by the container registry", "hythe up --adopt"]);
    expect(&old.home.up(&["--adopt"]), 0, &["replaced registry"]);
    old.expect_adopted();
    // hythe has the old registry's name too, because nodes use that name.
    let aliases = inspect(&old.home, "kind-registry", "{{.NetworkSettings.Networks.kind.Aliases}}");
    assert!(aliases.contains("registry ") && aliases.contains("kind-registry"), "{aliases}");
    old.expect_way_back();
}
