//! A repository that a test describes, and the decision about it.

use std::collections::BTreeSet;
use std::time::Duration;

use hythe_lifecycle::retention::{Contents, Decision, Rule, decide};
use hythe_oci::{Algorithm, Digest};
use hythe_registry::{AgedManifest, AgedTag};

pub(super) const DAY: i64 = 86_400_000;

/// The time of the decisions.
pub(super) const NOW: i64 = 1000 * DAY;

/// How long a manifest stays that a client asked for.
pub(super) const GRACE: Duration = Duration::from_hours(24);

pub(super) fn days(days: u64) -> Duration {
    Duration::from_hours(24 * days)
}

pub(super) fn digest(name: &str) -> Digest {
    Digest::of(Algorithm::Sha256, name.as_bytes())
}

/// A rule for a pattern, as `change` makes it.
pub(super) fn rule(pattern: &str, change: impl FnOnce(&mut Rule)) -> Rule {
    let mut rule = Rule::new(format!("retain.\"{pattern}\""), pattern.parse().unwrap());
    change(&mut rule);
    rule
}

/// A repository named `app`. Manifests have names; times are days before [`NOW`].
#[derive(Clone, Debug, Default)]
pub(super) struct Repository {
    pub(super) manifests: Vec<AgedManifest>,
    pub(super) tags: Vec<AgedTag>,
    pub(super) listed: Vec<(Digest, Digest)>,
    running: Vec<(Digest, String)>,
    names: Vec<(Digest, String)>,
}

impl Repository {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn manifest(mut self, name: &str, age: i64) -> Self {
        let pushed = NOW - age * DAY;
        let (digest, subject) = (digest(name), None);
        self.manifests.push(AgedManifest { digest, subject, pushed, last_use: pushed, needed: pushed });
        self.names.push((digest, name.to_owned()));
        self
    }

    /// Changes the manifest that was described last.
    pub(super) fn but(mut self, change: impl FnOnce(&mut AgedManifest)) -> Self {
        change(self.manifests.last_mut().unwrap());
        self
    }

    pub(super) fn tag(mut self, tag: &str, manifest: &str, age: i64) -> Self {
        let (tag, digest) = (tag.parse().unwrap(), digest(manifest));
        self.tags.push(AgedTag { tag, digest, pushed: NOW - age * DAY, pulled: None });
        self
    }

    /// Changes the tag that was described last.
    pub(super) fn but_tag(mut self, change: impl FnOnce(&mut AgedTag)) -> Self {
        change(self.tags.last_mut().unwrap());
        self
    }

    /// A manifest with a tag, both of one age.
    pub(super) fn image(self, tag: &str, age: i64) -> Self {
        self.manifest(tag, age).tag(tag, tag, age)
    }

    pub(super) fn lists(mut self, index: &str, manifest: &str) -> Self {
        self.listed.push((digest(index), digest(manifest)));
        self
    }

    /// A cluster runs the manifest.
    pub(super) fn run_by(mut self, cluster: &str, manifest: &str) -> Self {
        self.running.push((digest(manifest), cluster.to_owned()));
        self
    }

    /// A manifest whose subject is another one.
    pub(super) fn referrer(self, name: &str, subject: &str, age: i64) -> Self {
        self.manifest(name, age).but(|manifest| manifest.subject = Some(digest(subject)))
    }

    pub(super) fn decide_at(&self, rules: &[Rule], now: i64) -> Decided {
        let Self { manifests, tags, listed, running, names } = self.clone();
        let contents = Contents::new(manifests, tags, listed).with_running(running);
        Decided { decision: decide(&"app".parse().unwrap(), &contents, rules, now, GRACE), names }
    }

    pub(super) fn decide(&self, rules: &[Rule]) -> Decided {
        self.decide_at(rules, NOW)
    }
}

/// A decision, with the names of its manifests.
#[derive(Debug)]
pub(super) struct Decided {
    pub(super) decision: Decision,
    names: Vec<(Digest, String)>,
}

impl Decided {
    fn name(&self, digest: &Digest) -> String {
        self.names.iter().find(|(known, _)| known == digest).unwrap().1.clone()
    }

    /// The images with their verdicts: `TAG` or `@NAME`, then the reason.
    pub(super) fn reason(&self, image: &str) -> String {
        let mut images = self.decision.images.iter();
        let is = |tag: &Option<hythe_oci::Tag>, digest: &Digest| match tag {
            Some(tag) => tag.as_str() == image,
            None => format!("@{}", self.name(digest)) == image,
        };
        let judged = images.find(|judged| is(&judged.tag, &judged.digest)).unwrap();
        format!("{}: {}", if judged.verdict.stays { "keep" } else { "delete" }, judged.verdict.why)
    }

    /// The tags that go, of every kind.
    pub(super) fn tags(&self) -> BTreeSet<String> {
        let removals = self.decision.removals.iter();
        removals.flat_map(|removal| removal.tags.iter().map(|(tag, ..)| tag.to_string())).collect()
    }

    /// The manifests that go.
    pub(super) fn manifests(&self) -> BTreeSet<String> {
        let removals = self.decision.removals.iter();
        removals.flat_map(|removal| removal.manifests.iter().map(|(digest, _)| self.name(digest))).collect()
    }

    pub(super) fn expect(&self, tags: &[&str], manifests: &[&str]) {
        let set = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>();
        assert_eq!((self.tags(), self.manifests()), (set(tags), set(manifests)), "{:#?}", self.decision);
    }
}
