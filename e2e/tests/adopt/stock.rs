//! Content to fill a registry with, and to check afterwards.

use hythe_e2e::client::Client;
use hythe_e2e::image::push_random;
use hythe_e2e::number::fresh_seed;
use hythe_e2e::repository::{Repository, catalog};
use hythe_oci::Digest;

/// Images by repository, reference and digest.
pub(crate) struct Stock(Vec<(String, String, Digest)>);

impl Stock {
    /// Pushes images of about 24 MiB in total, with several tags, a moved tag, and a name with slashes.
    pub(crate) fn push(client: &mut Client) -> Self {
        let mut stock = Self(Vec::new());
        stock.add(client, "team/app", "v1", &[8 << 20, 4000]);
        stock.add(client, "team/app", "v2", &[8 << 20, 1 << 20]);
        stock.add(client, "deep/er/base-image", "latest", &[4 << 20]);
        push_random(&mut Repository::new(client, "other"), "moved", fresh_seed(), &[1000]);
        stock.add(client, "other", "moved", &[2000]);
        stock
    }

    /// Pushes one more image.
    pub(crate) fn add(&mut self, client: &mut Client, repository: &str, tag: &str, layers: &[u64]) {
        let digest = push_random(&mut Repository::new(client, repository), tag, fresh_seed(), layers);
        for reference in [tag.to_owned(), digest.to_string()] {
            self.0.push((repository.to_owned(), reference, digest));
        }
    }

    /// Asserts that the registry has every byte of the content, and accepts another push.
    pub(crate) fn expect(&self, client: &mut Client) {
        for (repository, reference, digest) in &self.0 {
            assert_eq!(
                Repository::new(client, repository).verify(reference),
                *digest,
                "{repository} {reference}"
            );
            assert!(catalog(client).contains(repository), "{repository}");
        }
        push_random(&mut Repository::new(client, "later"), "v1", fresh_seed(), &[1000]);
    }
}
