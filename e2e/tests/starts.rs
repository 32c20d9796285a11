//! A start that fails prints one clear paragraph on standard error, and exits with a code other than 0.

use std::fs::{self, File, Permissions};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hythe_e2e::binary;
use hythe_e2e::command::program;
use hythe_e2e::disk::Disk;
use hythe_e2e::image::push_random;
use hythe_e2e::repository::Repository;
use hythe_e2e::server::{Server, free_port, is_unexplained, serve, without_settings};

#[test]
fn the_error_names_a_taken_port() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let folder = tempfile::tempdir().expect("a temporary folder");
    refused(serve(port, &folder.path().join("data")), &[&port.to_string()]);
}

#[test]
fn a_second_server_on_the_same_folder_is_refused_and_the_first_keeps_running() {
    let server = Server::start();
    refused(serve(free_port(), server.data()), &[&server.data().display().to_string()]);
    server.client().get("/v2/").expect("the first still answers").expect(200, "ping");
}

#[test]
fn the_error_names_a_folder_on_a_read_only_file_system() {
    let disk = Disk::read_only();
    let data = disk.path().join("data");
    refused(serve(free_port(), &data), &[&data.display().to_string()]);
}

#[test]
fn the_error_names_a_folder_of_another_user() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("the folder is ours");
    // Other users may have no access to the build's own folder.
    let copy = folder.path().join("hythe");
    fs::copy(binary::hythe(), &copy).expect("the folder is ours");
    let data = folder.path().join("data");
    fs::create_dir(&data).expect("the folder is ours");
    let mut command = program(copy, ["serve", "--listen"]);
    command.arg(format!("127.0.0.1:{}", free_port())).arg("--data").arg(&data).uid(65534).gid(65534);
    without_settings(&mut command);
    refused(command, &[&data.display().to_string()]);
}

#[test]
fn the_error_names_a_file_in_place_of_the_folder() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    fs::write(&data, "not a folder").expect("the folder is ours");
    refused(serve(free_port(), &data), &[&data.display().to_string()]);
}

#[test]
fn a_folder_of_a_newer_version_is_refused_and_left_as_it_is() {
    let mut server = Server::start();
    let digest = push_random(&mut Repository::new(&mut server.client(), "kept"), "v1", 7, &[1000]);
    assert!(server.terminate(Duration::from_secs(20)).success());
    let catalogs = sqlite_files(server.data());
    assert!(!catalogs.is_empty(), "there is no SQLite file below {}", server.data().display());
    let former: Vec<_> = catalogs.iter().map(|path| set_user_version(path, 9999)).collect();
    refused(serve(free_port(), server.data()), &["newer", &server.data().display().to_string()]);

    for (path, version) in catalogs.iter().zip(former) {
        set_user_version(path, version);
    }
    server.run();
    assert_eq!(Repository::new(&mut server.client(), "kept").verify("v1"), digest);
}

// Each suite makes this check of each server's log when the server ends.
#[test]
fn an_answer_with_status_5xx_needs_a_reason_in_the_log() {
    let request =
        "2026-11-21T09:30:13.247Z ERROR PUT /v2/a/manifests/b 507 90B 0.5ms repo=a client=127.0.0.1:4 id=0b";
    assert!(is_unexplained(request));
    assert!(!is_unexplained(&format!("{request} error=\"DENIED: no space\"")));
    assert!(!is_unexplained("2026-11-21T09:30:13.247Z  INFO GET /v2/ 200 2B 0.1ms client=127.0.0.1:4 id=0c"));
    assert!(!is_unexplained("2026-11-21T09:30:13.247Z  WARN upstream docker.io answered 503 to all"));
}

/// Runs a command that must not start a server, and checks its message.
fn refused(mut command: Command, says: &[&str]) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("hythe runs");
    let begin = Instant::now();
    while child.try_wait().expect("it is our child").is_none() {
        if begin.elapsed() > Duration::from_secs(20) {
            child.kill().expect("it is our child");
            panic!("{command:?} started, but must be refused");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output().expect("it is our child");
    let stderr = String::from_utf8_lossy(&output.stderr);
    let text = stderr.trim();
    assert!(
        output.status.code().is_some_and(|code| code != 0),
        "{command:?} ended with {}: {text}",
        output.status
    );
    for word in says {
        assert!(text.contains(word), "{command:?} does not say `{word}`: {text}");
    }
    assert!(
        !text.contains("\n\n") && !text.contains("panicked") && text.len() < 1000,
        "not one paragraph: {text}"
    );
}

fn sqlite_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the data folder") {
        let path = entry.expect("the folder stays readable").path();
        if path.is_dir() {
            found.extend(sqlite_files(&path));
        } else if fs::read(&path).is_ok_and(|bytes| bytes.starts_with(b"SQLite format 3\0")) {
            found.push(path);
        }
    }
    found
}

/// Overwrites `PRAGMA user_version`, which is at offset 60 of the header, big-endian; returns the former value.
fn set_user_version(path: &Path, version: u32) -> u32 {
    let file = File::options().read(true).write(true).open(path).expect("the file is there");
    let mut former = [0; 4];
    file.read_exact_at(&mut former, 60).expect("a SQLite header has 100 bytes");
    file.write_all_at(&version.to_be_bytes(), 60).expect("the file is ours");
    u32::from_be_bytes(former)
}
