//! A data folder that lost a part of itself is refused, not served as if it were empty.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use hythe_oci::ErrorCode;
use hythe_testing::{Client, ImageBuilder};
use tempfile::TempDir;

fn serve(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hythe"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data);
    command.env_clear().env("HOME", "/home/ada").env("HYTHE_LOG_REQUESTS", "false");
    command.stderr(Stdio::piped());
    command
}

pub(crate) struct Serving {
    process: Child,
    pub(crate) client: Client,
}

impl Serving {
    pub(crate) fn start(data: &Path) -> Self {
        let mut process = serve(data).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let listens = lines.by_ref().find(|line| line.starts_with("hythe listens on "));
        let address: SocketAddr =
            listens.expect("it starts").rsplit_once("http://").unwrap().1.parse().unwrap();
        // Read its later output too, so that the pipe does not fill up.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, client: Client::new(address) }
    }

    pub(crate) fn stop(mut self) {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A data folder with an image in it, without a running server.
fn filled() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let serving = Serving::start(&data);
    ImageBuilder::new(1).layers(1, 1000).build().push(&serving.client, "app", "v1");
    serving.stop();
    (folder, data)
}

/// The error for a folder that is refused. A second try gives the same error.
pub(crate) fn refusal(data: &Path) -> String {
    let [first, second] = [(), ()].map(|()| {
        let output = serve(data).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    });
    assert_eq!(first, second);
    first
}

#[test]
fn blobs_without_a_catalog_are_refused_and_the_error_says_how_to_recover() {
    let (_folder, data) = filled();
    let catalog = data.join("catalog.sqlite");
    let kept = fs::read(&catalog).unwrap();
    let damage: [&dyn Fn(); 2] =
        [&|| fs::remove_file(&catalog).unwrap(), &|| fs::write(&catalog, "").unwrap()];
    for damage in damage {
        damage();
        let said = refusal(&data);
        for part in [
            "catalog.sqlite is missing or empty",
            "from a backup",
            "`blobs` and `journal` away",
            "`hythe recover --data",
        ] {
            assert!(said.contains(part), "`{part}` is not in: {said}");
        }
        fs::write(&catalog, &kept).unwrap();
    }
    Serving::start(&data).client.get("/v2/app/manifests/v1").send().expect(200);
    // One of the ways to recover that the error names.
    fs::remove_file(&catalog).unwrap();
    fs::rename(data.join("blobs"), data.join("away")).unwrap();
    fs::rename(data.join("journal"), data.join("away too")).unwrap();
    Serving::start(&data)
        .client
        .get("/v2/app/manifests/v1")
        .send()
        .expect_error(404, ErrorCode::ManifestUnknown);
}

#[test]
fn a_damaged_catalog_is_refused() {
    let (_folder, data) = filled();
    let catalog = data.join("catalog.sqlite");
    let kept = fs::read(&catalog).unwrap();
    for damaged in [&kept[..kept.len() / 2], &kept[..1000], &[0; 10_000], b"garbage"] {
        fs::write(&catalog, damaged).unwrap();
        let said = refusal(&data);
        assert!(
            said.contains("catalog.sqlite is damaged") && said.contains("`hythe recover --data"),
            "{said}"
        );
        // Without the catalog, the blobs beside it would be refused too.
        assert!(said.contains("--data") && !said.contains("away"), "{said}");
        assert_eq!(fs::read(&catalog).unwrap(), damaged, "the file is not changed");
    }
}

#[test]
fn a_catalog_without_its_blobs_is_refused() {
    let (_folder, data) = filled();
    let (blobs, away) = (data.join("blobs"), data.join("away"));
    fs::rename(&blobs, &away).unwrap();
    let said = refusal(&data);
    for part in [
        "catalog.sqlite lists blobs",
        "blobs is missing or empty",
        "Check that its volume is mounted",
        "--data",
    ] {
        assert!(said.contains(part), "`{part}` is not in: {said}");
    }
    fs::remove_dir(&blobs).unwrap();
    fs::rename(&away, &blobs).unwrap();
    Serving::start(&data).client.get("/v2/app/manifests/v1").send().expect(200);
}

#[test]
fn a_format_that_is_not_a_number_is_damage_and_not_a_newer_version() {
    let (_folder, data) = filled();
    fs::write(data.join("format"), "garbage\n").unwrap();
    let said = refusal(&data);
    assert!(said.contains("`garbage`") && said.contains("is damaged") && !said.contains("newer"), "{said}");
    fs::write(data.join("format"), "2\n").unwrap();
    assert!(refusal(&data).contains("a newer version wrote it"));
}

#[test]
fn a_start_after_an_interrupted_first_start_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    drop(Serving::start(&data));
    for part in ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"] {
        fs::remove_file(data.join(part)).unwrap();
    }
    Serving::start(&data).client.get("/v2/").send().expect(200);
}

#[test]
fn a_push_after_the_folder_was_removed_is_not_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let serving = Serving::start(&data);
    let image = ImageBuilder::new(1).layers(1, 1000).build();
    image.push(&serving.client, "app", "v1");
    fs::remove_dir_all(&data).unwrap();
    let answer = image.put(&serving.client, "app", "v2");
    assert!(answer.status >= 500, "{answer}");
    serving.client.get("/readyz").send().expect(503);
}

#[test]
fn no_command_uses_a_system_folder_as_its_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink("/usr", &link).unwrap();
    let old = hythe_testing::OldTree::new();
    let old = old.folder().display().to_string();
    for system in [Path::new("/usr"), &link, &link.join("lib/registry")] {
        let system = system.display().to_string();
        for words in [&["serve", "--data", &system][..], &["import", &old, "--data", &system]] {
            let ran = crate::cache::world::run(words, &[], "").expect(1);
            assert!(ran.err.contains("a folder of the operating system"), "{words:?}: {}", ran.err);
        }
    }
    for left in ["lock", "format", "blobs", "uploads", "catalog.sqlite", "lib/registry"] {
        assert!(!Path::new("/usr").join(left).exists(), "{left}");
    }
}
