//! A bucket keeps the contract of stores. Behind it is an object store in memory; the end-to-end suite `backups` has a real server.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests; the lint knows only functions marked so")]

#[path = "../../backup/tests/contract/mod.rs"]
mod contract;

use std::sync::Arc;

use hythe_backup::Store;
use hythe_s3::{Bucket, BucketOptions};
use object_store::memory::InMemory;

fn options(prefix: &str) -> BucketOptions {
    BucketOptions {
        bucket: "bucket".to_owned(),
        prefix: prefix.to_owned(),
        endpoint: None,
        region: None,
        keys: None,
        variables: Vec::new(),
        scratch: None,
    }
}

#[test]
fn a_bucket_does_what_a_store_must_with_a_prefix_and_without() {
    for prefix in ["", "hythe/production"] {
        let store = Bucket::over(Arc::new(InMemory::new()), options(prefix)).unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        contract::check(&store);
    }
}

#[test]
fn what_lies_beside_the_prefix_is_not_of_the_store() {
    let memory = Arc::new(InMemory::new());
    let one: Arc<dyn Store> = Arc::new(Bucket::over(memory.clone(), options("one")).unwrap());
    let other: Arc<dyn Store> = Arc::new(Bucket::over(memory.clone(), options("one-other")).unwrap());
    hythe_backup::Destination::create_in(other).unwrap();
    assert!(one.is_empty().unwrap());
    hythe_backup::Destination::create_in(one).unwrap();
    let whole: Arc<dyn Store> = Arc::new(Bucket::over(memory, options("")).unwrap());
    let refused = hythe_backup::Destination::create_in(whole).unwrap_err().to_string();
    assert!(refused.contains("s3://bucket is not empty"), "{refused}");
}

#[test]
fn a_bucket_without_credentials_or_with_half_of_them_says_which_variable_to_set() {
    let variables = |named: &[&str]| named.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect();
    for (set, missing) in [
        (&[][..], "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        (&["AWS_ACCESS_KEY_ID"], "but not AWS_SECRET_ACCESS_KEY"),
        (&["AWS_SECRET_ACCESS_KEY"], "but not AWS_ACCESS_KEY_ID"),
    ] {
        let endpoint = Some("http://127.0.0.1:1".to_owned());
        let bucket = Bucket::new(BucketOptions { endpoint, variables: variables(set), ..options("") });
        let refused = bucket.make().unwrap_err().to_string();
        assert!(refused.contains(missing), "{refused}");
    }
}
