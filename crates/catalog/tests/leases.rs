//! Leases: while one lives, local repositories keep their links. Each test runs on a catalog in a file and on one in memory.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests; the lint knows only functions marked so")]

use hythe_catalog::{BlobCommit, Catalog, Lease, Origin, Upload, UploadStart};
use hythe_oci::{Algorithm, Digest, RepositoryName, UploadId};

macro_rules! on_each {
    ($(async fn $sentence:ident($catalog:ident: Catalog) $body:block)*) => {
        $(mod $sentence {
            use super::*;

            async fn check($catalog: Catalog) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn in_a_file() {
                let folder = tempfile::tempdir().unwrap();
                check(Catalog::open(&folder.path().join("catalog.db")).unwrap()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn in_memory() {
                check(Catalog::in_memory().unwrap()).await;
            }
        })*
    };
}

fn repository(name: &str) -> RepositoryName {
    name.parse().unwrap()
}

/// Commits a blob that nothing references.
async fn push(catalog: &Catalog, into: &str, origin: Origin, content: &str) {
    let (id, digest) = (UploadId::random(), Digest::of(Algorithm::Sha256, content.as_bytes()));
    let (repository, algorithm) = (repository(into), Algorithm::Sha256);
    let start =
        UploadStart { id, repository: repository.clone(), algorithm, digest: None, fetch: false, now: 1 };
    catalog.start_upload(start).await.unwrap();
    let size = content.len() as u64;
    let (generation, epoch, private) = (id, Upload::FIRST_EPOCH, false);
    let commit = BlobCommit { repository, origin, private, digest, size, generation, epoch, now: 1 };
    catalog.commit_blob(commit).await.unwrap();
}

/// How many blobs an early collection removes at this time, and whether a lease kept any.
async fn collected(catalog: &Catalog, now: i64) -> (u64, bool) {
    let step = catalog.collect_early(i64::MAX, None, now, None, 100).await.unwrap();
    (step.blobs, step.held.is_some())
}

const HOUR: i64 = 60 * 60 * 1000;

on_each! {
    async fn while_a_lease_lives_local_blobs_stay_and_copies_go(catalog: Catalog) {
        push(&catalog, "app", Origin::Local, "pushed").await;
        push(&catalog, "copy", "up.example".parse().unwrap(), "cached").await;
        let lease = catalog.take_lease("backup", "a test", 1000).await.unwrap().unwrap();
        assert_eq!((lease.until, lease.ends), (1000 + Lease::LIFE, 1000 + Lease::LONGEST));
        assert_eq!(collected(&catalog, 1001).await, (1, true));
        assert_eq!(catalog.leases(1001).await.unwrap(), std::slice::from_ref(&lease));
        assert!(catalog.release_lease(&lease.id, 1002).await.unwrap());
        assert!(!catalog.release_lease(&lease.id, 1002).await.unwrap());
        assert_eq!(collected(&catalog, 1003).await, (1, false));
    }

    async fn a_lease_ends_ten_minutes_after_its_last_renewal(catalog: Catalog) {
        push(&catalog, "app", Origin::Local, "pushed").await;
        let lease = catalog.take_lease("backup", "a killed one", 0).await.unwrap().unwrap();
        let renewed = catalog.renew_lease(&lease.id, Lease::LIFE - 1).await.unwrap().unwrap();
        assert_eq!(renewed, Lease { until: 2 * Lease::LIFE - 1, ..lease.clone() });
        assert_eq!(collected(&catalog, 2 * Lease::LIFE - 2).await, (0, true));
        assert_eq!(collected(&catalog, 2 * Lease::LIFE - 1).await, (1, false));
        assert_eq!(catalog.renew_lease(&lease.id, 2 * Lease::LIFE).await.unwrap(), None);
    }

    async fn no_lease_lives_longer_than_a_day_however_often_it_is_renewed(catalog: Catalog) {
        let lease = catalog.take_lease("backup", "a test", 0).await.unwrap().unwrap();
        let mut now = 0;
        while let Some(renewed) = catalog.renew_lease(&lease.id, now).await.unwrap() {
            assert_eq!((renewed.until, renewed.ends), (Lease::LONGEST.min(now + Lease::LIFE), Lease::LONGEST));
            now += Lease::LIFE / 2;
        }
        assert_eq!(now, Lease::LONGEST);
    }

    async fn a_clock_that_is_set_back_makes_no_lease_live_longer(catalog: Catalog) {
        push(&catalog, "app", Origin::Local, "pushed").await;
        let lease = catalog.take_lease("backup", "a killed one", 1000 * HOUR).await.unwrap().unwrap();
        assert_eq!(collected(&catalog, HOUR).await, (0, true));
        let left = catalog.leases(HOUR).await.unwrap();
        assert_eq!((left[0].until, left[0].ends), (HOUR + Lease::LIFE, HOUR + Lease::LONGEST));
        assert_eq!(collected(&catalog, HOUR + Lease::LIFE).await, (1, false));
        // Set back again: the lease does not come back, because its holder could not know that it had ended meanwhile.
        assert_eq!(catalog.renew_lease(&lease.id, HOUR).await.unwrap(), None);
        assert_eq!(catalog.leases(HOUR).await.unwrap(), []);
    }

    async fn no_more_than_a_bounded_number_of_leases_live(catalog: Catalog) {
        for _ in 0..Lease::MOST {
            assert!(catalog.take_lease("backup", "a test", 0).await.unwrap().is_some());
        }
        assert_eq!(catalog.take_lease("backup", "a test", 1).await.unwrap(), None);
        assert!(catalog.take_lease("backup", "a test", Lease::LIFE).await.unwrap().is_some());
        assert_eq!(catalog.leases(Lease::LIFE).await.unwrap().len(), 1);
    }
}
