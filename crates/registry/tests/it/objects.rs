//! A registry over an object store whose requests fail: a client that repeats its request gets what it asked for.

use std::sync::Arc;

use hythe_registry::{Chunk, Error};
use hythe_storage::objects::{Fault, MemoryBucket};

use crate::world::{World, body, name, sha256};

/// Pushes in two requests; begins again if one fails.
async fn push(world: &World, content: &[u8]) {
    let app = name("app");
    let app = world.registry.repository(&app);
    for _ in 0..3 {
        let Ok(session) = app.start_upload(hythe_oci::Algorithm::Sha256).await else { continue };
        let (first, second) = content.split_at(content.len() / 2);
        if app.append(session.id, Chunk::default(), body(first)).await.is_err() {
            continue;
        }
        match app.finish_upload(session.id, sha256(content), Chunk::default(), body(second)).await {
            Ok(()) => return,
            Err(error) => assert!(matches!(error, Error::Internal(_)), "{error}"),
        }
    }
    panic!("only one request failed");
}

#[tokio::test]
async fn a_push_is_whole_after_a_retry_whichever_request_fails() {
    let content: Vec<u8> = (0..200).collect();
    for fault in [Fault::Before, Fault::After] {
        for nth in 0.. {
            let bucket = Arc::new(MemoryBucket::with_part_size(16));
            let world = World::over_bucket(&bucket);
            bucket.fail(nth, fault);
            push(&world, &content).await;
            let unused = bucket.heal();
            assert_eq!(world.read("app", &sha256(&content)).await, content, "{nth} {fault:?}");
            // All that a failed push left is found: by its session's row, or by its doomed file.
            world.set(|options| options.upload_expire = std::time::Duration::ZERO);
            world.collect().await;
            world.registry.recover().await.unwrap();
            let left: Vec<_> = bucket.keys().into_iter().filter(|key| !key.starts_with("blobs/")).collect();
            assert!(left.is_empty(), "{nth} {fault:?}: {left:?}");
            assert_eq!(bucket.keys().len(), 1, "{nth} {fault:?}: {:?}", bucket.keys());
            if unused {
                assert!(nth > 10, "only {nth} requests");
                break;
            }
        }
    }
}
