//! Content fetched with credentials is served on this machine, and to others only if the configuration shares it.

use std::sync::Arc;

use hythe_oci::{Digest, ErrorCode};
use hythe_testing::{Client, ImageBuilder, Manifest, ScriptedUpstream, Setup, TestRegistry, eventually};
use hythe_upstream::{Allowed, CacheOptions, Credentials, Share, Upstream};
use serde_json::json;

use crate::world::{UPSTREAM, digest};

/// A registry that listens on all addresses, with an upstream that requires a password.
struct World {
    upstream: ScriptedUpstream,
    registry: TestRegistry,
}

fn login() -> Credentials {
    Credentials::Basic { username: "ada".to_owned(), password: "hunter2".to_owned() }
}

fn setup(upstream: &ScriptedUpstream, credentials: Credentials, share: Share) -> Setup {
    TestRegistry::setup().everywhere().upstream_with(UPSTREAM, &[upstream.endpoint()], |upstream| {
        upstream.credentials = credentials;
        upstream.share = share;
    })
}

impl World {
    fn new(share: Share) -> Self {
        let upstream = ScriptedUpstream::start();
        upstream.require_basic("ada", "hunter2");
        let registry = setup(&upstream, login(), share).start();
        Self { upstream, registry }
    }

    /// From now on the registry has no credentials, and the upstream requires none.
    fn without_login(&mut self) {
        self.upstream.require_nothing();
        let setup = setup(&self.upstream, Credentials::Anonymous, Share::Loopback);
        self.registry.restart_with(|running| *running = setup);
    }

    fn image(&self) -> Manifest {
        let image = ImageBuilder::new(1).layers(1, 100_000).build();
        self.upstream.push("app", "v1", &image);
        image
    }

    fn near(&self) -> Client {
        self.registry.client()
    }

    fn far(&self) -> Client {
        self.registry.network_client().expect("this machine has an address that is not loopback")
    }
}

/// Every request that could return content of the image.
fn ways(image: &Manifest) -> Vec<(&'static str, String)> {
    let (manifest, layer) = (image.digest(), digest(&image.blobs[1]));
    let mut ways = Vec::new();
    for (path, ns) in [("up.example/app", ""), ("app", "?ns=up.example")] {
        for target in [
            "manifests/v1".to_owned(),
            format!("manifests/{manifest}"),
            format!("blobs/{layer}"),
            "tags/list".to_owned(),
            format!("referrers/{manifest}"),
        ] {
            ways.push(("GET", format!("/v2/{path}/{target}{ns}")));
            ways.push(("HEAD", format!("/v2/{path}/{target}{ns}")));
        }
        ways.push(("DELETE", format!("/v2/{path}/manifests/v1{ns}")));
        ways.push(("DELETE", format!("/v2/{path}/manifests/{manifest}{ns}")));
        ways.push(("DELETE", format!("/v2/{path}/blobs/{layer}{ns}")));
    }
    ways
}

#[track_caller]
fn refused(client: &Client, image: &Manifest) {
    for (method, target) in ways(image) {
        let answer = client.request(method, target.as_str()).send();
        if method == "HEAD" {
            assert_eq!(answer.status, 403, "{method} {target}");
        } else {
            let message = answer.expect_error(403, ErrorCode::Denied);
            assert!(message.contains(UPSTREAM) && message.contains("share = \"all\""), "{target}: {message}");
        }
    }
}

#[track_caller]
fn pulled(client: &Client, image: &Manifest) {
    let get = |target: String| client.get(format!("/v2/{UPSTREAM}/app/{target}")).send().expect(200);
    assert_eq!(get("manifests/v1".to_owned()).body, image.bytes);
    for blob in &image.blobs {
        assert!(get(format!("blobs/{}", digest(blob))).body == *blob);
    }
    get("tags/list".to_owned());
    get(format!("referrers/{}", image.digest()));
}

fn listed(client: &Client) -> (serde_json::Value, serde_json::Value) {
    let catalog = client.get("/v2/_catalog").send().expect(200).json();
    let copies = client.get("/api/cache/copies").send().expect(200).json();
    (catalog["repositories"].clone(), copies["copies"].clone())
}

#[test]
fn a_foreign_page_counts_as_the_network_even_if_every_page_may_read() {
    let upstream = ScriptedUpstream::start();
    upstream.require_basic("ada", "hunter2");
    let setup = setup(&upstream, login(), Share::Loopback);
    let registry = setup.server(|options| options.cors_origins = vec!["*".to_owned()]).start();
    let world = World { upstream, registry };
    let image = world.image();
    pulled(&world.near(), &image);
    for (method, target) in ways(&image).into_iter().filter(|(method, _)| *method == "GET") {
        let request = world.near().request(method, target.as_str()).header("origin", "https://evil.example");
        request.send().expect_error(403, ErrorCode::Denied);
    }
}

#[test]
fn content_fetched_with_credentials_is_served_on_loopback_only() {
    let world = World::new(Share::Loopback);
    let image = world.image();
    refused(&world.far(), &image);
    assert_eq!(world.upstream.requests(), [], "the credentials are not used for other clients");
    pulled(&world.near(), &image);
    refused(&world.far(), &image);
    pulled(&world.near(), &image);
}

#[test]
fn content_fetched_with_credentials_is_served_to_all_if_shared() {
    let world = World::new(Share::All);
    let image = world.image();
    pulled(&world.far(), &image);
    assert_eq!(listed(&world.far()).0, json!(["up.example/app"]));
    pulled(&world.near(), &image);
}

#[test]
fn content_fetched_with_credentials_stays_on_loopback_after_the_credentials_are_removed() {
    let mut world = World::new(Share::Loopback);
    let image = world.image();
    pulled(&world.near(), &image);
    world.without_login();
    refused(&world.far(), &image);
    pulled(&world.near(), &image);
    // Content fetched without the credentials is served to all.
    world.upstream.push("other", "v1", &image);
    world.far().get(format!("/v2/{UPSTREAM}/other/manifests/v1")).send().expect(200);
    // The mark of private content stays until the content is cleared.
    let cleared = world.far().delete("/api/cache/copies").query("pattern", "*/app").send().expect(200).json();
    assert_eq!(cleared["copies"], json!(0), "a client that cannot see the copy cannot clear it");
    let cleared =
        world.near().delete("/api/cache/copies").query("pattern", "*/app").send().expect(200).json();
    assert_eq!(cleared["copies"], json!(1));
    pulled(&world.far(), &image);
}

#[test]
fn content_fetched_before_credentials_were_set_is_served_on_loopback_while_they_are_set() {
    let mut world = World::new(Share::Loopback);
    let image = world.image();
    world.without_login();
    pulled(&world.far(), &image);
    let with = setup(&world.upstream, login(), Share::Loopback);
    world.registry.restart_with(|running| *running = with);
    refused(&world.far(), &image);
    assert_eq!(listed(&world.far()), (json!([]), json!([])));
    world.without_login();
    pulled(&world.far(), &image);
}

#[test]
fn a_copy_whose_upstream_was_removed_stays_on_loopback() {
    let mut world = World::new(Share::Loopback);
    let image = world.image();
    pulled(&world.near(), &image);
    world.registry.restart_with(|running| *running = TestRegistry::setup().everywhere());
    for (method, target) in ways(&image) {
        let status = world.far().request(method, target.as_str()).send().status;
        assert_eq!(status, if target.contains("ns=") { 404 } else { 403 }, "{method} {target}");
    }
    world.near().get(format!("/v2/{UPSTREAM}/app/manifests/v1")).send().expect(200);
    // The same on a listener that stands for another upstream and accepts pushes.
    let other = ScriptedUpstream::start();
    let mirror = TestRegistry::setup().everywhere().upstream("own.example", &[other.endpoint()]);
    world.registry.restart_with(|running| *running = mirror.mirror("own.example", true));
    for (method, target) in ways(&image).into_iter().filter(|(_, target)| !target.contains("ns=")) {
        assert_eq!(world.far().request(method, target.as_str()).send().status, 403, "{method} {target}");
    }
}

#[test]
fn no_list_names_content_that_is_not_served() {
    let world = World::new(Share::Loopback);
    let image = world.image();
    pulled(&world.near(), &image);
    ImageBuilder::new(2).build().push(&world.near(), "zebra", "v1");
    let (catalog, copies) = listed(&world.far());
    assert_eq!((catalog, copies), (json!(["zebra"]), json!([])));
    let (catalog, copies) = listed(&world.near());
    assert_eq!(
        (catalog, copies[0]["name"].clone()),
        (json!(["up.example/app", "zebra"]), json!("up.example/app"))
    );
    let page = world.far().get("/v2/_catalog?n=1").send().expect(200);
    assert_eq!((page.json()["repositories"].clone(), page.header("link")), (json!(["zebra"]), None));
}

#[test]
fn no_mount_makes_unshared_content_readable_from_the_network() {
    let mut world = World::new(Share::Loopback);
    let image = world.image();
    pulled(&world.near(), &image);
    let layer = digest(&image.blobs[1]);
    let mount = |client: &Client, from: &str| {
        client.post(format!("/v2/mine/blobs/uploads/?mount={layer}{from}")).send().status
    };
    for login in [true, false] {
        if !login {
            world.without_login();
        }
        for from in ["", "&from=up.example/app"] {
            assert_eq!(mount(&world.far(), from), 202, "{login} {from}");
        }
        world.far().get(format!("/v2/mine/blobs/{layer}")).send().expect_error(404, ErrorCode::BlobUnknown);
    }
    // A client that may read the blob may share it with others.
    assert_eq!(mount(&world.near(), "&from=up.example/app"), 201);
    world.far().get(format!("/v2/mine/blobs/{layer}")).send().expect(200);
    assert_eq!(mount(&world.far(), ""), 201);
}

/// Removes the credentials while the registry runs; the upstream requires none any more.
fn log_out(world: &World) {
    world.upstream.require_nothing();
    let mut allowed = Allowed::none();
    let upstream = Upstream::new(UPSTREAM.parse().unwrap(), vec![world.upstream.endpoint()]);
    allowed.add(upstream, &[]).unwrap();
    world.registry.cache().set(allowed, CacheOptions::default());
}

#[test]
fn a_request_without_credentials_joins_no_download_that_uses_them() {
    let world = World::new(Share::Loopback);
    let content = hythe_testing::bytes(1, 2_000_000);
    let blob: Digest = world.upstream.push_blob("app", &content);
    world.upstream.push_blob("other", &content);
    world.upstream.limit_bandwidth(Some(1_000_000));
    let mut connection = world.near().connect();
    connection
        .send(format!("GET /v2/{UPSTREAM}/app/blobs/{blob} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        .unwrap();
    connection.read_exactly(1000).unwrap();
    log_out(&world);
    for repository in ["app", "other"] {
        let answer = world.far().get(format!("/v2/{UPSTREAM}/{repository}/blobs/{blob}")).send();
        answer.expect_error(403, ErrorCode::Denied);
    }
    world.upstream.limit_bandwidth(None);
    world.near().get(format!("/v2/{UPSTREAM}/app/blobs/{blob}")).send().expect(200);
    // The other repository fetches the blob for itself, without credentials.
    world.far().get(format!("/v2/{UPSTREAM}/other/blobs/{blob}")).send().expect(200);
    world.far().get(format!("/v2/{UPSTREAM}/app/blobs/{blob}")).send().expect_error(403, ErrorCode::Denied);
}

#[test]
fn a_request_without_credentials_joins_no_manifest_request_that_uses_them() {
    let world = World::new(Share::Loopback);
    let image = world.image();
    let slow = hythe_testing::Fault::Delay(std::time::Duration::from_millis(500));
    world.upstream.rule(hythe_testing::Rule::on("GET", "/manifests/", slow));
    let target = format!("/v2/{UPSTREAM}/app/manifests/{}", image.digest());
    std::thread::scope(|scope| {
        let near = scope.spawn(|| world.near().get(&target).send().expect(200));
        eventually("the request with credentials", || world.upstream.count("GET", "/manifests/") > 0);
        log_out(&world);
        world.far().get(&target).send().expect_error(403, ErrorCode::Denied);
        near.join().unwrap();
    });
}

#[test]
fn a_page_whose_name_was_rebound_to_loopback_counts_as_the_network() {
    let world = World::new(Share::Loopback);
    let image = world.image();
    pulled(&world.near(), &image);
    let target = format!("/v2/{UPSTREAM}/app/manifests/v1");
    let answer = world.near().get(&target).header("host", "evil.example").send();
    answer.expect_error(403, ErrorCode::Denied);
    world.near().get(&target).header("host", "127.0.0.1").send().expect(200);
}

#[test]
fn content_fetched_without_credentials_is_served_to_all() {
    let upstream = ScriptedUpstream::start();
    let registry = setup(&upstream, Credentials::Anonymous, Share::Loopback).start();
    let world = World { upstream, registry };
    let image = world.image();
    pulled(&world.far(), &image);
    assert_eq!(listed(&world.far()).0, json!(["up.example/app"]));
    let allowed: Arc<Allowed> = world.registry.cache().allowed();
    assert_eq!(allowed.all().len(), 1);
}
