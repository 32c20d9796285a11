//! A Dockerfile and, behind the first NUL byte, an ignore file: no input panics, and the same input has the same key.
#![no_main]

use std::collections::BTreeMap;
use std::fs;
use std::sync::LazyLock;

use hythe_build::{DockerfileSource, Key, Recipe, read};
use hythe_oci::{Algorithm, Digest};
use libfuzzer_sys::fuzz_target;

/// A context with a few files, a folder and a symbolic link.
static CONTEXT: LazyLock<std::path::PathBuf> = LazyLock::new(|| {
    let context = std::env::temp_dir().join(format!("hythe-fuzz-{}", std::process::id()));
    fs::create_dir_all(context.join("src/sub")).expect("the temporary folder is writable");
    for file in ["a", "b.txt", "src/c", "src/sub/d.txt"] {
        fs::write(context.join(file), file).expect("the folder is writable");
    }
    let _ = std::os::unix::fs::symlink("src", context.join("link"));
    context
});

fuzz_target!(|text: &str| {
    let (dockerfile, ignored) = text.split_once('\0').unwrap_or((text, ""));
    fs::write(CONTEXT.join(".dockerignore"), ignored).expect("the folder is writable");
    let recipe = Recipe {
        context: CONTEXT.clone(),
        dockerfile: DockerfileSource::Inline(dockerfile.to_owned()),
        target: None,
        args: BTreeMap::from([("ARG".to_owned(), "value".to_owned())]),
        platforms: Vec::new(),
        contexts: BTreeMap::new(),
        labels: BTreeMap::new(),
        images: BTreeMap::new(),
    };
    let key = || -> Option<Key> {
        let inputs = read(&recipe, None).ok()?;
        let names = inputs.bases().iter().map(|base| base.image.clone());
        let digests = names.map(|name| (name, Digest::of(Algorithm::Sha256, b"base"))).collect();
        Some(inputs.with_bases(&digests).expect("each base has a digest").key())
    };
    assert_eq!(key(), key());
});
