//! `hythe upgrade`: another binary with the same data. If it does not become ready, the previous container is restored.

use std::fs;

use hythe_e2e::command::attempt;
use hythe_e2e::home::Home;
use hythe_e2e::{binary, network};

use super::stock::Stock;
use super::{expect, inspect, machine};

const NAME: &str = "kind-registry";

#[test]
fn if_a_binary_does_not_become_ready_the_previous_container_is_restored_with_its_networks() {
    let (docker, home) = machine();
    expect(&home.up(&["--set", "log.level=info"]), 0, &["created"]);
    network::kind(&docker);
    home.docker(&["network", "connect", "kind", NAME]);
    let stock = Stock::push(&mut home.client());
    let container = |home: &Home| inspect(home, NAME, "{{.Id}}");
    let before = container(&home);
    let image = inspect(&home, NAME, "{{.Config.Image}}");
    for binary in ["/bin/true", "/bin/false"] {
        let upgrade = home.attempt(&["upgrade", "--binary", binary]);
        expect(&upgrade, 1, &["did not become ready", "The previous container is restored, with its data"]);
        assert_eq!(container(&home), before, "{binary}");
        assert_ne!(inspect(&home, NAME, "{{json .NetworkSettings.Networks.kind}}"), "null");
        stock.expect(&mut home.client());
    }
    expect(&home.attempt(&["upgrade", "--binary", "/etc/passwd"]), 1, &["is no Linux binary"]);
    expect(&home.attempt(&["upgrade"]), 0, &["already"]);
    assert_eq!(container(&home), before);

    // Another build: the same program with extra bytes at its end.
    let other = home.folder().join("hythe");
    let mut bytes = fs::read(binary::hythe()).expect("it is built");
    bytes.extend_from_slice(b"another build");
    fs::write(&other, bytes).expect("the folder is ours");
    let upgrade = home.attempt(&["upgrade", "--binary", &other.display().to_string()]);
    expect(&upgrade, 0, &["recreated, data kept: image"]);
    assert_ne!(inspect(&home, NAME, "{{.Config.Image}}"), image);
    assert_ne!(inspect(&home, NAME, "{{json .NetworkSettings.Networks.kind}}"), "null");
    assert!(inspect(&home, NAME, "{{.Config.Env}}").contains("HYTHE_LOG_LEVEL=info"));
    stock.expect(&mut home.client());
    assert_eq!(home.docker(&["ps", "--all", "--format", "{{.Names}}"]), NAME);

    // With an invalid setting, nothing is changed.
    expect(&home.attempt(&["up", "--set", "log.level=loud"]), 2, &["log.level"]);
    assert!(attempt(&mut docker.call(&["logs", NAME])).code == Some(0));
    stock.expect(&mut home.client());
}
