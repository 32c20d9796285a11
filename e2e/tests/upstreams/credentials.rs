//! Upstreams that require credentials: hythe logs in, its clients do not.

use std::thread;
use std::time::Duration;

use hythe_e2e::client::Client;
use hythe_e2e::repository::Repository;
use hythe_e2e::sample::Sample;
use hythe_e2e::upstream::Upstream;

use crate::containerd::Containerd;
use crate::crane::Crane;
use crate::docker::Docker;
use crate::podman::Podman;
use crate::puller::{Puller, sample};
use crate::site::Site;
use crate::skopeo::Skopeo;

#[test]
fn every_client_pulls_from_an_upstream_with_a_password() {
    let site = Site::start();
    let image = sample(&[2 << 20, 1 << 20]);
    Site::fill(&site.basic, "team/basic", "v1", &image);
    refuses_anonymous_pulls(&site.basic, "team/basic");
    everyone_pulls(&site, "basic.example/team/basic:v1", &image);
}

#[test]
fn every_client_pulls_from_an_upstream_with_tokens_and_they_share_one_token() {
    let site = Site::start();
    let image = sample(&[2 << 20, 1 << 20]);
    Site::fill(&site.token, "team/token", "v1", &image);
    refuses_anonymous_pulls(&site.token, "team/token");
    everyone_pulls(&site, "token.example/team/token:v1", &image);
    assert_eq!(site.issuer.given(), ["repository:team/token:pull"]);
    assert_eq!(site.issuer.refused(), 0);
}

#[test]
fn tokens_are_for_one_repository_and_renewed_when_they_expire() {
    let site = Site::start();
    let crane = Crane::new(&site.hythe);
    let [a, b, c] = [sample(&[1 << 20]), sample(&[1 << 20]), sample(&[1 << 20])];
    Site::fill(&site.token, "team/a", "v1", &a);
    Site::fill(&site.token, "team/a", "v2", &b);
    Site::fill(&site.token, "team/c", "v1", &c);

    site.issuer.set_lifetime(Duration::from_secs(3));
    crane.expect("token.example/team/a:v1", &a);
    crane.expect("token.example/team/c:v1", &c);
    assert_eq!(site.issuer.given(), ["repository:team/a:pull", "repository:team/c:pull"]);
    // The upstream no longer accepts the first token.
    thread::sleep(Duration::from_secs(4));
    crane.expect("token.example/team/a:v2", &b);
    let given = site.issuer.given();
    assert_eq!(given[2..], ["repository:team/a:pull"]);
    assert_eq!(site.issuer.refused(), 0);
}

fn refuses_anonymous_pulls(upstream: &Upstream, name: &str) {
    let mut client = Client::new(upstream.address());
    let answer = Repository::new(&mut client, name).manifest("v1").expect("the upstream answers");
    answer.expect(401, "an anonymous pull from the upstream");
}

fn everyone_pulls(site: &Site, image: &str, sample: &Sample) {
    let docker = Docker::new(site);
    let (first, second) = (Containerd::first(site), Containerd::second(site));
    let (podman, skopeo, crane) = (Podman::new(site), Skopeo::new(&site.hythe), Crane::new(&site.hythe));
    let all: [&dyn Puller; 6] = [&docker, &first, &second, &podman, &skopeo, &crane];
    thread::scope(|scope| {
        for client in all {
            scope.spawn(move || client.expect(image, sample));
        }
    });
}
