//! `hythe backup` and `hythe restore`, as a user runs them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use hythe_testing::{Client, ImageBuilder, IndexBuilder, Manifest, Storage, TestRegistry};
use serde_json::{Value, json};

use crate::cache::world::{Ran, run};

/// A registry in a folder, and a folder for its backups.
struct World {
    registry: TestRegistry,
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self {
            registry: TestRegistry::setup().storage(Storage::Fs).start(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn client(&self) -> Client {
        self.registry.client()
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn dest(&self) -> String {
        self.path("backup")
    }

    /// Runs `hythe backup DEST` against the registry.
    fn back_up(&self, more: &[&str]) -> Ran {
        let address = self.registry.address().to_string();
        run(&[&["backup", &self.dest(), "--registry", &address], more].concat(), &[], "")
    }

    fn backed_up(&self) -> Value {
        self.back_up(&["--output", "json"]).json()
    }

    /// Makes the registry one that was restored from the backups: removes its whole folder first.
    fn restore_all(&mut self, more: &[&str]) -> Ran {
        let folder = self.registry.folder().to_owned();
        let mut ran = None;
        let dest = self.dest();
        self.registry.stop();
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }.unwrap();
        }
        let data = folder.display().to_string();
        ran.replace(run(&[&["restore", &dest, "--data", &data], more].concat(), &[], ""));
        self.registry.restart();
        ran.unwrap()
    }

    fn verify(&self) -> Ran {
        run(&["backup", "verify", &self.dest()], &[], "")
    }

    fn tags(&self, repository: &str) -> Value {
        let answer = self.client().get(format!("/v2/{repository}/tags/list")).send();
        if answer.status == 404 { json!(null) } else { answer.json()["tags"].clone() }
    }
}

fn image(seed: u64) -> Manifest {
    ImageBuilder::new(seed).layers(2, 40_000).build()
}

/// The files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut waiting) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { waiting.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

/// Checks that the registry has the image whole.
fn check(client: &Client, repository: &str, reference: &str, image: &Manifest) {
    let found = client.get(format!("/v2/{repository}/manifests/{reference}")).send().expect(200);
    assert_eq!(&found.body[..], &image.bytes[..]);
    for bytes in &image.blobs {
        let digest = hythe_oci::Digest::of(image.algorithm, bytes);
        let found = client.get(format!("/v2/{repository}/blobs/{digest}")).send().expect(200);
        assert_eq!(&found.body[..], &bytes[..]);
    }
}

#[test]
fn a_restored_registry_has_every_image_tag_index_and_referrer_and_nothing_that_was_deleted() {
    let mut world = World::new();
    let client = world.client();
    let (one, two, gone) = (image(1), image(2), image(3));
    one.push(&client, "app", "v1");
    one.push(&client, "app", "stable");
    two.push(&client, "team/web", "v1");
    two.push(&client, "team/web", two.digest());
    gone.push(&client, "app", "gone");
    client.delete(format!("/v2/app/manifests/{}", gone.digest())).send().expect(202);
    let index = IndexBuilder::new().manifest(one.clone()).build();
    index.put(&client, "app", "multi").expect(201);
    let signature = ImageBuilder::artifact(9, "example/signature").subject(&one).build();
    signature.push(&client, "app", signature.digest());

    let said = world.back_up(&[]).expect(0);
    assert!(said.out.starts_with("backed up 2 repositories with 4 manifests, 4 tags and "), "{}", said.out);
    assert!(said.err.contains("`hythe backup verify "), "{}", said.err);
    world.verify().expect(0);
    let said = world.restore_all(&[]).expect(0);
    assert!(said.out.starts_with("restored 2 repositories with 4 manifests, 4 tags and "), "{}", said.out);
    assert!(said.err.contains("`hythe serve --data "), "{}", said.err);

    let client = world.client();
    for reference in ["v1", "stable"] {
        check(&client, "app", reference, &one);
    }
    check(&client, "team/web", "v1", &two);
    let found = client.get("/v2/app/manifests/multi").send().expect(200);
    assert_eq!(&found.body[..], &index.bytes[..]);
    let referrers = client.get(format!("/v2/app/referrers/{}", one.digest())).send().expect(200).json();
    assert_eq!(referrers["manifests"][0]["digest"], json!(signature.digest()));
    check(&client, "app", &signature.digest().to_string(), &signature);
    assert_eq!(world.tags("app"), json!(["multi", "stable", "v1"]));
    client.get(format!("/v2/app/manifests/{}", gone.digest())).send().expect(404);
    let verified = run(&["verify", "--registry", &world.registry.address().to_string()], &[], "");
    verified.expect(0);
    // The restored registry takes pushes.
    gone.push(&client, "app", "again");
    check(&client, "app", "again", &gone);
}

#[test]
fn the_second_backup_copies_only_what_is_new_and_a_list_shows_both() {
    let world = World::new();
    image(1).push(&world.client(), "app", "v1");
    let first = world.backed_up();
    assert_eq!((&first["new_blobs"], &first["blobs"], &first["tags"]), (&json!(4), &json!(3), &json!(1)));
    let bytes = |world: &World| -> u64 {
        files(world.folder.path()).iter().map(|file| file.metadata().unwrap().len()).sum()
    };
    let before = bytes(&world);
    let second = world.backed_up();
    assert_eq!((&second["new_blobs"], &second["new_bytes"]), (&json!(0), &json!(0)));
    assert!(bytes(&world) - before < 2000, "only a snapshot is new");
    image(1).push(&world.client(), "copy", "v1");
    image(2).push(&world.client(), "app", "v2");
    assert_eq!(world.backed_up()["new_blobs"], json!(4));
    let list = run(&["backup", "list", &world.dest(), "--output", "json"], &[], "").json();
    let list = list["backups"].as_array().unwrap();
    assert_eq!(
        list.iter().map(|backup| &backup["tags"]).collect::<Vec<_>>(),
        [&json!(1), &json!(1), &json!(3)]
    );
    let table = run(&["backup", "list", &world.dest()], &[], "").expect(0);
    assert!(table.out.starts_with("TIME") && table.out.lines().count() == 4, "{}", table.out);
}

#[test]
fn a_snapshot_at_or_before_a_time_is_restored() {
    let mut world = World::new();
    let client = world.client();
    image(1).push(&client, "app", "latest");
    let first = world.backed_up()["time"].as_str().unwrap().to_owned();
    image(2).push(&client, "app", "latest");
    client.delete(format!("/v2/app/manifests/{}", image(1).digest())).send().expect(202);
    world.backed_up();
    world.restore_all(&["--snapshot", &first]).expect(0);
    check(&world.client(), "app", "latest", &image(1));
    world.restore_all(&[]).expect(0);
    check(&world.client(), "app", "latest", &image(2));
    let none = run(
        &["restore", &world.dest(), "--data", &world.path("x"), "--snapshot", "2001-01-01T00:00:00Z"],
        &[],
        "",
    );
    assert!(none.expect(1).err.contains("no snapshot at or before 2001-01-01T00:00:00.000Z"));
    let wrong =
        run(&["restore", &world.dest(), "--data", &world.path("x"), "--snapshot", "yesterday"], &[], "");
    assert!(wrong.expect(2).err.contains("2026-11-30T02:00:00Z"));
}

#[test]
fn one_repository_is_pushed_into_a_running_registry_and_no_other() {
    let world = World::new();
    let client = world.client();
    let index = IndexBuilder::new().manifest(image(1)).build();
    for (repository, seed) in [("app", 1), ("team/web", 2), ("team/db", 3)] {
        image(seed).push(&client, repository, "v1");
    }
    index.put(&client, "app", "multi").expect(201);
    world.backed_up();
    for repository in ["app", "team/web", "team/db"] {
        for digest in [image(1).digest(), image(2).digest(), image(3).digest(), index.digest()] {
            client.delete(format!("/v2/{repository}/manifests/{digest}")).send();
        }
    }
    client.post("/api/gc?grace=0s").send().expect(200);
    assert_eq!(world.registry.totals().blobs, 0);

    let address = world.registry.address().to_string();
    let restore = |more: &[&str]| {
        run(&[&["restore", &world.dest(), "--registry", &address][..], more].concat(), &[], "")
    };
    let said = restore(&["--repository", "app"]).expect(0);
    assert!(said.out.starts_with("restored 1 repository with 2 manifests and 2 tags "), "{}", said.out);
    check(&client, "app", "v1", &image(1));
    client.get("/v2/app/manifests/multi").send().expect(200);
    assert_eq!((world.tags("team/web"), world.tags("team/db")), (json!(null), json!(null)));
    restore(&["--repository", "team/*"]).expect(0);
    check(&client, "team/web", "v1", &image(2));
    check(&client, "team/db", "v1", &image(3));

    // A tag that names another image now is set back only on request.
    image(4).push(&client, "app", "v1");
    let said = restore(&["--repository", "app"]).expect(0);
    assert!(said.err.contains("app:v1") && said.err.contains("--overwrite"), "{}", said.err);
    check(&client, "app", "v1", &image(4));
    restore(&["--repository", "app", "--overwrite"]).expect(0);
    check(&client, "app", "v1", &image(1));
    assert!(
        restore(&["--repository", "nothing"]).expect(1).err.contains("no repository that matches nothing")
    );
    assert!(restore(&[]).expect(2).err.contains("--repository"));
}

#[test]
fn one_repository_alone_is_restored_into_a_new_folder() {
    let mut world = World::new();
    for (repository, seed) in [("app", 1), ("team/web", 2)] {
        image(seed).push(&world.client(), repository, "v1");
    }
    world.backed_up();
    world.restore_all(&["--repository", "team/*"]).expect(0);
    check(&world.client(), "team/web", "v1", &image(2));
    assert_eq!(world.tags("app"), json!(null));
    assert_eq!(world.registry.totals().blobs, 3);
}

#[test]
fn a_damaged_backup_is_found_and_the_next_backup_heals_it() {
    let mut world = World::new();
    image(1).push(&world.client(), "app", "v1");
    world.backed_up();
    let blobs = files(&world.folder.path().join("backup/blobs"));
    assert_eq!(blobs.len(), 4);
    let largest = blobs.iter().max_by_key(|file| file.metadata().unwrap().len()).unwrap();
    let mut bytes = std::fs::read(largest).unwrap();
    bytes[7] ^= 1;
    std::fs::write(largest, bytes).unwrap();
    let found = world.verify().expect(1);
    assert!(
        found.out.contains("its bytes have the digest") && found.out.contains("needed by app"),
        "{}",
        found.out
    );
    assert!(!largest.exists(), "the next backup must not take it for the blob");
    let found = world.verify().expect(1);
    assert!(found.out.contains("it is missing"), "{}", found.out);
    // Everything else is restored, and the command says what is lost.
    let lost = world.restore_all(&[]).expect(1);
    assert!(lost.err.contains("needed by app:v1"), "{}", lost.err);
    assert!(lost.err.contains(&format!("`hythe backup verify {}`", world.dest())), "{}", lost.err);
    image(1).push(&world.client(), "app", "v1");
    assert_eq!(world.backed_up()["new_blobs"], json!(1));
    world.verify().expect(0);

    // A snapshot that is cut off.
    let snapshots = files(&world.folder.path().join("backup/snapshots"));
    let bytes = std::fs::read(&snapshots[0]).unwrap();
    std::fs::write(&snapshots[0], &bytes[..bytes.len() - 9]).unwrap();
    let found = world.verify().expect(1);
    assert!(found.out.contains("snapshot: "), "{}", found.out);
    world.restore_all(&[]).expect(0);
    check(&world.client(), "app", "v1", &image(1));
}

#[test]
fn a_blob_that_the_registry_has_lost_is_named_and_the_rest_is_backed_up() {
    let world = World::new();
    image(1).push(&world.client(), "app", "v1");
    let stored = files(&world.registry.folder().join("blobs"));
    std::fs::remove_file(&stored[0]).unwrap();
    let said = world.back_up(&[]).expect(1);
    assert!(
        said.err.contains("did not give 1 blob") && said.err.contains("`hythe verify --registry "),
        "{}",
        said.err
    );
    assert!(said.out.contains("2 blobs"), "{}", said.out);
    world.verify().expect(0);
}

#[test]
fn a_prune_keeps_the_newest_backups_and_what_they_need() {
    let mut world = World::new();
    let client = world.client();
    image(1).push(&client, "app", "v1");
    world.backed_up();
    client.delete(format!("/v2/app/manifests/{}", image(1).digest())).send().expect(202);
    image(2).push(&client, "app", "v1");
    client.post("/api/gc?grace=0s").send().expect(200);
    world.backed_up();
    let dest = world.dest();
    let prune = |more: &[&str]| run(&[&["backup", "prune", &dest][..], more].concat(), &[], "");
    assert!(prune(&[]).expect(2).err.contains("--keep"));
    // The newest backup always stays, so this cannot mean what it says.
    assert!(prune(&["--keep", "0"]).expect(2).err.contains("--keep"));
    let said = prune(&["--keep", "1"]).expect(0);
    assert!(said.out.starts_with("removed 1 backup and 0 blobs (0 B); kept 1 backup"), "{}", said.out);
    assert!(said.err.contains("4 blobs"), "{}", said.err);
    let json = prune(&["--keep", "1", "--grace", "0s", "--output", "json"]).json();
    assert_eq!((&json["blobs"], &json["waiting"]["blobs"], &json["kept"]), (&json!(4), &json!(0), &json!(1)));
    world.verify().expect(0);
    world.restore_all(&[]).expect(0);
    check(&world.client(), "app", "v1", &image(2));
}

#[test]
fn a_folder_with_content_and_one_without_a_backup_are_refused() {
    let world = World::new();
    let refused = run(&["restore", &world.path("nothing"), "--data", &world.path("data")], &[], "").expect(1);
    assert!(refused.err.contains("holds no backup"), "{}", refused.err);
    image(1).push(&world.client(), "app", "v1");
    world.backed_up();
    let data = world.path("data");
    run(&["restore", &world.dest(), "--data", &data], &[], "").expect(0);
    let refused = run(&["restore", &world.dest(), "--data", &data], &[], "").expect(2);
    assert!(
        refused.err.contains("already has 1 manifest") && refused.err.contains("--registry URL"),
        "{}",
        refused.err
    );
    let running = world.registry.folder().display().to_string();
    let refused = run(&["restore", &world.dest(), "--data", &running], &[], "").expect(1);
    assert!(refused.err.contains("another"), "{}", refused.err);
    let gone = run(&["backup", &world.path("other"), "--registry", "127.0.0.1:1"], &[], "").expect(1);
    assert!(gone.err.contains("no registry answers"), "{}", gone.err);
}

/// Runs the program and kills it after a time. Returns whether it had ended before.
fn killed(arguments: &[&str], after: Duration) -> bool {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hythe"));
    let mut child = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(after);
    let had_ended = child.try_wait().unwrap().is_some();
    child.kill().unwrap();
    child.wait().unwrap();
    had_ended
}

#[test]
fn backups_and_restores_that_are_killed_at_any_instant_lose_nothing_and_the_next_run_ends() {
    let mut world = World::new();
    let client = world.client();
    let images: Vec<Manifest> =
        (0..12).map(|seed| ImageBuilder::new(seed).layers(4, 200_000).build()).collect();
    let (dest, address) = (world.dest(), world.registry.address().to_string());
    let mut ended = 0;
    for (round, image) in images.iter().enumerate() {
        image.push(&client, "app", format!("v{round}"));
        let after = Duration::from_millis(20 + 25 * round as u64);
        ended += usize::from(killed(&["backup", &dest, "--registry", &address], after));
        // What exists is whole, or not there.
        if Path::new(&dest).join("hythe-backup.json").exists() {
            world.verify().expect(0);
        }
    }
    assert!(ended < images.len(), "no backup was killed");
    let done = world.backed_up();
    assert_eq!((&done["manifests"], &done["lacks"]), (&json!(images.len()), &json!(0)));
    world.verify().expect(0);
    // The leases of the killed ones are still there, and end by themselves.
    world.registry.pass(Duration::from_mins(11));
    assert_eq!(client.get("/api/leases").send().expect(200).json(), json!({ "leases": [] }));

    let data = world.path("data");
    for round in 0..12 {
        if killed(&["restore", &dest, "--data", &data], Duration::from_millis(20 + 25 * round)) {
            break;
        }
        let has_catalog = Path::new(&data).join("catalog.sqlite").exists();
        let marked = Path::new(&data).join("catalog.sqlite.restoring").exists();
        if !has_catalog && marked {
            let refused = run(&["serve", "--data", &data, "--listen", "127.0.0.1:0"], &[], "").expect(1);
            assert!(
                refused.err.contains("was interrupted") && refused.err.contains("hythe restore"),
                "{}",
                refused.err
            );
        }
    }
    let last = run(&["restore", &dest, "--data", &data], &[], "");
    assert!(last.code == Some(0) || last.err.contains("already has"), "{}", last.err);
    world.restore_all(&[]).expect(0);
    for (round, image) in images.iter().enumerate() {
        check(&world.client(), "app", &format!("v{round}"), image);
    }
}
