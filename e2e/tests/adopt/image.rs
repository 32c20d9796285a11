//! hythe's image takes the command line and variables of the image registry:2, as k3d, ctlptl and cron jobs use them.

use hythe_e2e::command::attempt;
use hythe_e2e::network;
use hythe_e2e::number::fresh_seed;
use hythe_e2e::repository::Repository;
use hythe_e2e::sample::Sample;
use hythe_e2e::upstream::{Access, Upstream};

use super::stock::Stock;
use super::{answers, expect, machine, tag_image};

const FILE: &str = "/etc/docker/registry/config.yml";
const NAME: &str = "k3d-registry";

#[test]
fn whatever_starts_a_registry_2_starts_hythe() {
    let (docker, home) = machine();
    let image = tag_image(&home);
    let publish = format!("127.0.0.1:{}:5000", home.port());
    let publish = ["-d", "-p", &publish, "--name", NAME];
    let start = |options: &[&str], words: &[&str]| {
        home.docker(&[&["run"], &publish[..], options, &[image], words].concat());
        answers(&docker, &home, NAME);
    };
    let remove = || home.docker(&["rm", "--force", "--volumes", NAME]);
    for words in [&[][..], &[FILE], &["serve", FILE], &["/bin/registry", "serve", FILE]] {
        start(&[], words);
        remove();
    }

    start(&["-e", "REGISTRY_STORAGE_DELETE_ENABLED=true", "-v", "data:/var/lib/registry"], &[]);
    let stock = Stock::push(&mut home.client());
    let said = home.docker(&["exec", NAME, "registry", "garbage-collect", "--dry-run", FILE]);
    assert!(said.contains("nothing") || said.contains("would"), "{said}");
    home.docker(&["exec", NAME, "registry", "garbage-collect", "-m", FILE]);
    assert!(
        home.docker(&["exec", NAME, "registry", "--version"]).contains("as a replacement for registry:2")
    );
    assert!(home.docker(&["exec", NAME, "hythe", "version"]).contains(env!("CARGO_PKG_VERSION")));
    remove();
    // Without a running server, in a container of its own.
    let collect =
        ["run", "--rm", "-v", "data:/var/lib/registry", image, "garbage-collect", "--dry-run", FILE];
    expect(&attempt(&mut docker.call(&collect)), 0, &[]);
    start(&["-v", "data:/var/lib/registry"], &[]);
    stock.expect(&mut home.client());
    remove();

    // A cache, as `k3d registry create --proxy-remote-url` creates it.
    let upstream = Upstream::start_at(network::kind(&docker), Access::Anonymous);
    let cached = Sample::new(fresh_seed(), &[1 << 20]);
    upstream.fill("library/x", |repository| cached.push(repository, "v1"));
    let proxied = format!("REGISTRY_PROXY_REMOTEURL=http://{}", upstream.address());
    start(&["-e", &proxied, "--network", "kind"], &[]);
    for _ in 0..2 {
        assert_eq!(Repository::new(&mut home.client(), "library/x").verify("v1"), cached.digest);
    }
    assert_eq!(upstream.downloads(&cached.layers[0]), 1);
    remove();
}
