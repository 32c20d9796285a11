//! Pushing and pulling manifests.

use hythe_oci::media_type::{
    DOCKER_LAYER_FOREIGN, DOCKER_LAYER_FOREIGN_GZIP, DOCKER_LIST, DOCKER_MANIFEST, DOCKER_SCHEMA1,
    DOCKER_SCHEMA1_SIGNED, OCI_EMPTY, OCI_INDEX, OCI_LAYER_NONDISTRIBUTABLE, OCI_LAYER_NONDISTRIBUTABLE_GZIP,
    OCI_LAYER_NONDISTRIBUTABLE_ZSTD, OCI_LAYER_ZSTD, OCI_MANIFEST,
};
use hythe_oci::{Algorithm, Digest, ErrorCode};
use hythe_testing::{Answer, ImageBuilder, IndexBuilder, Manifest, Setup};
use serde_json::{Value, json};

use crate::world::World;

on_every_configuration! {
    a_manifest_is_pulled_by_tag_and_by_digest_as_it_was_pushed,
    a_manifest_that_is_not_there_is_not_found,
    a_manifest_is_pushed_by_its_digest_alone,
    a_manifest_pushed_under_a_wrong_digest_is_refused,
    every_kind_of_manifest_is_accepted,
    manifests_that_the_specification_leaves_open_are_accepted,
    a_manifest_of_schema_1_is_refused,
    the_content_type_is_the_pushed_one_without_parameters,
    the_accept_header_changes_nothing,
    a_non_distributable_layer_need_not_be_pushed,
    an_index_may_list_missing_manifests,
    a_manifest_with_missing_blobs_is_accepted_with_a_warning,
    a_warning_stays_within_its_limit,
    a_manifest_with_missing_blobs_is_refused_if_blobs_are_required,
    a_subject_is_acknowledged_whether_it_exists_or_not,
    a_manifest_of_four_megabytes_is_accepted_and_one_above_the_limit_is_not,
    a_tag_moves_and_the_manifest_before_stays,
    a_push_by_digest_sets_all_tags_that_it_names,
    a_push_of_more_tags_than_are_allowed_sets_none,
}

/// Sets `manifest.require-blobs`.
fn strict(setup: Setup) -> Setup {
    setup.registry(|options| options.manifest_require_blobs = true)
}

#[track_caller]
fn assert_pulled(world: &World, path: &str, manifest: &Manifest, digest: Digest) {
    let answer = world.get(path).send().expect(200);
    assert!(answer.body == manifest.bytes, "other bytes came back: {answer}");
    for answer in [answer, world.head(path).send().expect(200)] {
        assert_eq!(answer.header("content-type"), Some(manifest.media_type.as_str()));
        assert_eq!(answer.header("content-length"), Some(manifest.bytes.len().to_string().as_str()));
        assert_eq!(answer.digest(), digest);
    }
}

#[track_caller]
fn assert_pushed(answer: &Answer, repository: &str, digest: Digest) {
    assert_eq!(answer.status, 201, "{answer}");
    assert_eq!(answer.digest(), digest);
    assert_eq!(answer.location(), format!("/v2/{repository}/manifests/{digest}"));
}

/// Pulling manifests (end-3): `200 OK`, exact bytes, digest, length. Pushing manifests (end-7a): `201 Created`, a
/// `Location` that can be pulled, the client's digest.
fn a_manifest_is_pulled_by_tag_and_by_digest_as_it_was_pushed(setup: Setup) {
    let world = World::start(setup);
    let image = ImageBuilder::new(1).layers(2, 1000).build();
    let answer = image.push(&world, "some/app", "v1");
    assert_pushed(&answer, "some/app", image.digest());
    assert_pulled(&world, &answer.location(), &image, image.digest());
    assert_pulled(&world, "/v2/some/app/manifests/v1", &image, image.digest());
    // A second push changes nothing.
    assert_pushed(&image.push(&world, "some/app", "v1"), "some/app", image.digest());
    assert_pulled(&world, "/v2/some/app/manifests/v1", &image, image.digest());
}

/// Pulling manifests: "If the manifest is not found in the repository, the response code MUST be 404 Not Found."
fn a_manifest_that_is_not_there_is_not_found(setup: Setup) {
    let world = World::start(setup);
    let image = ImageBuilder::new(1).build();
    image.push(&world, "app", "latest");
    image.push_blobs(&world, "blobs/only");
    for (repository, reference) in [
        ("app", "missing".to_owned()),
        ("app", Digest::of(Algorithm::Sha256, b"missing").to_string()),
        ("app", image.digest_by(Algorithm::Sha512).to_string()),
        ("blobs/only", image.digest().to_string()),
        ("blobs/only", "latest".to_owned()),
        ("never", "latest".to_owned()),
    ] {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let message = world.get(&path).send().expect_error(404, ErrorCode::ManifestUnknown);
        assert!(message.contains(&reference) && message.contains(repository), "{message}");
        world.head(&path).send().expect(404);
    }
}

fn a_manifest_is_pushed_by_its_digest_alone(setup: Setup) {
    let world = World::start(setup);
    for (seed, algorithm) in [(1, Algorithm::Sha256), (2, Algorithm::Sha512)] {
        let image = ImageBuilder::new(seed).layers(1, 100).algorithm(algorithm).build();
        let digest = image.digest_by(algorithm);
        let answer = image.push(&world, "app", digest);
        assert_pushed(&answer, "app", digest);
        assert_pulled(&world, &answer.location(), &image, digest);
    }
    assert_eq!(world.get("/v2/app/tags/list").send().expect(200).json()["tags"], json!([]));
}

/// Pushing manifests: the digest "MUST be equal to the client provided digest".
fn a_manifest_pushed_under_a_wrong_digest_is_refused(setup: Setup) {
    let world = World::start(setup);
    let image = ImageBuilder::new(1).build();
    image.push_blobs(&world, "app");
    for algorithm in Algorithm::ALL {
        let other = Digest::of(algorithm, b"another");
        let message = image.put(&world, "app", other).expect_error(400, ErrorCode::DigestInvalid);
        for named in [other, image.digest_by(algorithm)] {
            assert!(message.contains(&named.to_string()), "{message}");
            world.get(format!("/v2/app/manifests/{named}")).send().expect(404);
        }
    }
}

/// registry:2: schema 2 and manifest lists beside the image-spec's manifests and indexes.
fn every_kind_of_manifest_is_accepted(setup: Setup) {
    let world = World::start(setup);
    let image = |seed| ImageBuilder::new(seed).layers(1, 200).build();
    let index = IndexBuilder::new().manifest(image(1)).manifest(image(2)).build();
    let list = IndexBuilder::new().docker().manifest(ImageBuilder::new(3).docker().layers(1, 200).build());
    let nested = IndexBuilder::new().manifest(index.clone()).manifest(image(4)).build();
    let artifact = ImageBuilder::artifact(5, "application/vnd.example.sbom").build();
    for (tag, manifest, media_type) in [
        ("image", image(1), OCI_MANIFEST),
        ("index", index, OCI_INDEX),
        ("docker", ImageBuilder::new(3).docker().layers(1, 200).build(), DOCKER_MANIFEST),
        ("list", list.build(), DOCKER_LIST),
        ("nested", nested, OCI_INDEX),
        ("artifact", artifact, OCI_MANIFEST),
    ] {
        assert_eq!(manifest.media_type, media_type);
        manifest.push(&world, "app", tag);
        assert_pulled(&world, &format!("/v2/app/manifests/{tag}"), &manifest, manifest.digest());
        for listed in &manifest.manifests {
            assert_pulled(&world, &format!("/v2/app/manifests/{}", listed.digest()), listed, listed.digest());
        }
    }
}

/// Pushing manifests: "the list of blobs MAY be empty". image-spec: a registry accepts types and fields that it
/// does not know, content embedded in `data`, and an empty index.
fn manifests_that_the_specification_leaves_open_are_accepted(setup: Setup) {
    let world = World::start(setup);
    let unknown = json!({ "mediaType": "application/vnd.example.unknown", "digest": Digest::of(Algorithm::Sha256, b"x"),
        "size": 1, "platform": { "architecture": "z80", "os": "cp/m" }, "artifactType": "application/x" });
    let image = ImageBuilder::new(11).build();
    let mut without_layers: Value = serde_json::from_slice(&image.bytes).unwrap();
    without_layers.as_object_mut().unwrap().remove("layers");
    let data = json!({ "mediaType": OCI_EMPTY, "size": 2, "data": "e30=",
        "digest": Digest::of(Algorithm::Sha256, b"{}") });
    for (tag, manifest) in [
        ("no-layers", ImageBuilder::new(1).build()),
        ("zstd", ImageBuilder::new(2).layer(OCI_LAYER_ZSTD, b"zstd").build()),
        ("unknown-layer", ImageBuilder::new(3).layer("application/x.unknown; a=b", b"layer").build()),
        ("unknown-config", ImageBuilder::new(4).config("text/x-unknown", b"config").build()),
        ("unknown-artifact", ImageBuilder::artifact(5, "x-unknown/y").build()),
        ("fields", ImageBuilder::new(6).field("org.example.custom", json!({ "a": [1, null] })).build()),
        ("data", ImageBuilder::artifact(7, "a/b").config(OCI_EMPTY, b"{}").field("config", data).build()),
        ("null-layers", ImageBuilder::new(9).field("layers", Value::Null).build()),
        (
            "nulls",
            ImageBuilder::new(10)
                .field("annotations", json!({ "a": null }))
                .field("subject", Value::Null)
                .build(),
        ),
        ("missing-layers", Manifest { bytes: without_layers.to_string().into_bytes(), ..image.clone() }),
        ("same-layer-twice", ImageBuilder::new(8).layer("a/b", b"same").layer("a/b", b"same").build()),
        ("empty-index", IndexBuilder::new().build()),
        (
            "missing-manifests",
            Manifest::of(OCI_INDEX, &json!({ "schemaVersion": 2, "mediaType": OCI_INDEX })),
        ),
        ("unknown-entry", IndexBuilder::new().entry(unknown).build()),
        ("index-fields", IndexBuilder::new().field("custom", "value").field("artifactType", "a/b").build()),
    ] {
        manifest.push(&world, "app", tag);
        assert_pulled(&world, &format!("/v2/app/manifests/{tag}"), &manifest, manifest.digest());
    }
}

/// registry:2 accepted schema 1. No client writes it any more, and containerd refuses to read it.
fn a_manifest_of_schema_1_is_refused(setup: Setup) {
    let world = World::start(setup);
    let manifest = json!({ "schemaVersion": 1, "name": "app", "tag": "v1", "fsLayers": [], "history": [] });
    for media_type in [DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED, ""] {
        let answer = Manifest::of(media_type, &manifest).put(&world, "app", "v1");
        let message = answer.expect_error(400, ErrorCode::ManifestInvalid);
        assert!(message.contains("schema 1"), "{message}");
    }
}

/// Pulling manifests: "SHOULD NOT include parameters", "SHOULD match what the client pushed". Pushing manifests: "The
/// registry SHOULD ignore parameters".
fn the_content_type_is_the_pushed_one_without_parameters(setup: Setup) {
    let world = World::start(setup);
    let image = ImageBuilder::new(1).layers(1, 10).build();
    image.push_blobs(&world, "app");
    let put = world.put("/v2/app/manifests/v1").body(&image.bytes);
    for request in [
        put.clone().header("content-type", format!("{OCI_MANIFEST}; charset=utf-8")),
        put.clone().header("content-type", format!("{OCI_MANIFEST} ;a=b")),
        // Without a Content-Type, the manifest's own `mediaType` counts.
        put,
    ] {
        request.send().expect(201);
        assert_pulled(&world, "/v2/app/manifests/v1", &image, image.digest());
    }
}

/// Pulling manifests: clients SHOULD send `Accept`; the registry has only the type that was pushed.
fn the_accept_header_changes_nothing(setup: Setup) {
    let world = World::start(setup);
    let index = IndexBuilder::new().manifest(ImageBuilder::new(1).build()).build();
    index.push(&world, "app", "v1");
    for accept in ["*/*", "application/json", DOCKER_MANIFEST, OCI_INDEX, "image/png"] {
        let answer = world.get("/v2/app/manifests/v1").header("accept", accept).send().expect(200);
        assert_eq!(
            (answer.header("content-type"), answer.digest()),
            (Some(OCI_INDEX), index.digest()),
            "{accept}"
        );
    }
}

/// image-spec, Non-distributable layers: clients do not push them.
fn a_non_distributable_layer_need_not_be_pushed(setup: Setup) {
    let world = World::start(strict(setup));
    let layer = Digest::of(Algorithm::Sha256, b"never pushed");
    for (seed, media_type) in [
        OCI_LAYER_NONDISTRIBUTABLE,
        OCI_LAYER_NONDISTRIBUTABLE_GZIP,
        OCI_LAYER_NONDISTRIBUTABLE_ZSTD,
        DOCKER_LAYER_FOREIGN,
        DOCKER_LAYER_FOREIGN_GZIP,
    ]
    .into_iter()
    .enumerate()
    {
        let image =
            ImageBuilder::new(seed as u64).layers(1, 10).unpushed_layer(media_type, layer, 12).build();
        let answer = image.push(&world, "app", "v1");
        assert_eq!(answer.header("warning"), None, "{media_type}: {answer}");
    }
}

/// Push: "A registry MAY reject"; clients commonly copy only some platforms of an index.
fn an_index_may_list_missing_manifests(setup: Setup) {
    let world = World::start(strict(setup));
    let missing = ImageBuilder::new(1).build().descriptor();
    let index = IndexBuilder::new().entry(missing).manifest(ImageBuilder::new(2).build()).build();
    let answer = index.push(&world, "app", "v1");
    assert_eq!(answer.header("warning"), None, "{answer}");
    assert_pulled(&world, "/v2/app/manifests/v1", &index, index.digest());
}

/// Push: "A registry MAY reject"; Warnings: `299 - "text"`.
fn a_manifest_with_missing_blobs_is_accepted_with_a_warning(setup: Setup) {
    let world = World::start(setup);
    let image = ImageBuilder::new(1).layers(3, 100).build();
    for blob in &image.blobs[..2] {
        world.push_blob("app", blob);
    }
    let answer = image.put(&world, "app", "v1");
    assert_pushed(&answer, "app", image.digest());
    let warnings: String = answer.all("warning").collect();
    for (blob, missing) in image.blobs.iter().zip([false, false, true, true]) {
        let digest = Digest::of(Algorithm::Sha256, blob).to_string();
        assert_eq!(warnings.contains(&digest), missing, "{digest}: {answer}");
    }
    assert_pulled(&world, "/v2/app/manifests/v1", &image, image.digest());
    // If no blob is missing, the response has no warning.
    image.push_blobs(&world, "app");
    assert_eq!(image.put(&world, "app", "v1").expect(201).header("warning"), None);
}

/// Warnings: "MUST NOT send more than 4096 bytes of warning data from all headers combined". `World` checks this for
/// every response.
fn a_warning_stays_within_its_limit(setup: Setup) {
    let world = World::start(setup);
    let image = ImageBuilder::new(1).algorithm(Algorithm::Sha512).layers(300, 16).build();
    for name in ["app".to_owned(), "a".repeat(255)] {
        let answer = image.put(&world, &name, "v1").expect(201);
        // The configuration is missing too.
        assert!(
            answer.all("warning").any(|text| text.contains("301 ") && text.contains("sha512:")),
            "{answer}"
        );
    }
}

/// Push: "When a manifest is rejected for this reason, it MUST result in one or more `MANIFEST_BLOB_UNKNOWN` errors."
fn a_manifest_with_missing_blobs_is_refused_if_blobs_are_required(setup: Setup) {
    let world = World::start(strict(setup));
    let image = ImageBuilder::new(1).layers(2, 100).build();
    for blob in &image.blobs[..2] {
        world.push_blob("app", blob);
    }
    let missing = Digest::of(Algorithm::Sha256, &image.blobs[2]).to_string();
    let answer = image.put(&world, "app", "v1");
    let message = answer.expect_error(400, ErrorCode::ManifestBlobUnknown);
    assert!(message.contains(&missing), "{message}");
    assert_eq!(answer.json()["errors"][0]["detail"], json!({ "digests": [missing] }));
    world.get("/v2/app/manifests/v1").send().expect(404);
    world.get(format!("/v2/app/manifests/{}", image.digest())).send().expect(404);
    // A blob of another repository does not count.
    world.push_blob("elsewhere", &image.blobs[2]);
    image.put(&world, "app", "v1").expect_error(400, ErrorCode::ManifestBlobUnknown);
    world.push_blob("app", &image.blobs[2]);
    image.put(&world, "app", "v1").expect(201);
}

/// Pushing manifests with subject: `OCI-Subject`. Push: "MUST initially accept an otherwise valid manifest with a
/// `subject` field that references a manifest that does not exist".
fn a_subject_is_acknowledged_whether_it_exists_or_not(setup: Setup) {
    let world = World::start(setup);
    let subject = ImageBuilder::new(1).build();
    let image = ImageBuilder::new(2).subject(&subject).build();
    let index = IndexBuilder::new().subject(&subject).build();
    for _ in 0..2 {
        for manifest in [&image, &index] {
            let answer = manifest.push(&world, "app", manifest.digest());
            assert_eq!(answer.header("oci-subject"), Some(subject.digest().to_string().as_str()));
        }
        let answer = subject.push(&world, "app", "latest");
        assert_eq!(answer.header("oci-subject"), None);
    }
}

/// Pushing manifests: "SHOULD expect to be able to support manifest pushes of at least 4 megabytes", `413` above the
/// limit (end-7).
fn a_manifest_of_four_megabytes_is_accepted_and_one_above_the_limit_is_not(setup: Setup) {
    let limit = 4 * 1024 * 1024;
    let world = World::start(setup.registry(|options| options.manifest_max_size = limit));
    let image = ImageBuilder::new(1).build();
    image.push_blobs(&world, "app");
    let of_size = |size: usize| {
        let mut manifest = image.clone();
        // White space counts as part of the manifest.
        manifest.bytes.resize(size, b' ');
        manifest
    };
    let largest = of_size(limit);
    let answer = largest.put(&world, "app", "large");
    assert_pushed(&answer, "app", largest.digest());
    assert_pulled(&world, &answer.location(), &largest, largest.digest());
    let larger = of_size(limit + 1);
    let message = larger.put(&world, "app", "larger").expect_error(413, ErrorCode::ManifestInvalid);
    assert!(message.contains(&limit.to_string()), "{message}");
    let streamed = world.put("/v2/app/manifests/larger").header("content-type", OCI_MANIFEST);
    streamed.stream(&larger.bytes).send().expect_error(413, ErrorCode::ManifestInvalid);
    world.get("/v2/app/manifests/larger").send().expect(404);
}

fn a_tag_moves_and_the_manifest_before_stays(setup: Setup) {
    let world = World::start(setup);
    let (old, new) = (ImageBuilder::new(1).build(), ImageBuilder::new(2).build());
    old.push(&world, "app", "latest");
    new.push(&world, "app", "latest");
    assert_pulled(&world, "/v2/app/manifests/latest", &new, new.digest());
    assert_pulled(&world, &format!("/v2/app/manifests/{}", old.digest()), &old, old.digest());
    old.push(&world, "app", "latest");
    assert_pulled(&world, "/v2/app/manifests/latest", &old, old.digest());
}

/// Pushing manifests (end-7b): "SHOULD support pushing at least 10 tags", "MUST include an `OCI-Tag` response header
/// [...] for each accepted tag". A tag can name a manifest by its SHA-512 digest.
fn a_push_by_digest_sets_all_tags_that_it_names(setup: Setup) {
    let world = World::start(setup);
    for (algorithm, repository) in [(Algorithm::Sha256, "one"), (Algorithm::Sha512, "two")] {
        let image = ImageBuilder::new(1).layers(1, 10).build();
        image.push_blobs(&world, repository);
        let digest = image.digest_by(algorithm);
        let tags: Vec<String> = (10..30).map(|number| format!("v{number}")).collect();
        let put = world.put(format!("/v2/{repository}/manifests/{digest}")).body(&image.bytes);
        let mut put = put.header("content-type", &image.media_type);
        // One tag is given twice.
        for tag in tags.iter().chain(&tags[..1]) {
            put = put.query("tag", tag);
        }
        let answer = put.send();
        assert_pushed(&answer, repository, digest);
        let accepted: Vec<&str> = answer.all("oci-tag").flat_map(|tags| tags.split(", ")).collect();
        assert_eq!(accepted, tags);
        let list = world.get(format!("/v2/{repository}/tags/list")).send().expect(200);
        assert_eq!(list.json()["tags"], json!(tags));
        for tag in &tags {
            assert_pulled(&world, &format!("/v2/{repository}/manifests/{tag}"), &image, digest);
        }
    }
}

/// Pushing manifests: "MAY return a `414 Request-URI Too Long`".
fn a_push_of_more_tags_than_are_allowed_sets_none(setup: Setup) {
    let world = World::start(setup);
    let image = ImageBuilder::new(1).build();
    image.push_blobs(&world, "app");
    let put = world.put(format!("/v2/app/manifests/{}", image.digest())).body(&image.bytes);
    let mut put = put.header("content-type", &image.media_type);
    for number in 0..101 {
        put = put.query("tag", format!("v{number}"));
    }
    let message = put.send().expect_error(414, ErrorCode::TagInvalid);
    assert!(message.contains("101"), "{message}");
    world.get(format!("/v2/app/manifests/{}", image.digest())).send().expect(404);
}
