//! Malformed requests get the specification's status and code, and a message that names the value.

use hythe_oci::media_type::{OCI_INDEX, OCI_MANIFEST};
use hythe_oci::{Algorithm, Digest, ErrorCode};
use hythe_testing::{ImageBuilder, Manifest, Request, Setup, bytes, eventually};
use serde_json::{Value, json};

use crate::world::World;

on_every_configuration! {
    a_malformed_name_is_refused_by_every_endpoint,
    a_malformed_tag_or_digest_is_refused_by_every_endpoint,
    a_malformed_parameter_is_refused,
    a_malformed_header_is_refused,
    a_malformed_manifest_is_refused,
    a_refused_push_leaves_nothing,
    an_upload_above_the_limit_gets_429_with_retry_after,
    an_error_has_the_form_of_the_specification,
}

/// Expects a refusal whose message has `named`. The same request as a HEAD must have the same status, without a body.
#[track_caller]
fn assert_refused(request: Request, status: u16, code: ErrorCode, named: &str) {
    let about = format!("{request:?}");
    let answer = request.send();
    assert_eq!(answer.status, status, "{about}: {answer}");
    let message = answer.expect_error(status, code);
    assert!(message.contains(named), "`{named}` is not in the message of {about}: {message}");
}

/// Every request of the API with this name, tag or digest in its path.
fn requests(world: &World, name: &str, reference: &str, digest: &str) -> Vec<Request> {
    let id = "0".repeat(32);
    let mut requests = manifest_requests(world, name, reference);
    requests.extend(digest_requests(world, name, digest));
    requests.extend([
        world.get(format!("/v2/{name}/tags/list")),
        world.post(format!("/v2/{name}/blobs/uploads/")),
        world.get(format!("/v2/{name}/blobs/uploads/{id}")),
        world.patch(format!("/v2/{name}/blobs/uploads/{id}")),
        world.put(format!("/v2/{name}/blobs/uploads/{id}")),
        world.delete(format!("/v2/{name}/blobs/uploads/{id}")),
    ]);
    requests
}

fn manifest_requests(world: &World, name: &str, reference: &str) -> Vec<Request> {
    let path = format!("/v2/{name}/manifests/{reference}");
    let put = world.put(&path).header("content-type", OCI_MANIFEST).body(&ImageBuilder::new(1).build().bytes);
    vec![world.get(&path), put, world.delete(&path)]
}

fn digest_requests(world: &World, name: &str, digest: &str) -> Vec<Request> {
    let path = format!("/v2/{name}/blobs/{digest}");
    vec![world.get(&path), world.delete(&path), world.get(format!("/v2/{name}/referrers/{digest}"))]
}

/// Pulling manifests: the form that a `<name>` MUST match; clients limit it to 255 characters.
fn a_malformed_name_is_refused_by_every_endpoint(setup: Setup) {
    let world = World::start(setup);
    let digest = Digest::of(Algorithm::Sha256, b"content").to_string();
    let long = "a".repeat(256);
    for (name, named) in [
        ("UPPER", "`UPPER`"),
        ("app/Upper", "`app/Upper`"),
        ("-app", "`-app`"),
        ("app-", "`app-`"),
        (".app", "`.app`"),
        ("app..b", "`app..b`"),
        ("app___b", "`app___b`"),
        ("app._b", "`app._b`"),
        ("a%20b", "`a b`"),
        ("a%00b", "`a\0b`"),
        ("%C3%A4", "`ä`"),
        ("_ext", "`_ext`"),
        ("..", "`..`"),
        ("%2e%2e/%2e%2e/etc", "`../../etc`"),
        (&long, "256"),
    ] {
        for request in requests(&world, name, "latest", &digest) {
            assert_refused(request, 400, ErrorCode::NameInvalid, named);
        }
        world.head(format!("/v2/{name}/manifests/latest")).send().expect(400);
    }
}

/// Pulling manifests: a `<tag-or-digest>` "MUST NOT be in any other format". Pushing blobs: an invalid digest or an
/// unsupported algorithm is a 400.
fn a_malformed_tag_or_digest_is_refused_by_every_endpoint(setup: Setup) {
    let world = World::start(setup);
    let long = "a".repeat(129);
    for (tag, named) in [
        ("-latest", "`-latest`"),
        (".latest", "`.latest`"),
        ("a%20b", "`a b`"),
        ("a+b", "`a+b`"),
        ("a%2Fb", "`a/b`"),
        ("%C3%A4", "`ä`"),
        ("a@b", "`a@b`"),
        (&long, &long),
    ] {
        for request in manifest_requests(&world, "app", tag) {
            assert_refused(request, 400, ErrorCode::TagInvalid, named);
        }
        world.head(format!("/v2/app/manifests/{tag}")).send().expect(400);
    }
    let hex = "0".repeat(64);
    for (digest, named) in [
        ("sha256:baddigeststring".to_owned(), "`sha256:baddigeststring`".to_owned()),
        (format!("sha256:{hex}0"), format!("`sha256:{hex}0`")),
        (format!("sha256:{}A", &hex[1..]), format!("`sha256:{}A`", &hex[1..])),
        (format!("sha256:{}g", &hex[1..]), format!("`sha256:{}g`", &hex[1..])),
        (format!("sha512:{hex}"), format!("`sha512:{hex}`")),
        (format!("SHA256:{hex}"), format!("`SHA256:{hex}`")),
        (format!("sha256:{hex}:"), format!("`sha256:{hex}:`")),
        (format!(":{hex}"), format!("`:{hex}`")),
        ("sha256:".to_owned(), "`sha256:`".to_owned()),
        (format!("md5:{}", &hex[..32]), "`md5`".to_owned()),
        (format!("blake3:{hex}"), "`blake3`".to_owned()),
        (format!("sha256+b64:{hex}"), "`sha256+b64`".to_owned()),
    ] {
        let mut requests = manifest_requests(&world, "app", &digest);
        requests.extend(digest_requests(&world, "app", &digest));
        let uploads = "/v2/app/blobs/uploads/";
        requests.push(world.post(uploads).query("digest", &digest).body(b"content"));
        requests.push(world.post(uploads).query("mount", &digest).query("from", "other"));
        requests.push(world.put(world.start_upload("app")).query("digest", &digest).body(b"content"));
        for request in requests {
            assert_refused(request, 400, ErrorCode::DigestInvalid, &named);
        }
        world.head(format!("/v2/app/blobs/{digest}")).send().expect(400);
    }
    // Without a colon the text is not a digest.
    for request in digest_requests(&world, "app", "latest") {
        assert_refused(request, 400, ErrorCode::DigestInvalid, "`latest`");
    }
}

fn a_malformed_parameter_is_refused(setup: Setup) {
    let world = World::start(setup);
    let image = ImageBuilder::new(1).build();
    image.push(&world, "app", "latest");
    let digest = image.digest();
    let (tags, referrers) = ("/v2/app/tags/list", format!("/v2/app/referrers/{digest}"));
    let uploads = "/v2/app/blobs/uploads/";
    for n in ["abc", "-1", "1.5", "1e3", "0x10", "", "%20", "18446744073709551616"] {
        let named = format!("`{}`", n.replace("%20", " "));
        for path in [tags, "/v2/_catalog", &referrers] {
            assert_refused(
                world.get(format!("{path}?n={n}")),
                400,
                ErrorCode::PaginationNumberInvalid,
                &named,
            );
        }
    }
    for escape in ["n=%", "n=%zz", "last=%4", "%FF=a"] {
        for path in [tags, "/v2/_catalog", &referrers, "/v2/", "/"] {
            let named = format!("`{escape}`");
            assert_refused(world.get(format!("{path}?{escape}")), 400, ErrorCode::Unsupported, &named);
        }
    }
    let put = format!("/v2/app/manifests/{digest}");
    for (request, code, named) in [
        (world.get(&referrers).query("last", "latest"), ErrorCode::DigestInvalid, "`latest`"),
        (world.post(uploads).query("digest-algorithm", "md5"), ErrorCode::DigestInvalid, "`md5`"),
        (world.post(uploads).query("digest-algorithm", ""), ErrorCode::DigestInvalid, "``"),
        (world.post(uploads).query("digest", ""), ErrorCode::DigestInvalid, "``"),
        (
            world.post(uploads).query("mount", digest).query("from", "Bad/Name"),
            ErrorCode::NameInvalid,
            "`Bad/Name`",
        ),
        (world.put(&put).query("tag", "-bad").body(&image.bytes), ErrorCode::TagInvalid, "`-bad`"),
        (
            world.put(&put).query("tag", "good").query("tag", "").body(&image.bytes),
            ErrorCode::TagInvalid,
            "``",
        ),
    ] {
        assert_refused(request, 400, code, named);
    }
    let listed = world.get(tags).send().expect(200);
    assert_eq!(listed.json()["tags"], json!(["latest"]), "no tag was set beside the bad one");
}

fn a_malformed_header_is_refused(setup: Setup) {
    let world = World::start(setup);
    let image = ImageBuilder::new(1).build();
    image.push_blobs(&world, "app");
    // Pushing a blob in chunks: the form that `<range>` MUST match; otherwise the chunk counts as out of order.
    for range in [
        "",
        "-",
        "0-",
        "-5",
        "a-b",
        "5-4",
        "0 - 4",
        "+0-4",
        "0-4-9",
        "bytes */5",
        "0--4",
        "0-18446744073709551616",
    ] {
        let location = world.start_upload("app");
        let digest = Digest::of(Algorithm::Sha256, b"12345");
        for request in [world.patch(&location), world.put(&location).query("digest", digest)] {
            let request = request.header("content-range", range).body(b"12345");
            assert_refused(request, 416, ErrorCode::BlobUploadInvalid, &format!("`{}`", range.trim()));
        }
        // The session goes on.
        assert_eq!(world.get(&location).send().expect(204).header("range"), Some("0-0"));
        world.put(&location).query("digest", digest).body(b"12345").send().expect(201);
    }
    // Pushing manifests: the type must be known to this registry, and be the one that the manifest states.
    for content_type in
        ["text/plain", "application/json", "application/vnd.oci.image.config.v1+json", OCI_INDEX, "x"]
    {
        let put =
            world.put("/v2/app/manifests/latest").header("content-type", content_type).body(&image.bytes);
        assert_refused(put, 400, ErrorCode::ManifestInvalid, &format!("`{content_type}`"));
    }
    world.get("/v2/app/manifests/latest").send().expect(404);
}

/// An image with one field replaced, or removed if the value is `null`.
fn with(field: &str, value: Value) -> Vec<u8> {
    let mut manifest: Value =
        serde_json::from_slice(&ImageBuilder::new(1).layers(1, 10).build().bytes).unwrap();
    let object = manifest.as_object_mut().unwrap();
    object.remove(field);
    if !value.is_null() {
        object.insert(field.to_owned(), value);
    }
    serde_json::to_vec(&manifest).unwrap()
}

/// Error codes, `MANIFEST_INVALID`; image-spec, manifest.md and descriptor.md.
fn a_malformed_manifest_is_refused(setup: Setup) {
    let world = World::start(setup);
    let digest = Digest::of(Algorithm::Sha256, b"x").to_string();
    let layer = |field: &str, value: Value| {
        let mut layer = json!({ "mediaType": "a/b", "digest": digest, "size": 1 });
        layer[field] = value;
        with("layers", json!([{ "mediaType": "a/b", "digest": digest, "size": 1 }, layer]))
    };
    for (bytes, named) in [
        (b"".to_vec(), "line 1, column 0"),
        (b"not json".to_vec(), "line 1, column 2"),
        (b"{\n \"schemaVersion\": 2,\n \"layers\": [}".to_vec(), "line 3"),
        (b"\xff\xfe".to_vec(), "line 1"),
        (b"[]".to_vec(), "not a JSON object"),
        (b"\"text\"".to_vec(), "not a JSON object"),
        (b"null".to_vec(), "not a JSON object"),
        (b"{\"schemaVersion\":2,\"schemaVersion\":2}".to_vec(), "schemaVersion"),
        (with("schemaVersion", json!(3)), "schemaVersion is 3"),
        (with("schemaVersion", json!("2")), "schemaVersion is \"2\""),
        (with("schemaVersion", Value::Null), "schemaVersion is missing"),
        (with("mediaType", json!("text/html")), "`text/html`"),
        (with("mediaType", json!(7)), "mediaType must be a string"),
        (with("config", Value::Null), "config is missing"),
        (with("config", json!("text")), "config must be a descriptor"),
        (with("config", json!({ "mediaType": "a/b", "size": 1 })), "config.digest is missing"),
        (with("layers", json!({})), "layers must be a list"),
        (with("layers", json!(["text"])), "layers[0]"),
        (layer("digest", json!("sha256:00")), "layers[1].digest is wrong: digest `sha256:00`"),
        (layer("digest", json!("nonsense")), "`nonsense`"),
        (layer("digest", json!(1)), "layers[1].digest"),
        (layer("size", json!(-1)), "layers[1].size is `-1`"),
        (layer("size", json!(1.5)), "layers[1].size is `1.5`"),
        (layer("size", json!("1")), "layers[1].size is `\"1\"`"),
        (layer("mediaType", json!([])), "layers[1].mediaType"),
        (with("subject", json!("text")), "subject"),
        (with("subject", json!({ "mediaType": "a/b", "digest": "sha256:1", "size": 1 })), "subject.digest"),
        (with("annotations", json!([])), "annotations"),
        (with("annotations", json!({ "key": 1 })), "annotations[\"key\"]"),
        (with("artifactType", json!(1)), "artifactType must be a string"),
        (with("manifests", json!([])), "`manifests`"),
    ] {
        let put = world.put("/v2/app/manifests/latest").header("content-type", OCI_MANIFEST).body(&bytes);
        assert_refused(put, 400, ErrorCode::ManifestInvalid, named);
    }
    let foreign = layer("digest", json!(format!("blake3:{}", "0".repeat(64))));
    let put = world.put("/v2/app/manifests/latest").header("content-type", OCI_MANIFEST).body(&foreign);
    assert_refused(put, 400, ErrorCode::DigestInvalid, "`blake3`");
    let unknown = world.put("/v2/app/manifests/latest").body(b"{\"schemaVersion\":2}");
    assert_refused(unknown, 400, ErrorCode::ManifestInvalid, "Content-Type");
    let mixed = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [], "layers": [] });
    let answer = Manifest::of(OCI_INDEX, &mixed).put(&world, "app", "latest");
    assert!(answer.expect_error(400, ErrorCode::ManifestInvalid).contains("`layers`"));
    world.get("/v2/app/manifests/latest").send().expect(404);
}

fn a_refused_push_leaves_nothing(setup: Setup) {
    let world = World::start(setup);
    let digest = Digest::of(Algorithm::Sha256, b"promised");
    world.post("/v2/app/blobs/uploads/").query("digest", digest).body(b"sent").send().expect(400);
    let location = world.start_upload("app");
    world.put(&location).query("digest", digest).body(b"sent").send().expect(400);
    // The session stays open after a wrong digest.
    world.delete(location).send().expect(204);
    world.put("/v2/app/manifests/latest").body(b"{").send().expect(400);
    ImageBuilder::new(1).build().put(&world, "app", digest).expect(400);
    let totals = world.registry.totals();
    assert_eq!((totals.repositories, totals.manifests, totals.blobs, totals.uploads), (0, 0, 0, 0));
    assert_eq!(world.get("/v2/_catalog").send().expect(200).json()["repositories"], json!([]));
}

/// Error codes: "A `429 Too Many Requests` response [...] SHOULD include a `Retry-After` header".
fn an_upload_above_the_limit_gets_429_with_retry_after(setup: Setup) {
    let world = World::start(setup.registry(|options| options.upload_max_concurrent = 1));
    let content = bytes(1, 1000);
    let digest = Digest::of(Algorithm::Sha256, &content);
    let (first, second) = (world.start_upload("app"), world.start_upload("app"));
    // An upload whose body stays open until the test ends it.
    let mut open = world.connect();
    let whole = world.put(&first).query("digest", digest).body(&content).to_bytes();
    open.send(&whole[..whole.len() - 1]).unwrap();
    eventually("the first upload's body", || world.registry.registry().active_uploads() > 0);
    let answer = world.put(&second).query("digest", digest).body(&content).send();
    let message = answer.expect_error(429, ErrorCode::TooManyRequests);
    assert!(message.contains('1'), "{message}");
    assert!(answer.expect_header("retry-after").parse::<u32>().is_ok(), "{answer}");
    open.send(&whole[whole.len() - 1..]).unwrap();
    assert_eq!(open.answer("PUT").unwrap().status, 201);
    world.put(&second).query("digest", digest).body(&content).send().expect(201);
}

/// Error Codes: `errors`, each with `code`, `message`, `detail`, and nothing else.
fn an_error_has_the_form_of_the_specification(setup: Setup) {
    let world = World::start(setup);
    let digest = Digest::of(Algorithm::Sha256, b"missing");
    let answer = world.get(format!("/v2/app/blobs/{digest}")).send().expect(404);
    let body = answer.json();
    assert_eq!(body.as_object().unwrap().keys().collect::<Vec<_>>(), ["errors"]);
    let error = body["errors"][0].as_object().unwrap();
    assert_eq!(error.keys().map(String::as_str).collect::<Vec<_>>(), ["code", "detail", "message"]);
    assert_eq!((&error["code"], &error["detail"]["digest"]), (&json!("BLOB_UNKNOWN"), &json!(digest)));
}
