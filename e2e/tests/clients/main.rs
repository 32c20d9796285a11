//! Every client pushes and pulls a real image; the tests compare digests and contents on both sides.

mod build;
mod buildah;
mod bundles;
mod containerd;
mod copies;
mod crane;
mod docker;
mod engines;
mod helm;
mod logins;
mod pipeline;
mod podman;
mod regctl;
mod skopeo;
mod suite;

use hythe_e2e::image::Image;
use hythe_e2e::repository::Repository;
use hythe_e2e::server::Server;
use hythe_oci::Digest;

/// `HOST:PORT/NAME:TAG`.
fn reference(server: &Server, name: &str, tag: &str) -> String {
    format!("{}/{name}:{tag}", server.address())
}

/// Asserts that the server has the image under `tag` with all of its blobs; returns the manifest's digest.
fn verify(server: &Server, name: &str, tag: &str) -> Digest {
    Repository::new(&mut server.client(), name).verify(tag)
}

/// Pushes the index of two platforms to the server without a client, and returns its reference.
fn lay_index(server: &Server, image: &Image, name: &str) -> String {
    image.push_index(&mut Repository::new(&mut server.client(), name), "multi");
    reference(server, name, "multi")
}
