//! The times of pulls.

use hythe_registry::Times;

use hythe_oci::Reference;

use crate::world::{name, on_each};

on_each! {
    /// A pull is recorded beside its answer; one shortly after it is not written again, and no pull changes when the manifest
    /// was pushed or used.
    async fn a_pull_is_recorded_by_tag_and_manifest_once_in_a_quarter_of_a_day(world: World) {
        let name = name("app");
        let app = world.registry.repository(&name);
        let manifest = br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
        app.push_manifest(&reference("v1"), Vec::new(), None, manifest.as_slice().into()).await.unwrap();
        let tag = reference("v1");
        let pushed = app.manifest(&tag).await.unwrap();
        assert_eq!((pushed.times.pulled, pushed.times.tag_pulled), (None, None));
        // By HEAD a client learns what the tag names.
        app.record_pull(&tag, &pushed, false);
        let times = until(&app, |times| times.tag_pulled.is_some()).await;
        assert_eq!(times, Times { tag_pulled: times.tag_pulled, ..pushed.times });
        app.record_pull(&tag, &app.manifest(&tag).await.unwrap(), true);
        let times = until(&app, |times| times.pulled.is_some()).await;
        app.record_pull(&tag, &app.manifest(&tag).await.unwrap(), true);
        // What is written after it is there says that nothing of that pull was written before.
        app.push_manifest(&reference("v2"), Vec::new(), None, manifest.as_slice().into()).await.unwrap();
        let again = app.manifest(&tag).await.unwrap().times;
        assert_eq!((again.pulled, again.tag_pulled), (times.pulled, times.tag_pulled));
    }
}

/// The times of `v1`, as soon as they are so.
async fn until(app: &hythe_registry::Repository<'_>, is_so: impl Fn(&Times) -> bool) -> Times {
    loop {
        let times = app.manifest(&reference("v1")).await.unwrap().times;
        if is_so(&times) {
            return times;
        }
        tokio::task::yield_now().await;
    }
}

fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}
