//! An upstream that is down: what was pulled is served, what was not fails soon and says why.

use std::thread;
use std::time::{Duration, Instant};

use crate::containerd::Containerd;
use crate::crane::Crane;
use crate::docker::Docker;
use crate::podman::Podman;
use crate::puller::{Puller, sample};
use crate::site::{Site, TTL};
use crate::skopeo::Skopeo;

#[test]
fn what_was_pulled_once_is_served_to_every_client_while_the_upstream_is_down() {
    let mut site = Site::start();
    let image = sample(&[2 << 20, 1 << 20]);
    Site::fill(&site.open, "library/hythe-e2e", "v1", &image);
    Crane::new(&site.hythe).expect("docker.io/library/hythe-e2e:v1", &image);
    site.open.stop();
    // The tag is believed no longer, so that the upstream is asked in vain.
    thread::sleep(TTL + Duration::from_millis(500));

    let docker = Docker::new(&site);
    let (first, second) = (Containerd::first(&site), Containerd::second(&site));
    let (podman, skopeo, crane) = (Podman::new(&site), Skopeo::new(&site.hythe), Crane::new(&site.hythe));
    for client in [&docker as &dyn Puller, &first, &second, &podman, &skopeo, &crane] {
        client.expect("docker.io/library/hythe-e2e:v1", &image);
        client.expect(&format!("docker.io/library/hythe-e2e@{}", image.digest), &image);
    }
}

#[test]
fn what_was_never_pulled_fails_within_3_s_and_the_upstream_is_named() {
    never_pulled(|site| Box::new(Docker::new(site)), Duration::ZERO);
    never_pulled(|site| Box::new(Containerd::first(site)), Duration::ZERO);
    never_pulled(|site| Box::new(Containerd::second(site)), Duration::ZERO);
    never_pulled(|site| Box::new(Skopeo::new(&site.hythe)), Duration::ZERO);
    // It asks three times, and waits 1 s and 3 s between.
    never_pulled(|site| Box::new(Crane::new(&site.hythe)), Duration::from_secs(4));
}

/// The client that `make` makes asks for what is not here; `own` is how long it waits of its own accord.
fn never_pulled(make: impl for<'s> Fn(&'s Site) -> Box<dyn Puller + 's>, own: Duration) {
    // One of its own for each client, as what fails again and again is answered for at once.
    let mut site = Site::start();
    let image = sample(&[1 << 20]);
    Site::fill(&site.open, "team/app", "v1", &image);
    Crane::new(&site.hythe).expect("up.example/team/app:v1", &image);
    site.open.stop();

    let client = make(&site);
    for name in ["up.example/team/app:v2".to_owned(), format!("up.example/team/app@{}", image.layers[0])] {
        let begin = Instant::now();
        let failed = client.pull(&name).expect_err("the upstream is down");
        let took = begin.elapsed();
        println!("{} gave up on {name} after {took:?}", client.name());
        assert!(took < Duration::from_secs(3) + own, "{} needed {took:?}: {failed:?}", client.name());
        let log = site.hythe.log();
        let named = failed.stderr.contains("upstream up.example") || log.contains("upstream up.example");
        assert!(named, "{}: {failed:?}\n{log}", client.name());
    }
    // What is here is not affected by what is not.
    client.expect("up.example/team/app:v1", &image);
}
