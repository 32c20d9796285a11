//! `hythe promote`, between two registries and into a cluster.

use hythe_oci::{Algorithm, Digest};
use hythe_testing::{ImageBuilder, IndexBuilder, Manifest, TestRegistry};
use serde_json::json;

use crate::cache::world::{Ran, run};
use crate::workloads::FakeCluster;

struct World {
    from: TestRegistry,
    to: TestRegistry,
    index: Manifest,
    note: Manifest,
}

impl World {
    /// A registry with the index `app:v1`, which a note refers to; and one to promote to.
    fn new() -> Self {
        let (from, to) = (TestRegistry::start(), TestRegistry::start());
        let image = ImageBuilder::new(1).layers(1, 1000).build();
        let mut entry = image.descriptor();
        entry["platform"] = json!({ "os": "linux", "architecture": "arm64" });
        let index = Manifest { manifests: vec![image], ..IndexBuilder::new().entry(entry).build() };
        index.push(&from.client(), "app", "v1");
        let note = ImageBuilder::artifact(9, "application/vnd.example.note").subject(&index).build();
        note.push(&from.client(), "app", note.digest());
        Self { from, to, index, note }
    }

    fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        let (from, to) = (self.from.address().to_string(), self.to.address().to_string());
        let own = [("HYTHE_REGISTRY", from.as_str()), ("PROD_REGISTRY", to.as_str())];
        run(&[&["promote"], arguments].concat(), &[&own, variables].concat(), "")
    }

    fn deployed(&self, name: &str) -> String {
        format!("{}/{name}@{}", self.to.address(), self.index.digest())
    }
}

#[test]
fn an_image_is_promoted_with_its_digest_its_platforms_and_its_referrers() {
    let world = World::new();
    let dry = world.run(&["app:v1", "--dry-run"], &[]).expect(0);
    assert_eq!(dry.out, format!("{}\n", world.deployed("app")));
    assert!(dry.err.contains("would copy 3 manifests"), "{}", dry.err);
    world.to.client().get("/v2/app/manifests/v1").send().expect(404);
    let promoted = world.run(&["app"], &[("IMAGE_TAG", "v1")]).expect(0);
    assert_eq!(promoted.out, format!("{}\n", world.deployed("app")));
    let client = world.to.client();
    assert_eq!(client.get("/v2/app/manifests/v1").send().expect(200).body, world.index.bytes);
    client.get(format!("/v2/app/manifests/{}", world.note.digest())).send().expect(200);
    assert!(world.run(&["app:v1"], &[]).expect(0).err.contains("up to date"));
    let to = format!("{}/team", world.to.address());
    let named =
        world.run(&["app:v1", "--to", &to, "--name", "shop", "--tag", "1.0", "--output", "json"], &[]);
    assert_eq!(named.json()["reference"], world.deployed("team/shop"));
    client.get("/v2/team/shop/manifests/1.0").send().expect(200);
    // The tag names another image at the target.
    ImageBuilder::new(7).build().push(&client, "app", "v1");
    let moved = world.run(&["app:v1"], &[]).expect(0).err;
    assert!(moved.contains("moved the tag v1 from sha256:"), "{moved}");
    assert!(world.run(&["app:latest"], &[]).expect(2).err.contains("--allow-latest"));
}

#[test]
fn a_blob_that_the_target_lost_is_promoted_again() {
    let world = World::new();
    world.run(&["app:v1"], &[]).expect(0);
    let client = world.to.client();
    let layer = Digest::of(Algorithm::Sha256, world.index.manifests[0].blobs.last().unwrap());
    let path = format!("/v2/app/blobs/{layer}");
    client.delete(&path).send().expect(202);
    let promoted = world.run(&["app:v1"], &[]).expect(0).err;
    assert!(promoted.contains("copied 0 manifests and 1 blob"), "{promoted}");
    client.get(&path).send().expect(200);
    assert!(world.run(&["app:v1"], &[]).expect(0).err.contains("up to date"));
}

#[test]
fn a_workload_gets_the_image_by_its_digest_and_nothing_is_copied_if_there_is_no_such_workload() {
    let world = World::new();
    let cluster = FakeCluster::start("localhost:5001/app:v0");
    let kubeconfig = cluster.kubeconfig();
    let variables = [("KUBECONFIG", kubeconfig.as_str()), ("PROD_CONTEXT", "prod")];
    let set = |what: &'static str| ["app:v1", "--set-image", what];
    for (what, words) in
        [("deployment/nope", "no Deployment default/nope"), ("deployment/app=x", "no container `x`")]
    {
        let refused = world.run(&set(what), &variables).expect(1).err;
        assert!(refused.contains(words), "{refused}");
    }
    world.to.client().get("/v2/app/manifests/v1").send().expect(404);
    let dry = world.run(&[&set("deployment/app")[..], &["--dry-run"]].concat(), &variables).expect(0).err;
    assert!(dry.contains("would change the image from localhost:5001/app:v0 to"), "{dry}");
    assert_eq!(cluster.template()["spec"]["containers"][0]["image"], "localhost:5001/app:v0");
    let done = world.run(&set("deployment/app=main"), &variables).expect(0);
    let image = world.deployed("app");
    let words = format!(
        "Deployment default/app in context `prod`, container main: changed the image from localhost:5001/app:v0 to {image}"
    );
    assert!(
        done.err.contains(&words) && done.err.contains("Deployment default/app: rolled out"),
        "{}",
        done.err
    );
    assert_eq!(cluster.template()["spec"]["containers"][0]["image"], image);
    let json =
        world.run(&[&set("default/deploy/app")[..], &["--output", "json"]].concat(), &variables).json();
    assert_eq!((&json["images"][0]["changed"], &json["images"][0]["to"]), (&json!(false), &json!(image)));
}

#[test]
fn a_copy_restarts_workloads_as_kubectl_does_and_names_are_checked_first() {
    let world = World::new();
    let cluster = FakeCluster::start("localhost:5001/app:v0");
    let kubeconfig = cluster.kubeconfig();
    let (from, to) = (format!("{}/app:v1", world.from.address()), format!("{}/app:dev", world.to.address()));
    let copy = |workload: &str, to: &str| {
        let arguments = ["copy", &from, to, "--restart", workload, "--context", "prod", "--output", "json"];
        run(&arguments, &[("KUBECONFIG", kubeconfig.as_str())], "")
    };
    assert!(copy("deployment/nope", &to).expect(1).err.contains("no Deployment default/nope"));
    world.to.client().get("/v2/app/manifests/dev").send().expect(404);
    assert!(copy("deployment/app", "./folder").expect(2).err.contains("DST in a registry"));
    let json = copy("deployment/app", &to).json();
    assert_eq!(json["rollOut"], json!({ "nodes": [], "restarted": ["Deployment default/app"] }));
    world.to.client().get("/v2/app/manifests/dev").send().expect(200);
    let annotations = cluster.template()["metadata"]["annotations"].clone();
    let at = annotations["kubectl.kubernetes.io/restartedAt"].as_str().unwrap();
    assert!(at.starts_with("20") && at.ends_with('Z'), "{at}");
}
