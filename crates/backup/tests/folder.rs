//! A folder keeps the contract of stores.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests; the lint knows only functions marked so")]

mod contract;

use std::sync::Arc;

use hythe_backup::{Folder, Store};

#[test]
fn a_folder_does_what_a_store_must() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(Folder::new(&folder.path().join("not/yet")));
    contract::check(&store);
}
