//! Words of other crates by which `hythe-cluster`, which does not depend on them, recognises what they say.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;
use std::time::Duration;

use hythe_client::Error;
use hythe_oci::{Algorithm, Digest};
use hythe_testing::{ImageBuilder, OldTree};

#[test]
fn a_used_up_rate_limit_is_recognised_by_the_words_of_the_client() {
    let (host, asked) = ("up.example".to_owned(), "tag `v1` of `app`".to_owned());
    for retry_after in [None, Some(Duration::from_mins(1))] {
        let (host, asked, said) = (host.clone(), asked.clone(), Some("slow down".to_owned()));
        let limited = Error::RateLimited { host, asked, retry_after, said };
        for said in [limited.to_string(), limited.cause()] {
            assert!(hythe_cluster::doctor::is_rate_limit(&said), "{said}");
        }
    }
    let (status, reason) = (Some(503), "status 503".to_owned());
    let failed =
        Error::Unavailable { host, asked, status, reached: true, retry_after: None, reason, remedy: None };
    for said in [failed.to_string(), failed.cause()] {
        assert!(!hythe_cluster::doctor::is_rate_limit(&said), "{said}");
    }
}

/// `hythe up --adopt` shows these lines.
#[test]
fn every_line_that_an_import_logs_is_recognised() {
    let tree = OldTree::new();
    let image = |seed| ImageBuilder::new(seed).layers(1, 1000).build();
    tree.tag("app", "v1", &image(1));
    tree.tag("docker.io/library/app", "v1", &image(2));
    tree.tag("Upper", "v1", &image(3));
    std::fs::create_dir(tree.path("repositories").join(OsStr::from_bytes(b"\xff"))).unwrap();
    tree.write("repositories/app/_layers/sha256/short/link", b"");
    tree.write("repositories/app/_manifests/tags/bad/current/link", b"bad");
    tree.write("repositories/app/_manifests/tags/folder/current/link/in", b"");
    let gone = Digest::of(Algorithm::Sha256, b"gone");
    tree.write("repositories/app/_manifests/tags/gone/current/link", gone.to_string().as_bytes());
    tree.tag("lost", "v1", &image(4));
    std::fs::remove_file(tree.data(&image(4).digest())).unwrap();
    std::fs::remove_file(tree.data(&Digest::of(Algorithm::Sha256, &image(4).blobs[0]))).unwrap();
    // No file can be hard-linked from one file system into another.
    let other = tempfile::tempdir_in("/dev/shm").unwrap();
    let copied = Command::new("cp").arg("-r").arg(tree.folder()).arg(other.path().join("tree")).status();
    assert!(copied.unwrap().success());
    let data = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hythe"));
    command.arg("import").arg(other.path().join("tree")).arg("--data").arg(data.path()).env_clear();
    let output = command.output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{log}");
    let lines: Vec<&str> =
        log.lines().filter(|line| line.contains(" INFO ") || line.contains(" WARN ")).collect();
    for words in [
        "importing another",
        "imported ",
        "a folder is",
        "a repository is",
        "a link is",
        "its name or its digest",
        "its link is not a file",
        "tags are not",
        "a manifest is",
        "a blob is",
        "copied, not hard-linked",
        "cannot be pulled",
    ] {
        assert!(lines.iter().any(|line| line.contains(words)), "`{words}` is not in: {log}");
    }
    for line in lines {
        assert!(hythe_cluster::registry::import_line(line).is_some(), "{line}");
    }
}
