//! `hythe bundle`: other programs read what it wrote, and a registry of another kind takes it.

use hythe_e2e::binary::{built_tool, hythe, tool};
use hythe_e2e::client::Client;
use hythe_e2e::command::{digest_in, program, run};
use hythe_e2e::engine::Engine;
use hythe_e2e::image::debian;
use hythe_e2e::repository::Repository;
use hythe_e2e::server::{Server, without_settings};
use hythe_e2e::upstream::{Access, Upstream};

use crate::{lay_index, verify};

fn bundle(words: &[&str]) -> String {
    let mut command = program(hythe(), ["bundle"]);
    without_settings(&mut command);
    run(command.args(words))
}

#[test]
fn skopeo_crane_and_containerd_read_a_bundle() {
    let (image, server) = (debian(), Server::start());
    let name = lay_index(&server, image, "team/app");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("images.tar").display().to_string();
    bundle(&["create", &file, &name, "--all-platforms", "--registry", &server.address().to_string()]);

    let archive = format!("oci-archive:{file}:{name}");
    let raw = program(tool("skopeo"), ["inspect", "--raw", &archive]).output().expect("skopeo runs");
    let digest = hythe_oci::Digest::of(hythe_oci::Algorithm::Sha256, &raw.stdout);
    assert_eq!(digest, image.index, "{raw:?}");
    let copy = format!("docker://{}/skopeo/app:v1", server.address());
    run(&mut program(tool("skopeo"), ["copy", "--all", "--dest-tls-verify=false", &archive, &copy]));
    assert_eq!(verify(&server, "skopeo/app", "v1"), image.index);

    let layout = folder.path().join("layout");
    std::fs::create_dir(&layout).expect("the folder is ours");
    run(program(tool("tar"), ["-xf", &file, "-C"]).arg(&layout));
    let pushed = format!("{}/crane/app:v1", server.address());
    let said = run(program(built_tool("crane"), ["push", "--insecure", "--index"]).arg(&layout).arg(&pushed));
    // crane pushes the layout's own index, which lists the image.
    let outer = digest_in(&said);
    assert_eq!(verify(&server, "crane/app", "v1"), outer);
    let mut client = server.client();
    Repository::new(&mut client, "crane/app").verify(&image.index.to_string());

    let containerd = Engine::containerd_2();
    run(containerd.call(&["images", "import"]).arg(&file));
    let listed = run(&mut containerd.call(&["images", "ls"]));
    assert!(listed.contains(&name) && listed.contains(&image.index.to_string()), "{listed}");
}

#[test]
fn a_registry_of_another_kind_takes_the_images_below_a_path() {
    let (image, server, other) = (debian(), Server::start(), Upstream::start(Access::Anonymous));
    let name = lay_index(&server, image, "team/app");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("images.tar").display().to_string();
    bundle(&["create", &file, &name, "--all-platforms", "--registry", &server.address().to_string()]);
    let address = other.address().to_string();
    for _ in 0..2 {
        bundle(&["load", &file, "--registry", &address, "--prefix", "mirror"]);
        let mut client = Client::new(other.address());
        assert_eq!(Repository::new(&mut client, "mirror/team/app").verify("multi"), image.index);
    }
    // And back, from that registry.
    let new = Server::start();
    let mut import = program(hythe(), ["import", &format!("http://{address}")]);
    without_settings(&mut import);
    run(import.args(["--registry", &new.address().to_string()]));
    assert_eq!(verify(&new, "mirror/team/app", "multi"), image.index);
}
