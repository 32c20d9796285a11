//! `?ns=`: which registry a client means (Registry Proxying).

use hythe_oci::{Algorithm, Digest, ErrorCode};
use hythe_testing::{ImageBuilder, Setup};

use crate::world::World;

on_every_configuration! {
    a_namespace_of_this_registry_is_answered_and_echoed,
    an_image_of_another_registry_is_not_answered_from_here,
    a_client_that_names_the_registry_on_every_request_can_push,
}

/// Registry Proxying (end-1 to end-14 with `ns`): "SHOULD return the `ns` query parameter value in the `OCI-Namespace`
/// header".
fn a_namespace_of_this_registry_is_answered_and_echoed(setup: Setup) {
    let world = World::start(setup.server(|options| options.hosts = vec!["registry.example".to_owned()]));
    let image = ImageBuilder::new(1).build();
    image.push(&world, "app", "latest");
    // A container cannot know under which port and name the host publishes the registry, so a name of one label means
    // this registry.
    for namespace in
        ["localhost:5000", "127.0.0.1:5001", "kind-registry:5000", "registry", "registry.example"]
    {
        for path in ["/v2/app/manifests/latest", "/v2/app/tags/list", "/v2/_catalog", "/v2/"] {
            for request in [world.get(path), world.head(path)] {
                let answer = request.query("ns", namespace).send().expect(200);
                assert_eq!(answer.header("oci-namespace"), Some(namespace), "{path}");
            }
        }
    }
    let answer = world.get("/v2/app/manifests/latest").send().expect(200);
    assert_eq!(answer.header("oci-namespace"), None);
}

/// An image of one registry is never served as another's; after the 404 containerd tries the next host.
fn an_image_of_another_registry_is_not_answered_from_here(setup: Setup) {
    let world = World::start(setup);
    let image = ImageBuilder::new(1).build();
    image.push(&world, "library/redis", "latest");
    let blob = Digest::of(Algorithm::Sha256, &image.blobs[0]);
    for namespace in ["docker.io", "ghcr.io", "registry.example:5000", "10.0.0.1:5000", ""] {
        for request in [
            world.get("/v2/library/redis/manifests/latest"),
            world.get(format!("/v2/library/redis/blobs/{blob}")),
            world.get("/v2/library/redis/tags/list"),
            world.put("/v2/library/redis/manifests/new").body(&image.bytes),
            world.post("/v2/library/redis/blobs/uploads/"),
            world.delete("/v2/library/redis/manifests/latest"),
        ] {
            let answer = request.query("ns", namespace).send();
            let message = answer.expect_error(404, ErrorCode::NameUnknown);
            assert!(message.contains(&format!("`{namespace}`")), "{message}");
        }
    }
    world.get("/v2/library/redis/manifests/latest").send().expect(200);
    world.get("/v2/library/redis/manifests/new").send().expect(404);
}

/// containerd sends `?ns=` with every request.
fn a_client_that_names_the_registry_on_every_request_can_push(setup: Setup) {
    let world = World::start(setup);
    let image = ImageBuilder::new(1).layers(1, 1000).build();
    for blob in &image.blobs {
        let digest = Digest::of(Algorithm::Sha256, blob);
        world.head(format!("/v2/app/blobs/{digest}")).query("ns", "localhost:5000").send().expect(404);
        let start = world.post("/v2/app/blobs/uploads/").query("ns", "localhost:5000");
        let location = start.send().expect(202).location();
        let close = world.put(location).query("digest", digest).query("ns", "localhost:5000");
        close.body(blob).send().expect(201);
    }
    let put = world.put("/v2/app/manifests/latest").query("ns", "localhost:5000");
    put.header("content-type", &image.media_type).body(&image.bytes).send().expect(201);
    assert_eq!(world.get("/v2/app/manifests/latest").send().expect(200).body, image.bytes);
}
