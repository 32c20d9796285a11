//! What a store of backups must do: one suite, which runs on a folder and on a bucket.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests; the lint knows only functions marked so")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::sync::Arc;

use hythe_backup::{Found, Store, When};

/// More than the largest part of a multipart upload.
const LARGE: usize = (20 << 20) + 12345;

fn write(store: &dyn Store, name: &str, bytes: &[u8], when: When) -> std::io::Result<()> {
    let mut file = store.begin(name, Some(bytes.len() as u64))?;
    // In pieces, as blobs come.
    bytes.chunks(300_000).try_for_each(|piece| file.write_all(piece))?;
    file.publish(when)
}

fn read(store: &dyn Store, name: &str) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    store.open(name)?.read_to_end(&mut bytes).map(|_| bytes)
}

fn names(store: &dyn Store, folder: &str) -> Vec<(String, u64)> {
    let found = store.list(folder).unwrap().map(|found| found.map(|Found { name, size }| (name, size)));
    let mut names: Vec<_> = found.collect::<Result<_, _>>().unwrap();
    names.sort();
    names
}

/// Checks everything, in an empty store.
pub(crate) fn check(store: &Arc<dyn Store>) {
    let store = &**store;
    store.make().unwrap();
    a_missing_file_is_no_file(store);
    a_file_has_its_bytes_and_an_unpublished_one_no_name(store);
    a_name_that_is_taken_is_kept_when_it_must_be(store);
    files_are_listed_renamed_and_removed(store);
    a_scratch_file_is_an_empty_file_of_this_machine(store);
}

fn a_missing_file_is_no_file(store: &dyn Store) {
    assert!(store.is_empty().unwrap());
    assert_eq!(store.size("none").unwrap(), None);
    assert_eq!(read(store, "none").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(names(store, "blobs"), []);
    store.remove(&["none".to_owned(), "blobs/none".to_owned()]).unwrap();
    store.sync("blobs").unwrap();
    assert!(store.is_empty().unwrap());
}

fn a_file_has_its_bytes_and_an_unpublished_one_no_name(store: &dyn Store) {
    let large: Vec<u8> = (0..LARGE).map(|at| ((at * at) >> 7) as u8).collect();
    for (name, bytes) in
        [("mark", &b"x"[..]), ("blobs/empty", b""), ("blobs/a/small", b"small"), ("blobs/large", &large)]
    {
        write(store, name, bytes, When::Always).unwrap();
        assert_eq!(store.size(name).unwrap(), Some(bytes.len() as u64), "{name}");
        assert!(read(store, name).unwrap() == bytes, "{name}");
        if let Some(mut file) = store.local(name).unwrap() {
            let mut same = Vec::new();
            file.read_to_end(&mut same).unwrap();
            assert!(same == bytes, "{name}");
        }
    }
    let mut file = store.begin("blobs/never", None).unwrap();
    file.write_all(&large).unwrap();
    drop(file);
    assert_eq!(store.size("blobs/never").unwrap(), None);
    store.sync("blobs").unwrap();
    store.sync("").unwrap();
    assert!(!store.is_empty().unwrap());
}

fn a_name_that_is_taken_is_kept_when_it_must_be(store: &dyn Store) {
    let large = vec![7; LARGE];
    for first in [&b"first"[..], &large] {
        write(store, "snapshots/one", first, When::Absent).unwrap();
        for second in [&b"second"[..], &vec![8; LARGE]] {
            let refused = write(store, "snapshots/one", second, When::Absent).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::AlreadyExists, "{refused}");
            assert!(read(store, "snapshots/one").unwrap() == first);
        }
        write(store, "snapshots/one", b"third", When::Always).unwrap();
        assert_eq!(read(store, "snapshots/one").unwrap(), b"third");
        store.remove(&["snapshots/one".to_owned()]).unwrap();
    }
}

fn files_are_listed_renamed_and_removed(store: &dyn Store) {
    let found = names(store, "blobs");
    let expected = [
        ("blobs/a/small".to_owned(), 5),
        ("blobs/empty".to_owned(), 0),
        ("blobs/large".to_owned(), LARGE as u64),
    ];
    assert_eq!(found, expected);
    // A folder whose name begins with another one's is not in it.
    write(store, "blobs2/x", b"x", When::Always).unwrap();
    assert_eq!(names(store, "blobs"), expected);
    store.rename("blobs/a/small", "damaged/small").unwrap();
    assert_eq!((store.size("blobs/a/small").unwrap(), store.size("damaged/small").unwrap()), (None, Some(5)));
    let all: Vec<String> = ["blobs/empty", "blobs/large", "blobs/none", "blobs2/x", "damaged/small", "mark"]
        .map(str::to_owned)
        .into();
    store.remove(&all).unwrap();
    assert!(names(store, "blobs").is_empty() && names(store, "damaged").is_empty());
}

fn a_scratch_file_is_an_empty_file_of_this_machine(store: &dyn Store) {
    let mut file = store.scratch().unwrap();
    file.write_all(b"x").unwrap();
    assert_eq!(file.metadata().unwrap().len(), 1);
    drop(file);
    store.clear_unfinished().unwrap();
}
