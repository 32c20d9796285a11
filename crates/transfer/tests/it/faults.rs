//! Reads that break are continued, and wrong bytes never arrive.

use std::sync::Arc;

use hythe_testing::{Fault, ImageBuilder, Rule, ScriptedUpstream, TestRegistry};
use hythe_transfer::{Plan, Source};

use crate::places::{TestPlace, copied, endpoint, expect_whole, remote};

fn on_blobs(fault: Fault, times: usize) -> Rule {
    Rule { method: Some("GET"), contains: "/blobs/".to_owned(), times: Some(times), fault }
}

#[tokio::test]
async fn a_copy_that_is_cut_at_fifty_places_continues_there_and_ends_whole() {
    let folder = tempfile::tempdir().unwrap();
    for place in TestPlace::all(&folder) {
        let from = ScriptedUpstream::start();
        let image = ImageBuilder::new(7).layers(1, 3_000_000).build();
        from.push("app", "v1", &image);
        for cut in 0..50 {
            let at = 1 + (cut * 7919) % 60_000;
            from.rule(on_blobs(if cut % 2 == 0 { Fault::Truncate { at } } else { Fault::Reset { at } }, 1));
        }
        let source: Arc<dyn Source> = Arc::new(remote(&from.endpoint(), "app"));
        let target = place.target("app");
        copied(&source, &*target, "v1", &Plan { jobs: 1, ..Plan::default() }).await.unwrap();
        drop(target);
        expect_whole(&place.source("app"), &image).await;
        // What broke off was not fetched again.
        assert!(from.body_bytes_sent() < 2 * 3_000_000, "{}", from.body_bytes_sent());
    }
}

#[tokio::test]
async fn a_blob_with_other_bytes_is_refused_by_each_place_and_nothing_gets_the_tag() {
    let folder = tempfile::tempdir().unwrap();
    for place in TestPlace::all(&folder) {
        let from = ScriptedUpstream::start();
        let image = ImageBuilder::new(7).layers(1, 100_000).build();
        from.push("app", "v1", &image);
        from.rule(on_blobs(Fault::WrongByte { at: 20 }, 50));
        let source: Arc<dyn Source> = Arc::new(remote(&from.endpoint(), "app"));
        let target = place.target("app");
        copied(&source, &*target, "v1", &Plan::default()).await.unwrap_err();
        assert_eq!(target.find(&"v1".parse().unwrap()).await.unwrap(), None);
    }
    assert!(!folder.path().join("images.tar").exists(), "a broken archive gets no name");
}

#[tokio::test]
async fn a_source_that_is_gone_for_good_is_an_error_that_names_it() {
    let (from, to) = (ScriptedUpstream::start(), TestRegistry::start());
    let image = ImageBuilder::new(7).layers(1, 100_000).build();
    from.push("app", "v1", &image);
    from.remove("app", hythe_oci::Digest::of(hythe_oci::Algorithm::Sha256, &image.blobs[1]));
    let source: Arc<dyn Source> = Arc::new(remote(&from.endpoint(), "app"));
    let error = copied(&source, &remote(&endpoint(&to), "app"), "v1", &Plan::default()).await.unwrap_err();
    assert!(error.to_string().contains(&from.address().to_string()), "{error}");
}
