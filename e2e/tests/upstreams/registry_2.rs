//! hythe runs with an unchanged `registry:2` configuration of a pull-through cache.

use std::thread;
use std::time::Duration;

use hythe_e2e::repository::Repository;
use hythe_e2e::server::Server;
use hythe_e2e::upstream::{Access, Upstream};
use hythe_e2e::user::{PASSWORD, USER};

use crate::crane::Crane;
use crate::docker::Docker;
use crate::puller::{Puller, sample};
use crate::skopeo::Skopeo;

#[test]
fn a_registry_2_configuration_with_proxy_gives_a_cache_that_accepts_pushes() {
    let mut upstream = Upstream::start(Access::Basic);
    let [image, own] = [sample(&[2 << 20, 1 << 20]), sample(&[1 << 20])];
    // The real Docker Hub has no such name, so a pulled image comes from the test's upstream.
    upstream.fill("library/hythe-e2e", |repository| image.push(repository, "v1"));
    let proxy = format!(
        "proxy:\n  remoteurl: http://{}\n  username: {USER}\n  password: '{PASSWORD}'\n",
        upstream.address()
    );
    let mut hythe =
        Server::new().with_registry_configuration(&proxy).with_setting("HYTHE_UPSTREAM_TTL", "1s");
    hythe.run();

    // By the upstream's own names, as with `registry:2`; dockerd usually has it as its mirror.
    let docker = Docker::with_mirror(&hythe.address().to_string(), &hythe);
    let (crane, skopeo) = (Crane::new(&hythe), Skopeo::new(&hythe));
    docker.expect("docker.io/library/hythe-e2e:v1", &image);
    for client in [&crane as &dyn Puller, &skopeo] {
        client.expect("library/hythe-e2e:v1", &image);
        client.expect(&format!("library/hythe-e2e@{}", image.digest), &image);
    }
    for blob in &image.layers {
        assert_eq!(upstream.downloads(blob), 1, "{blob} was fetched\n{}", upstream.log());
    }

    own.push(&mut Repository::new(&mut hythe.client(), "own"), "v1");
    crane.push("library/hythe-e2e:v1", &format!("{}/copied:v1", hythe.address()));
    docker.push("docker.io/library/hythe-e2e:v1", &format!("{}/docker/app:v1", hythe.address()));
    upstream.stop();
    // The tag's time to live is over.
    thread::sleep(Duration::from_millis(1500));
    for client in [&crane as &dyn Puller, &skopeo] {
        client.expect("own:v1", &own);
        client.expect("copied:v1", &image);
        client.expect("library/hythe-e2e:v1", &image);
    }
    Repository::new(&mut hythe.client(), "docker/app").verify("v1");
}
