//! An upstream that is down: hythe serves what was pulled before, and fails quickly with the reason for anything else.

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
fn a_pulled_image_is_served_to_every_client_while_the_upstream_is_down() {
    let mut site = Site::start();
    let image = sample(&[2 << 20, 1 << 20]);
    Site::fill(&site.open, "library/hythe-e2e", "v1", &image);
    Crane::new(&site.hythe).expect("docker.io/library/hythe-e2e:v1", &image);
    site.open.stop();
    // After the tag's time to live hythe asks the upstream again, in vain.
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
fn an_image_that_was_never_pulled_fails_within_3_s_and_the_error_names_the_upstream() {
    never_pulled(|site| Box::new(Docker::new(site)), Duration::ZERO);
    never_pulled(|site| Box::new(Containerd::first(site)), Duration::ZERO);
    never_pulled(|site| Box::new(Containerd::second(site)), Duration::ZERO);
    never_pulled(|site| Box::new(Skopeo::new(&site.hythe)), Duration::ZERO);
    // crane asks three times, and waits 1 s and 3 s in between.
    never_pulled(|site| Box::new(Crane::new(&site.hythe)), Duration::from_secs(4));
}

/// Lets the client of `make` ask for content that hythe does not have; `own` is how long the client itself waits
/// between its attempts.
fn never_pulled(make: impl for<'s> Fn(&'s Site) -> Box<dyn Puller + 's>, own: Duration) {
    // Each client gets its own site, because hythe answers at once for content that keeps failing.
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
    // Failures of missing content do not affect stored content.
    client.expect("up.example/team/app:v1", &image);
}
