//! A registry with one upstream, and helpers for common steps of the tests.

use hythe_oci::Digest;
use hythe_testing::{Answer, Client, ImageBuilder, Manifest, ScriptedUpstream, Setup, TestRegistry};

/// The upstream's name for clients.
pub(crate) const UPSTREAM: &str = "up.example";

pub(crate) struct World {
    pub(crate) upstream: ScriptedUpstream,
    pub(crate) registry: TestRegistry,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|setup| setup)
    }

    pub(crate) fn with(change: impl FnOnce(Setup) -> Setup) -> Self {
        let upstream = ScriptedUpstream::start();
        let setup = TestRegistry::setup().upstream(UPSTREAM, &[upstream.endpoint()]);
        Self { registry: change(setup).start(), upstream }
    }

    /// A world whose registry checks a tag upstream at each request.
    pub(crate) fn impatient() -> Self {
        let upstream = ScriptedUpstream::start();
        let setup = TestRegistry::setup().upstream_with(UPSTREAM, &[upstream.endpoint()], |upstream| {
            upstream.ttl = std::time::Duration::ZERO;
        });
        Self { registry: setup.start(), upstream }
    }

    pub(crate) fn client(&self) -> Client {
        self.registry.client()
    }

    /// Pushes an image of one layer to the upstream as `app:v1`.
    pub(crate) fn image(&self, seed: u64) -> Manifest {
        let image = ImageBuilder::new(seed).layers(1, 100_000).build();
        self.upstream.push("app", "v1", &image);
        image
    }

    pub(crate) fn manifest(&self, reference: impl ToString) -> Answer {
        self.client().get(format!("/v2/{UPSTREAM}/app/manifests/{}", reference.to_string())).send()
    }

    pub(crate) fn blob(&self, digest: Digest) -> Answer {
        self.client().get(format!("/v2/{UPSTREAM}/app/blobs/{digest}")).send()
    }

    /// Pulls the image as a client does, and expects all of it.
    #[track_caller]
    pub(crate) fn pull(&self, reference: &str, image: &Manifest) {
        let answer = self.manifest(reference).expect(200);
        assert_eq!(answer.body, image.bytes);
        assert_eq!(answer.header("content-type"), Some(image.media_type.as_str()));
        assert_eq!(answer.digest(), image.digest());
        for blob in &image.blobs {
            let answer = self.blob(digest(blob)).expect(200);
            assert!(answer.body == *blob);
        }
    }
}

pub(crate) fn digest(content: &[u8]) -> Digest {
    Digest::of(hythe_oci::Algorithm::Sha256, content)
}

/// How the cache produced the response (`X-Cache`).
#[track_caller]
pub(crate) fn cache(answer: &Answer) -> &str {
    answer.expect_header("x-cache")
}
