//! A catalog reports its changes to a journal, also to one that fails now and then.

#![allow(clippy::unwrap_used)] // The helpers of tests are tests: a failure is to end them.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use hythe_catalog::{Catalog, Expect, Journal, Lines, ManifestPush, Origin, Record};
use hythe_oci::{Algorithm, Digest, RepositoryName};

/// A journal in memory.
#[derive(Debug, Default)]
struct Kept {
    lines: Mutex<Vec<u8>>,
    fails: AtomicBool,
}

impl Journal for Kept {
    fn append(&self, lines: &[u8]) -> io::Result<()> {
        if self.fails.load(Ordering::Relaxed) {
            return Err(io::Error::other("the disk is full"));
        }
        self.lines.lock().unwrap().extend_from_slice(lines);
        Ok(())
    }
}

impl Kept {
    /// The tags that were set since the last call.
    fn tags(&self) -> Vec<String> {
        let lines = std::mem::take(&mut *self.lines.lock().unwrap());
        let records = Lines::new(&lines[..]).map(|line| line.unwrap().unwrap());
        records
            .filter_map(|record| match record {
                Record::Tag { name, .. } => Some(name.to_string()),
                _ => None,
            })
            .collect()
    }
}

fn open(path: &Path, journal: &Arc<Kept>) -> Catalog {
    let journal: Arc<dyn Journal> = Arc::<Kept>::clone(journal);
    Catalog::open_journaled(path, Expect::Anything, None, Some(journal)).unwrap()
}

fn name() -> RepositoryName {
    "app".parse().unwrap()
}

async fn push(catalog: &Catalog, tag: &str) {
    let push = ManifestPush {
        repository: name(),
        origin: Origin::Local,
        private: false,
        digest: Digest::of(Algorithm::Sha256, tag.as_bytes()),
        media_type: "text".to_owned(),
        bytes: tag.to_owned().into(),
        artifact_type: None,
        annotations: None,
        subject: None,
        blobs: Vec::new(),
        require_blobs: false,
        manifests: Vec::new(),
        tags: vec![tag.parse().unwrap()],
        protected: Vec::new(),
        tagged: 1,
        now: 1,
    };
    catalog.push_manifest(push).await.unwrap();
}

fn rows(path: &Path) -> i64 {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.query_row("SELECT count(*) FROM journal", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn changes_that_could_not_be_appended_are_appended_in_their_order_when_that_works_again() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Arc::new(Kept::default());
    let catalog = open(&folder.path().join("catalog"), &journal);
    push(&catalog, "a").await;
    assert_eq!(journal.tags(), ["a"]);
    journal.fails.store(true, Ordering::Relaxed);
    push(&catalog, "b").await;
    push(&catalog, "c").await;
    let journaled = catalog.journaled().unwrap();
    assert_eq!(journaled.borrow().failure.as_deref(), Some("the disk is full"));
    journal.fails.store(false, Ordering::Relaxed);
    catalog.flush_journal().await.unwrap();
    assert_eq!(journal.tags(), ["b", "c"]);
    assert_eq!(journaled.borrow().failure, None);
}

#[tokio::test]
async fn the_next_start_appends_what_was_not_yet_durable() {
    let folder = tempfile::tempdir().unwrap();
    let (path, journal) = (folder.path().join("catalog"), Arc::new(Kept::default()));
    let catalog = open(&path, &journal);
    for tag in ["a", "b"] {
        push(&catalog, tag).await;
    }
    let last = catalog.journaled().unwrap().borrow().last;
    catalog.forget_journaled(last).await.unwrap();
    push(&catalog, "c").await;
    drop(catalog);
    journal.tags();
    let catalog = open(&path, &journal);
    catalog.flush_journal().await.unwrap();
    // The newest of the durable changes stays.
    assert_eq!(journal.tags(), ["b", "c"]);
    catalog.rewind_journal().await.unwrap();
    assert_eq!(journal.tags(), ["b", "c"]);
}

#[tokio::test]
async fn numbers_only_grow_so_no_change_is_taken_for_one_that_was_appended() {
    let folder = tempfile::tempdir().unwrap();
    let (path, journal) = (folder.path().join("catalog"), Arc::new(Kept::default()));
    let catalog = open(&path, &journal);
    for round in 0..5 {
        push(&catalog, &format!("t{round}")).await;
        assert_eq!(journal.tags(), [format!("t{round}")]);
        let last = catalog.journaled().unwrap().borrow().last;
        catalog.forget_journaled(last).await.unwrap();
        assert_eq!(rows(&path), 1);
    }
}

#[tokio::test]
async fn a_catalog_without_a_journal_keeps_no_rows_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog");
    let catalog = Catalog::open(&path).unwrap();
    push(&catalog, "a").await;
    assert_eq!(rows(&path), 0);
    assert!(catalog.journaled().is_none());
}
