//! Manifests: the properties that a registry reads from them, and the manifests that it refuses.

use hythe_oci::{Algorithm, Digest, ErrorCode, Manifest, ManifestError, media_type as m};
use proptest::prelude::*;
use serde_json::{Value, json};

fn digest(content: &str) -> Digest {
    Digest::of(Algorithm::Sha256, content.as_bytes())
}

fn descriptor(media_type: &str, content: &str) -> Value {
    json!({"mediaType": media_type, "digest": digest(content), "size": content.len()})
}

fn image() -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": m::OCI_MANIFEST,
        "config": descriptor(m::OCI_CONFIG, "config"),
        "layers": [descriptor(m::OCI_LAYER_GZIP, "one"), descriptor(m::OCI_LAYER_ZSTD, "two")],
    })
}

fn index() -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": m::OCI_INDEX,
        "manifests": [descriptor(m::OCI_MANIFEST, "amd64"), descriptor(m::DOCKER_MANIFEST, "arm64")],
    })
}

/// `document` with the value at the JSON pointer replaced, or removed by `None`.
fn with(mut document: Value, pointer: &str, value: Option<Value>) -> Value {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer begins with a slash");
    let parent = document.pointer_mut(parent).expect("the parent exists");
    match (parent, value) {
        (Value::Object(object), Some(value)) => drop(object.insert(key.to_owned(), value)),
        (Value::Object(object), None) => drop(object.remove(key)),
        (Value::Array(array), Some(value)) => {
            array[key.parse::<usize>().expect("a list's key is a number")] = value;
        }
        (other, _) => panic!("{other} has no {key}"),
    }
    document
}

fn parse(document: &Value) -> Result<Manifest, ManifestError> {
    Manifest::parse(document["mediaType"].as_str(), document.to_string().as_bytes())
}

#[test]
fn an_image_needs_its_configuration_and_layers() {
    let manifest = parse(&image()).unwrap();
    assert_eq!(manifest.media_type, m::OCI_MANIFEST);
    assert_eq!(manifest.config, Some(digest("config")));
    assert_eq!(manifest.blobs, [digest("config"), digest("one"), digest("two")]);
    assert_eq!(manifest.artifact_type.as_deref(), Some(m::OCI_CONFIG));
    assert!(manifest.manifests.is_empty() && manifest.optional_blobs.is_empty() && !manifest.is_index());
    assert_eq!((manifest.subject, manifest.annotations), (None, None));
}

#[test]
fn an_index_lists_its_manifests_once_and_its_other_entries_as_optional_blobs() {
    let entries = json!([
        descriptor(m::OCI_MANIFEST, "amd64"),
        descriptor(m::OCI_MANIFEST, "amd64"),
        descriptor(m::OCI_INDEX, "nested"),
        descriptor("", "untyped"),
        descriptor(m::OCI_LAYER_GZIP, "cached layer"),
        descriptor("application/vnd.buildkit.cacheconfig.v0", "cache configuration"),
        {"mediaType": m::OCI_MANIFEST, "digest": "blake3:00ff", "size": 1},
    ]);
    let manifest = parse(&with(index(), "/manifests", Some(entries))).unwrap();
    assert_eq!(manifest.manifests, [digest("amd64"), digest("nested"), digest("untyped")]);
    assert_eq!(manifest.optional_blobs, [digest("cached layer"), digest("cache configuration")]);
    assert!(manifest.is_index() && manifest.blobs.is_empty());
    assert_eq!(manifest.artifact_type, None);
}

#[test]
fn a_blob_mentioned_twice_is_needed_once() {
    let layers =
        json!([descriptor(m::OCI_LAYER, "one"), descriptor("other", "one"), descriptor("x", "config")]);
    let manifest = parse(&with(image(), "/layers", Some(layers))).unwrap();
    assert_eq!(manifest.blobs, [digest("config"), digest("one")]);
}

#[test]
fn nondistributable_layers_need_not_exist_with_or_without_urls() {
    let mut foreign = descriptor(m::DOCKER_LAYER_FOREIGN_GZIP, "windows");
    foreign["urls"] = json!(["https://example.org/layer"]);
    let mut linked = descriptor(m::OCI_LAYER_GZIP, "linked");
    linked["urls"] = json!(["https://example.org/layer"]);
    let layers = json!([
        foreign,
        linked,
        descriptor(m::OCI_LAYER_NONDISTRIBUTABLE, "licensed"),
        descriptor(m::OCI_LAYER_NONDISTRIBUTABLE, "both"),
        descriptor(m::OCI_LAYER, "both"),
        {"mediaType": m::OCI_LAYER_NONDISTRIBUTABLE, "digest": "blake3:00ff", "size": 1},
    ]);
    let manifest = parse(&with(image(), "/layers", Some(layers))).unwrap();
    assert_eq!(manifest.blobs, [digest("config"), digest("linked"), digest("both")]);
    assert_eq!(manifest.optional_blobs, [digest("windows"), digest("licensed")]);
}

#[test]
fn the_media_type_comes_from_the_header_then_the_field_then_the_fields_present() {
    let bare = |document: Value| with(document, "/mediaType", None).to_string();
    let parsed = |content_type: Option<&str>, text: &str| {
        Manifest::parse(content_type, text.as_bytes()).map(|manifest| manifest.media_type)
    };
    let docker = with(image(), "/config/mediaType", Some(json!(m::DOCKER_CONFIG)));
    for (content_type, text, media_type) in [
        (
            Some("application/vnd.oci.image.manifest.v1+json; charset=utf-8"),
            image().to_string(),
            m::OCI_MANIFEST,
        ),
        (Some(m::DOCKER_MANIFEST), bare(image()), m::DOCKER_MANIFEST),
        (Some(m::DOCKER_LIST), bare(index()), m::DOCKER_LIST),
        (None, index().to_string(), m::OCI_INDEX),
        (Some(" "), index().to_string(), m::OCI_INDEX),
        (None, bare(index()), m::OCI_INDEX),
        (None, bare(image()), m::OCI_MANIFEST),
        (None, bare(docker), m::DOCKER_MANIFEST),
        (Some(m::OCI_INDEX), with(index(), "/mediaType", Some(json!(""))).to_string(), m::OCI_INDEX),
        (Some(m::OCI_INDEX), with(index(), "/mediaType", Some(json!(null))).to_string(), m::OCI_INDEX),
    ] {
        assert_eq!(parsed(content_type, &text).as_deref(), Ok(media_type), "{content_type:?} {text}");
    }
}

#[test]
fn the_artifact_type_is_the_manifests_then_the_configurations() {
    let of = |document: &Value| parse(document).unwrap().artifact_type;
    let typed = |document: Value| with(document, "/artifactType", Some(json!("application/x.sbom")));
    assert_eq!(of(&typed(image())).as_deref(), Some("application/x.sbom"));
    assert_eq!(of(&typed(index())).as_deref(), Some("application/x.sbom"));
    let empty = with(image(), "/artifactType", Some(json!("")));
    assert_eq!(of(&empty).as_deref(), Some(m::OCI_CONFIG));
    assert_eq!(of(&with(index(), "/artifactType", Some(json!("")))), None);
    assert_eq!(of(&with(image(), "/config/mediaType", Some(json!("")))), None);
}

#[test]
fn subject_and_annotations_are_read() {
    let document = with(image(), "/subject", Some(descriptor(m::OCI_INDEX, "subject")));
    let document = with(document, "/annotations", Some(json!({"b": "2", "a": ""})));
    let manifest = parse(&document).unwrap();
    assert_eq!(manifest.subject, Some(digest("subject")));
    let annotations = manifest.annotations.unwrap();
    assert_eq!(
        annotations.into_iter().collect::<Vec<_>>(),
        [("a".into(), String::new()), ("b".into(), "2".into())]
    );
    let blake3 = json!({"mediaType": m::OCI_INDEX, "digest": "blake3:00ff", "size": 1});
    assert_eq!(parse(&with(image(), "/subject", Some(blake3))).unwrap().subject, None);
}

#[test]
fn manifests_that_the_specification_allows_are_accepted() {
    for document in [
        with(image(), "/layers", Some(json!([]))),
        with(image(), "/layers", Some(json!(null))),
        with(image(), "/layers", None),
        with(image(), "/manifests", Some(json!(null))),
        with(image(), "/subject", Some(json!(null))),
        with(image(), "/annotations", Some(json!(null))),
        with(image(), "/annotations", Some(json!({"a": null}))),
        with(image(), "/artifactType", Some(json!(null))),
        with(image(), "/mediaType", Some(json!(null))),
        with(image(), "/org.example", Some(json!([{"deep": 1}]))),
        with(image(), "/config/data", Some(json!("e30="))),
        with(image(), "/config/mediaType", Some(json!("application/x.unknown"))),
        with(image(), "/layers/0/mediaType", Some(json!("application/x.unknown"))),
        with(image(), "/layers/0/size", Some(json!(i64::MAX))),
        with(image(), "/layers/0/extra", Some(json!(-1))),
        with(index(), "/manifests", Some(json!([]))),
        with(index(), "/manifests", Some(json!(null))),
        with(index(), "/manifests", None),
        with(index(), "/layers", Some(json!(null))),
        with(index(), "/manifests/0/mediaType", Some(json!("application/x.unknown"))),
        with(index(), "/manifests/0/platform", Some(json!({"os": "linux", "architecture": "amd64"}))),
    ] {
        parse(&document).unwrap_or_else(|error| panic!("{error}: {document}"));
    }
}

#[test]
fn a_malformed_field_is_named_by_its_path() {
    for (document, pointer, value, message) in [
        (image(), "/config", None, "config is missing"),
        (image(), "/config", Some(json!(null)), "config is missing"),
        (image(), "/config", Some(json!([])), "config must be a descriptor"),
        (image(), "/layers", Some(json!({})), "layers must be a list"),
        (image(), "/layers/1", Some(json!("x")), "layers[1] must be a descriptor"),
        (image(), "/layers/1/digest", None, "layers[1].digest is missing"),
        (image(), "/layers/1/digest", Some(json!(1)), "layers[1].digest must be a string"),
        (
            image(),
            "/layers/1/digest",
            Some(json!("sha256:00")),
            "layers[1].digest is wrong: digest `sha256:00`",
        ),
        (image(), "/layers/0/size", None, "layers[0].size is missing"),
        (image(), "/layers/0/size", Some(json!(null)), "layers[0].size is missing"),
        (image(), "/layers/0/digest", Some(json!(null)), "layers[0].digest is missing"),
        (image(), "/layers/0/mediaType", Some(json!(null)), "layers[0].mediaType is missing"),
        (image(), "/layers/0", Some(json!(null)), "layers[0] must be a descriptor"),
        (image(), "/layers/0/size", Some(json!(-1)), "layers[0].size is `-1`"),
        (image(), "/layers/0/size", Some(json!(1.5)), "layers[0].size is `1.5`"),
        (image(), "/layers/0/size", Some(json!("1")), "layers[0].size is `\"1\"`"),
        (image(), "/layers/0/size", Some(json!(1_u64 << 63)), "layers[0].size is `9223372036854775808`"),
        (image(), "/layers/0/mediaType", None, "layers[0].mediaType is missing"),
        (index(), "/manifests/1/size", Some(json!(-5)), "manifests[1].size is `-5`"),
        (image(), "/subject", Some(json!({"digest": "x"})), "subject.mediaType is missing"),
        (image(), "/annotations", Some(json!({"a": 1})), "annotations[\"a\"] must be a string"),
        (image(), "/annotations", Some(json!(["a"])), "annotations must be an object"),
        (image(), "/artifactType", Some(json!(1)), "artifactType must be a string"),
        (image(), "/schemaVersion", None, "schemaVersion is missing"),
        (image(), "/schemaVersion", Some(json!(1)), "schemaVersion is 1; it must be 2"),
        (image(), "/schemaVersion", Some(json!("2")), "schemaVersion is \"2\""),
        (index(), "/schemaVersion", Some(json!(null)), "schemaVersion is missing"),
    ] {
        let error = parse(&with(document, pointer, value)).unwrap_err();
        assert!(error.to_string().starts_with(message), "wanted {message}, got {error}");
        assert_eq!(error.code(), ErrorCode::ManifestInvalid);
    }
}

#[test]
fn a_list_that_is_null_or_missing_is_empty_in_every_kind_of_manifest() {
    let docker_image = with(image(), "/mediaType", Some(json!(m::DOCKER_MANIFEST)));
    let docker_list = with(index(), "/mediaType", Some(json!(m::DOCKER_LIST)));
    for (document, list) in [
        (image(), "/layers"),
        (docker_image, "/layers"),
        (index(), "/manifests"),
        (docker_list, "/manifests"),
    ] {
        for value in [None, Some(json!(null)), Some(json!([]))] {
            let document = with(document.clone(), list, value);
            let manifest = parse(&document).unwrap_or_else(|error| panic!("{error}: {document}"));
            assert!(manifest.manifests.is_empty() && manifest.blobs.len() <= 1, "{document}");
            assert_eq!(Manifest::read(None, document.to_string().as_bytes()), Ok(manifest));
        }
    }
}

/// `document` with `field` inserted before its own fields, so that a name repeats.
fn with_repeated(document: &Value, field: &str) -> String {
    document.to_string().replacen('{', &format!("{{{field},"), 1)
}

#[test]
fn a_published_manifest_is_accepted_despite_its_oddities() {
    let plain = parse(&image()).unwrap();
    let read = |text: &str| Manifest::read(Some(m::OCI_MANIFEST), text.as_bytes());
    for odd in [
        with(image(), "/artifactType", Some(json!(7))),
        with(image(), "/annotations", Some(json!("none"))),
        with(image(), "/subject", Some(json!({"digest": "x"}))),
        with(image(), "/schemaVersion", None),
        with(image(), "/schemaVersion", Some(json!("2"))),
        with(image(), "/mediaType", Some(json!(["x"]))),
        with(image(), "/manifests", Some(json!([]))),
        with(image(), "/layers/0/size", Some(json!("3"))),
        with(image(), "/layers/0/mediaType", None),
    ] {
        assert_eq!(read(&odd.to_string()), Ok(plain.clone()), "{odd}");
    }
    let annotated = with(image(), "/annotations", Some(json!({"a": null, "b": 7, "c": "d"})));
    let annotations = read(&annotated.to_string()).unwrap().annotations.unwrap();
    assert_eq!(annotations.get("c").map(String::as_str), Some("d"));
    assert!(!annotations.contains_key("b"));
    let repeated = with_repeated(&image(), r#""layers":[],"annotations":{},"annotations":null"#);
    assert_eq!(read(&repeated), Ok(plain), "the last one counts");
    let foreign = with(image(), "/layers/1/digest", Some(json!("blake3:00ff")));
    assert_eq!(read(&foreign.to_string()).unwrap().blobs, [digest("config"), digest("one")]);
    for unreadable in [
        with(image(), "/layers/1/digest", Some(json!("sha256:00"))),
        with(image(), "/layers", Some(json!("none"))),
        with(image(), "/manifests", Some(json!([descriptor(m::OCI_MANIFEST, "amd64")]))),
    ] {
        read(&unreadable.to_string()).unwrap_err();
    }
}

#[test]
fn a_published_manifest_tells_its_type_if_its_content_type_does_not() {
    let bare = |document: Value| with(document, "/mediaType", None).to_string();
    let docker = with(image(), "/config/mediaType", Some(json!(m::DOCKER_CONFIG)));
    for (content_type, text, media_type) in [
        (Some("application/json"), image().to_string(), m::OCI_MANIFEST),
        (Some("text/plain; charset=utf-8"), index().to_string(), m::OCI_INDEX),
        (Some("application/octet-stream"), bare(index()), m::OCI_INDEX),
        (Some("application/octet-stream"), bare(docker), m::DOCKER_MANIFEST),
        (Some(m::DOCKER_MANIFEST), image().to_string(), m::DOCKER_MANIFEST),
        (Some(m::OCI_INDEX), image().to_string(), m::OCI_MANIFEST),
        (None, with(index(), "/mediaType", Some(json!("text/plain"))).to_string(), m::OCI_INDEX),
    ] {
        let manifest = Manifest::read(content_type, text.as_bytes());
        assert_eq!(
            manifest.map(|read| read.media_type).as_deref(),
            Ok(media_type),
            "{content_type:?} {text}"
        );
    }
    let page = Manifest::read(Some("application/json"), br#"{"errors":[]}"#).unwrap_err();
    assert!(matches!(page, ManifestError::UnsupportedMediaType { .. }), "{page}");
    let schema1 = br#"{"schemaVersion":1,"fsLayers":[],"history":[]}"#;
    assert_eq!(Manifest::read(Some("application/json"), schema1), Err(ManifestError::Schema1));
}

#[test]
fn a_needed_blob_of_an_unsupported_algorithm_is_refused() {
    let document = with(image(), "/layers/1/digest", Some(json!("blake3:00ff")));
    let error = parse(&document).unwrap_err();
    assert_eq!(
        error,
        ManifestError::UnsupportedDigest { path: "layers[1]".into(), algorithm: "blake3".into() }
    );
    assert_eq!(error.code(), ErrorCode::DigestInvalid);
    let document = with(image(), "/config/digest", Some(json!("blake3:00ff")));
    assert!(parse(&document).unwrap_err().to_string().starts_with("config.digest: algorithm `blake3`"));
}

#[test]
fn a_manifest_that_could_be_read_in_two_ways_is_refused() {
    for (document, field) in [
        (with(image(), "/manifests", Some(json!([]))), "manifests"),
        (with(index(), "/layers", Some(json!([]))), "layers"),
        (with(index(), "/config", Some(descriptor(m::OCI_CONFIG, "config"))), "config"),
    ] {
        assert!(
            matches!(parse(&document), Err(ManifestError::Ambiguous { field: f, .. }) if f == field),
            "{field}"
        );
        let untyped = with(document, "/mediaType", None).to_string();
        let error = Manifest::parse(None, untyped.as_bytes()).unwrap_err();
        assert!(matches!(error, ManifestError::Ambiguous { .. }), "{error}");
    }
    let error = Manifest::parse(Some(m::OCI_INDEX), image().to_string().as_bytes()).unwrap_err();
    assert!(matches!(error, ManifestError::MediaTypeMismatch { .. }), "{error}");
    for repeated in [r#""manifests":[],"manifests":[]"#, r#""manifests":[],"m\u0061nifests":[]"#] {
        let text = format!(r#"{{"schemaVersion":2,{repeated}}}"#);
        let error = Manifest::parse(Some(m::OCI_INDEX), text.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("duplicate field `manifests`"), "{error}");
    }
}

#[test]
fn an_unsupported_media_type_is_refused_and_the_error_lists_the_supported_ones() {
    for content_type in ["application/json", "text/plain", m::OCI_CONFIG] {
        let error =
            Manifest::parse(Some(content_type), image().to_string().as_bytes()).unwrap_err().to_string();
        assert!(error.contains(&format!("`{content_type}`")), "{error}");
        assert!(m::MANIFESTS.iter().all(|supported| error.contains(supported)), "{error}");
    }
    let schema1 = br#"{"schemaVersion":1,"fsLayers":[],"history":[]}"#;
    for content_type in [None, Some(m::DOCKER_SCHEMA1), Some(m::DOCKER_SCHEMA1_SIGNED)] {
        assert_eq!(Manifest::parse(content_type, schema1), Err(ManifestError::Schema1));
    }
    assert_eq!(Manifest::parse(None, br#"{"schemaVersion":2}"#), Err(ManifestError::NoMediaType));
}

#[test]
fn anything_but_a_json_object_is_refused_with_the_place() {
    for (text, line, column) in
        [("{\n  \"a\": ]", 2, 8), ("", 1, 0), ("{", 1, 1), ("{} x", 1, 4), ("\u{feff}{}", 1, 1)]
    {
        match Manifest::parse(Some(m::OCI_INDEX), text.as_bytes()).unwrap_err() {
            ManifestError::Json { line: l, column: c, .. } => assert_eq!((l, c), (line, column), "{text}"),
            other => panic!("{text}: {other}"),
        }
    }
    for text in ["[]", "[2,null]", "null", "\"x\"", " 1"] {
        assert_eq!(
            Manifest::parse(Some(m::OCI_INDEX), text.as_bytes()),
            Err(ManifestError::NotObject),
            "{text}"
        );
    }
}

#[test]
fn nesting_does_not_exhaust_the_stack() {
    let bomb = "[".repeat(200_000);
    let closed = format!("{bomb}{}", "]".repeat(200_000));
    for value in [&bomb, &closed] {
        for field in ["x", "config", "layers", "annotations", "schemaVersion", "mediaType"] {
            let text = format!(r#"{{"{field}":{value}}}"#);
            assert!(Manifest::parse(Some(m::OCI_MANIFEST), text.as_bytes()).is_err());
            assert!(Manifest::parse(None, text.as_bytes()).is_err());
        }
        assert!(Manifest::parse(None, value.as_bytes()).is_err());
        let layer =
            format!(r#"{{"schemaVersion":2,"config":{{"size":{value}}},"layers":[{{"digest":{value}}}]}}"#);
        assert!(Manifest::parse(Some(m::OCI_MANIFEST), layer.as_bytes()).is_err());
    }
}

#[test]
fn an_error_quotes_only_the_beginning_of_a_long_value() {
    let long = "x".repeat(1_000_000);
    for pointer in ["/mediaType", "/schemaVersion", "/layers/0/digest", "/layers/0/size", "/artifactType"] {
        let document = with(image(), pointer, Some(json!([long.clone()])));
        let document = with(document, "/mediaType", Some(json!(long.clone())));
        let error = Manifest::parse(None, document.to_string().as_bytes()).unwrap_err();
        assert!(error.to_string().len() < 2000);
        let error = Manifest::parse(Some(m::OCI_MANIFEST), document.to_string().as_bytes()).unwrap_err();
        assert!(error.to_string().len() < 2000);
    }
    let key = with(image(), "/annotations", Some(json!({long: 1})));
    assert!(parse(&key).unwrap_err().to_string().len() < 2000);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>(), header in prop::option::of(any::<String>())) {
        let _ = Manifest::parse(header.as_deref(), &bytes);
        let _ = Manifest::read(header.as_deref(), &bytes);
    }

    #[test]
    fn a_byte_changed_anywhere_never_makes_it_panic(at: prop::sample::Index, byte: u8) {
        for document in [image(), index()] {
            let mut bytes = document.to_string().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            // A manifest that is accepted from a client is accepted from a registry too, with the same meaning.
            if let Ok(manifest) = Manifest::parse(None, &bytes) {
                assert_eq!(Manifest::read(None, &bytes), Ok(manifest));
            }
        }
    }
}
