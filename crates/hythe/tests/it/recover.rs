//! A catalog that was deleted, cut off or overwritten is rebuilt, with every image and every tag.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use hythe_oci::{Algorithm, Digest};
use hythe_testing::{Client, ImageBuilder, IndexBuilder, Manifest};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cache::world::{Ran, run};
use crate::data_folder::{Serving, refusal};

const REPOSITORIES: u64 = 12;

fn image(seed: u64) -> Manifest {
    ImageBuilder::new(seed).layers(2, 2000).build()
}

/// Repositories with tags, moved and deleted ones too, an index and a referrer.
fn fill(client: &Client) {
    for number in 0..REPOSITORIES {
        let name = format!("team{}/app{number}", number % 3);
        for version in 0..4 {
            image(number * 10 + version).push(client, &name, format!("v{version}"));
        }
        image(number * 10 + 1).push(client, &name, "moved");
        image(number * 10 + 2).push(client, &name, "moved");
        image(number * 10 + 3).push(client, &name, "gone");
        client.delete(format!("/v2/{name}/manifests/gone")).send().expect(202);
        let digest = image(number * 10).digest();
        let index = IndexBuilder::new().entry(image(number * 10 + 1).descriptor()).build();
        index.push(client, &name, "index");
        let referrer = ImageBuilder::new(number + 1000).layers(1, 10).subject(&image(number * 10)).build();
        referrer.push(client, &name, referrer.digest().to_string());
        if number == 5 {
            client.delete(format!("/v2/{name}/manifests/{digest}")).send().expect(202);
        }
    }
}

/// Everything that clients see: the digest of each tag, whether all blobs of it are there, and the referrers.
fn seen(client: &Client) -> BTreeMap<String, Value> {
    let mut seen = BTreeMap::new();
    let catalog = client.get("/v2/_catalog").send().expect(200).json();
    for name in catalog["repositories"].as_array().unwrap() {
        let name = name.as_str().unwrap();
        let tags = client.get(format!("/v2/{name}/tags/list")).send().expect(200).json();
        for tag in tags["tags"].as_array().unwrap() {
            let tag = tag.as_str().unwrap();
            let answer = client.get(format!("/v2/{name}/manifests/{tag}")).send().expect(200);
            let digest = answer.header("docker-content-digest").unwrap().to_owned();
            let manifest = answer.json();
            let descriptors =
                manifest["layers"].as_array().into_iter().flatten().chain(manifest.get("config"));
            for blob in descriptors {
                let digest = blob["digest"].as_str().unwrap();
                let blob = client.get(format!("/v2/{name}/blobs/{digest}")).send().expect(200);
                assert_eq!(Digest::of(Algorithm::Sha256, &blob.body).to_string(), digest);
            }
            let referrers = client.get(format!("/v2/{name}/referrers/{digest}")).send().expect(200).json();
            seen.insert(format!("{name}:{tag}"), json!([digest, referrers]));
        }
    }
    seen
}

/// A data folder with content, without a server, and what clients saw in it.
fn filled() -> (TempDir, PathBuf, BTreeMap<String, Value>) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let serving = Serving::start(&data);
    fill(&serving.client);
    let before = seen(&serving.client);
    assert_eq!(before.len() as u64, REPOSITORIES * 6 - 1);
    serving.stop();
    (folder, data, before)
}

fn recover(data: &Path, more: &[&str]) -> Ran {
    run(&[&["recover", "--data", data.to_str().unwrap()], more].concat(), &[], "")
}

/// The ways to lose a catalog.
type Loss = (&'static str, fn(&Path));

fn losses() -> [Loss; 4] {
    [
        ("deleted", |catalog| fs::remove_file(catalog).unwrap()),
        ("truncated", |catalog| {
            let file = fs::File::options().write(true).open(catalog).unwrap();
            file.set_len(file.metadata().unwrap().len() / 3).unwrap();
        }),
        ("zeroed pages", |catalog| {
            let file = fs::File::options().write(true).open(catalog).unwrap();
            let pages = file.metadata().unwrap().len() / 4096;
            for page in (1..pages).step_by(3) {
                file.write_all_at(&[0; 4096], page * 4096).unwrap();
            }
        }),
        ("overwritten", |catalog| fs::write(catalog, "not a database").unwrap()),
    ]
}

#[test]
fn a_lost_catalog_is_rebuilt_with_every_image_and_its_tags() {
    let (_folder, data, before) = filled();
    let catalog = data.join("catalog.sqlite");
    for (what, lose) in losses() {
        lose(&catalog);
        let dry = recover(&data, &["--dry-run"]).expect(0);
        assert!(
            dry.out.contains("would recover 12 repositories with 71 tags"),
            "{what}: {}{}",
            dry.out,
            dry.err
        );
        let ran = recover(&data, &[]).expect(0);
        assert!(
            ran.out.starts_with("recovered 12 repositories with 71 tags"),
            "{what}: {}{}",
            ran.out,
            ran.err
        );
        assert!(ran.err.contains("`hythe verify`"), "{what}: {}", ran.err);
        let serving = Serving::start(&data);
        assert_eq!(seen(&serving.client), before, "{what}");
        serving.stop();
    }
    let kept = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(
        kept.filter(|name| name.starts_with("catalog.sqlite.broken-")
            && !name.ends_with("-wal")
            && !name.ends_with("-shm"))
            .count(),
        3
    );
}

#[test]
fn the_error_of_a_start_names_the_command_that_rebuilds_the_catalog() {
    let (_folder, data, before) = filled();
    fs::remove_file(data.join("catalog.sqlite")).unwrap();
    let said = refusal(&data);
    let command = said.split('`').find(|part| part.starts_with("hythe recover")).unwrap().to_owned();
    let words: Vec<&str> = command.split_whitespace().skip(1).collect();
    run(&words, &[], "").expect(0);
    let serving = Serving::start(&data);
    assert_eq!(seen(&serving.client), before);
    serving.stop();
}

#[test]
fn pushes_after_a_recovery_are_journaled_too() {
    let (_folder, data, _) = filled();
    fs::remove_file(data.join("catalog.sqlite")).unwrap();
    recover(&data, &[]).expect(0);
    let serving = Serving::start(&data);
    image(7000).push(&serving.client, "new", "v1");
    let before = seen(&serving.client);
    // A kill, not a stop.
    drop(serving);
    fs::remove_file(data.join("catalog.sqlite")).unwrap();
    let ran = recover(&data, &["--output", "json"]).json();
    assert_eq!(ran["repositories"], 13);
    assert_eq!(ran["damaged_lines"], 0);
    let serving = Serving::start(&data);
    assert_eq!(seen(&serving.client), before);
    serving.stop();
}

#[test]
fn a_catalog_that_is_whole_stays_as_it_is_unless_forced() {
    let (_folder, data, before) = filled();
    let catalog = data.join("catalog.sqlite");
    let bytes = fs::read(&catalog).unwrap();
    let ran = recover(&data, &[]).expect(0);
    assert!(ran.out.contains("nothing to recover"), "{}", ran.out);
    assert_eq!(fs::read(&catalog).unwrap(), bytes);
    recover(&data, &["--force"]).expect(0);
    let serving = Serving::start(&data);
    assert_eq!(seen(&serving.client), before);
    serving.stop();
}

#[test]
fn a_folder_that_a_server_uses_or_that_has_no_journal_is_refused() {
    let (_folder, data, _) = filled();
    let serving = Serving::start(&data);
    let refused = recover(&data, &["--force"]).expect(1);
    assert!(refused.err.contains("already serves the data folder"), "{}", refused.err);
    serving.stop();
    fs::remove_dir_all(data.join("journal")).unwrap();
    fs::remove_file(data.join("catalog.sqlite")).unwrap();
    let refused = recover(&data, &[]).expect(1);
    assert!(refused.err.contains("has no journal") && refused.err.contains("backup"), "{}", refused.err);
    assert!(!data.join("catalog.sqlite").exists());
    let other = tempfile::tempdir().unwrap();
    assert!(recover(other.path(), &[]).expect(2).err.contains("not a data folder"));
    assert_eq!(fs::read_dir(other.path()).unwrap().count(), 0);
}

#[test]
fn what_cannot_be_brought_back_is_named() {
    let (_folder, data, before) = filled();
    fs::remove_file(data.join("catalog.sqlite")).unwrap();
    // A blob of one image, and one line of the journal.
    let hex = Digest::of(Algorithm::Sha256, &image(0).blobs[0]).hex();
    let folder = data.join("blobs/sha256").join(&hex[..2]);
    let file = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&hex));
    fs::remove_file(file.unwrap()).unwrap();
    let log = fs::read_dir(data.join("journal")).unwrap().map(|entry| entry.unwrap().path());
    let log = log.filter(|path| path.extension().unwrap() == "log").max().unwrap();
    let text = fs::read_to_string(&log).unwrap();
    let damaged = text.replacen(r#""name":"v3""#, r#""name":"vX""#, 1);
    assert_ne!(text, damaged);
    fs::write(&log, damaged).unwrap();
    let ran = recover(&data, &[]).expect(1);
    for part in ["incomplete: team0/app0:v0", "damaged: journal/", "another checksum"] {
        assert!(ran.err.contains(part), "`{part}` is not in: {}", ran.err);
    }
    let serving = Serving::start(&data);
    let tags = serving.client.get("/v2/team0/app0/tags/list").send().expect(200).json();
    assert!(tags["tags"].as_array().unwrap().len() >= 5, "{tags}");
    assert!(before.contains_key("team0/app0:v3"));
    serving.stop();
}

#[test]
fn a_recovery_that_was_killed_is_repeated() {
    let (_folder, data, before) = filled();
    let catalog = data.join("catalog.sqlite");
    for round in 0..20 {
        fs::remove_file(&catalog).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_hythe"));
        command.args(["recover", "--data"]).arg(&data).env_clear().env("HOME", "/home/ada");
        let mut killed = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(round * 4));
        killed.kill().unwrap();
        killed.wait().unwrap();
        recover(&data, &[]).expect(0);
        assert!(recover(&data, &[]).expect(0).out.contains("nothing to recover"), "round {round}");
    }
    let serving = Serving::start(&data);
    assert_eq!(seen(&serving.client), before);
    serving.stop();
}

#[test]
fn every_push_that_was_acknowledged_before_a_kill_is_in_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut acknowledged = Vec::new();
    for round in 0..5 {
        let serving = Serving::start(&data);
        let client = serving.client.clone();
        std::thread::scope(|scope| {
            let pushers: Vec<_> = (0..4)
                .map(|pusher| {
                    scope.spawn({
                        let client = &client;
                        move || push_until_killed(client, round * 4 + pusher)
                    })
                })
                .collect();
            std::thread::sleep(Duration::from_millis(200 + round * 100));
            // The drop kills the process.
            drop(serving);
            acknowledged.extend(pushers.into_iter().flat_map(|pusher| pusher.join().unwrap()));
        });
        fs::remove_file(data.join("catalog.sqlite")).unwrap();
        recover(&data, &[]).expect(0);
    }
    assert!(!acknowledged.is_empty());
    let serving = Serving::start(&data);
    for (path, digest) in acknowledged {
        assert_eq!(serving.client.get(&path).send().expect(200).digest(), digest, "{path}");
    }
    serving.stop();
}

/// Pushes images under new tags until the server is gone. Returns the paths that were acknowledged, with their digests.
fn push_until_killed(client: &Client, pusher: u64) -> Vec<(String, Digest)> {
    let mut acknowledged = Vec::new();
    for number in 0.. {
        let image = ImageBuilder::new(pusher * 1_000_000 + number).build();
        let path = format!("/v2/p{pusher}/manifests/t{number}");
        let put = client.put(&path).header("content-type", &image.media_type).body(&image.bytes);
        match put.try_send() {
            Ok(answer) if answer.status == 201 => acknowledged.push((path, image.digest())),
            _ => break,
        }
    }
    acknowledged
}
