//! Many pulls through an upstream with random faults: each gets the right bytes or none.

use hythe_testing::{Fault, ImageBuilder, Rule, ScriptedUpstream, TestRegistry};

use crate::world::UPSTREAM;

/// A random generator that gives the same numbers in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn fault(&mut self, length: u64) -> Fault {
        let at = self.below(length);
        match self.below(9) {
            0 => Fault::Truncate { at },
            1 => Fault::Reset { at },
            2 => Fault::WrongByte { at },
            3 => Fault::status(500),
            4 => Fault::status(502),
            5 => Fault::status(503),
            6 => Fault::HangUp,
            7 => Fault::NoLength,
            _ => Fault::IgnoreRange,
        }
    }
}

#[test]
fn pulls_over_an_upstream_with_random_faults_are_right_or_none() {
    let pulls: u64 = std::env::var("HYTHE_FAULT_PULLS").map_or(60, |pulls| pulls.parse().unwrap());
    let upstream = ScriptedUpstream::start();
    let registry = TestRegistry::setup()
        .upstream_with(UPSTREAM, &[upstream.endpoint()], |upstream| upstream.ttl = std::time::Duration::ZERO)
        .start();
    let (mut dice, mut failed) = (Dice(7), 0);
    for pull in 0..pulls {
        let image = ImageBuilder::new(pull).layers(2, 150_000).build();
        upstream.push("app", "v1", &image);
        upstream.clear_rules();
        for _ in 0..2 {
            let fault = dice.fault(150_000);
            upstream.rule(Rule::any(["/manifests/", "/blobs/"][dice.below(2) as usize], fault).once());
        }
        let get = |kind: &str, reference: String| {
            let target = format!("/v2/{UPSTREAM}/app/{kind}/{reference}");
            // Repeats a broken request a few times, as clients do.
            let answers = (0..4).filter_map(|_| registry.client().get(&target).try_send().ok());
            answers.into_iter().find(|answer| answer.status == 200)
        };
        let manifest = get("manifests", image.digest().to_string());
        failed += u64::from(manifest.is_none());
        if let Some(manifest) = manifest {
            assert_eq!(manifest.body, image.bytes, "pull {pull}");
        }
        for blob in &image.blobs {
            let answer = get("blobs", crate::world::digest(blob).to_string());
            failed += u64::from(answer.is_none());
            if let Some(answer) = answer {
                assert!(answer.body == *blob, "pull {pull}");
            }
        }
    }
    assert!(failed * 1000 <= pulls, "{failed} of {pulls} pulls failed");
}
