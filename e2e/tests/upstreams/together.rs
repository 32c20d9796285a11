//! One process is the registry for pushed images and the cache of upstreams, for every client at the same time.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Barrier;
use std::thread;

use hythe_e2e::client::Client;
use hythe_e2e::repository::Repository;

use crate::containerd::Containerd;
use crate::crane::Crane;
use crate::docker::Docker;
use crate::podman::Podman;
use crate::puller::{Puller, sample};
use crate::site::Site;
use crate::skopeo::Skopeo;

#[test]
fn every_client_pulls_through_one_process_and_pushes_to_it_at_the_same_time() {
    let site = Site::start();
    let hub = sample(&[4 << 20, 1 << 20, 2 << 20]);
    let other = sample(&[3 << 20, 1 << 20]);
    // The real Docker Hub has no such names, so a pulled image comes from the test's upstream.
    Site::fill(&site.open, "library/hythe-e2e", "v1", &hub);
    Site::fill(&site.open, "team/other", "v1", &other);
    let docker = Docker::new(&site);
    let (first, second) = (Containerd::first(&site), Containerd::second(&site));
    let (podman, skopeo, crane) = (Podman::new(&site), Skopeo::new(&site.hythe), Crane::new(&site.hythe));
    let all: [&dyn Puller; 6] = [&docker, &first, &second, &podman, &skopeo, &crane];

    let image = "docker.io/library/hythe-e2e:v1";
    let begin = Barrier::new(all.len() + 1);
    thread::scope(|scope| {
        for client in all {
            let (begin, hub, other, site) = (&begin, &hub, &other, &site);
            scope.spawn(move || {
                begin.wait();
                client.expect(image, hub);
                client.push(image, &site.path(&format!("{}/app:v1", client.name())));
                client.expect("up.example/team/other:v1", other);
            });
        }
        let own = sample(&[5 << 20, 1 << 20]);
        begin.wait();
        let mut client = site.hythe.client();
        let mut app = Repository::new(&mut client, "app");
        own.push(&mut app, "v1");
        assert_eq!(app.verify("v1"), own.digest);
    });

    for client in all {
        let name = format!("{}/app", client.name());
        Repository::new(&mut site.hythe.client(), &name).verify("v1");
    }
    let mirror = SocketAddr::from((Ipv4Addr::LOCALHOST, site.mirror));
    let answer = Repository::new(&mut Client::new(mirror), "app").open_upload().expect("the mirror answers");
    println!("a push to the mirror: {} {}", answer.status, answer.text());
    assert!((400..500).contains(&answer.status), "a mirror of docker.io accepted a push: {answer:?}");
    // Each blob was fetched once, however many clients asked at once and by whichever name.
    for blob in hub.layers.iter().chain(&other.layers).chain([&hub.id, &other.id]) {
        assert_eq!(site.open.downloads(blob), 1, "{blob} was fetched\n{}", site.open.log());
    }
}
