//! The contract of a log beside the blobs.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests; the lint knows only functions marked so")]

use std::io::{Read, Write};
use std::sync::Arc;

use hythe_storage::{FsStorage, Log, Storage};
use tempfile::TempDir;

fn open(folder: &TempDir) -> (FsStorage, Arc<dyn Log>) {
    let storage = FsStorage::open(folder.path()).unwrap();
    let log = storage.log().unwrap();
    (storage, log)
}

/// All that a reader reads, the segments separated by bars.
fn read(log: &dyn Log) -> String {
    let segments = log.segments().unwrap();
    let texts = segments.iter().map(|segment| {
        let mut text = String::new();
        log.read(segment).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text.len() as u64, segment.size);
        text
    });
    texts.collect::<Vec<_>>().join("|")
}

#[test]
fn what_is_appended_is_read_in_its_order_by_the_next_process_too() {
    let folder = tempfile::tempdir().unwrap();
    let (storage, log) = open(&folder);
    assert_eq!(log.segments().unwrap(), []);
    log.append(b"a\n").unwrap();
    log.append(b"b\n").unwrap();
    log.sync().unwrap();
    drop((storage, log));
    let (_storage, log) = open(&folder);
    log.append(b"c\n").unwrap();
    assert_eq!(read(&*log), "a\nb\nc\n");
}

#[test]
fn a_base_replaces_what_came_before_it_and_not_what_comes_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let (_storage, log) = open(&folder);
    for round in 0..3 {
        log.append(b"old\n").unwrap();
        let mut base = log.begin_base().unwrap();
        log.append(b"meanwhile\n").unwrap();
        base.write_all(format!("base {round}\n").as_bytes()).unwrap();
        base.finish().unwrap();
        log.append(b"later\n").unwrap();
        assert_eq!(read(&*log), format!("base {round}\n|meanwhile\nlater\n"));
    }
    assert_eq!(std::fs::read_dir(folder.path().join("journal")).unwrap().count(), 2);
}

#[test]
fn a_base_that_was_never_finished_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (storage, log) = open(&folder);
    log.append(b"old\n").unwrap();
    let mut base = log.begin_base().unwrap();
    base.write_all(b"half").unwrap();
    log.append(b"new\n").unwrap();
    // As a kill leaves it.
    std::mem::forget(base);
    drop((storage, log));
    let (_storage, log) = open(&folder);
    assert_eq!(read(&*log), "old\n|new\n");
    log.begin_base().unwrap().finish().unwrap();
    assert_eq!(read(&*log), "|");
    assert_eq!(std::fs::read_dir(folder.path().join("journal")).unwrap().count(), 2);
}

#[test]
fn a_torn_end_is_followed_by_a_line_break() {
    let folder = tempfile::tempdir().unwrap();
    let (storage, log) = open(&folder);
    log.append(b"a\ntorn").unwrap();
    drop((storage, log));
    let (_storage, log) = open(&folder);
    log.append(b"b\n").unwrap();
    assert_eq!(read(&*log), "a\ntorn\nb\n");
}

#[test]
fn a_sync_of_a_file_that_was_removed_fails() {
    let folder = tempfile::tempdir().unwrap();
    let (_storage, log) = open(&folder);
    log.append(b"a\n").unwrap();
    std::fs::remove_dir_all(folder.path().join("journal")).unwrap();
    assert!(log.sync().is_err());
    log.begin_base().unwrap().finish().unwrap();
    log.append(b"b\n").unwrap();
    log.sync().unwrap();
    assert_eq!(read(&*log), "|b\n");
}
