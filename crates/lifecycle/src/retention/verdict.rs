//! Verdicts about images, in words.

use std::fmt;
use std::time::Duration;

use hythe_oci::Pattern;

/// Whether an image stays, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the image stays.
    pub stays: bool,
    /// The place of the rule that decides, among the rules; `None` if no rule does.
    pub rule: Option<usize>,
    /// The reason.
    pub why: Why,
}

/// Why an image stays or goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It stays: no rule selects it.
    NoRule,
    /// It stays: this pattern protects the tag.
    Protected(Pattern),
    /// It stays: it is among this many images that were pushed last.
    Newest(u64),
    /// It stays: it is among the images of this many highest versions.
    Semver(u64),
    /// It stays: the tag was pushed within this time.
    PushedWithin(Duration),
    /// It stays: the image was pulled or pushed within this time.
    PulledWithin(Duration),
    /// It stays: this pattern keeps the tag.
    Tag(Pattern),
    /// It stays: it expires later.
    NotExpired(Duration),
    /// It stays: the time of its push is unknown.
    UnknownAge,
    /// It stays: all images of the repository have one and the same time of push, so none of them tells an age.
    EqualAges,
    /// It stays: the clock stands before a time that the repository recorded.
    ClockBehind,
    /// It stays: a client may be about to push an index of it.
    InUse,
    /// It stays: this cluster runs it.
    RunBy(String),
    /// It stays: it is untagged, and no rule deletes untagged manifests.
    Untagged,
    /// It stays: it is untagged, but was needed within this time.
    NeededWithin(Duration),
    /// It stays, because another image that stays needs it.
    Needed,
    /// It goes: no criterion keeps it.
    Unkept,
    /// It goes: this time has passed since its push.
    Expired(Duration),
    /// It goes: it is untagged, and nothing needed it for this time.
    Unneeded(Duration),
}

impl Verdict {
    pub(super) fn stays(rule: Option<usize>, why: Why) -> Self {
        Self { stays: true, rule, why }
    }

    pub(super) fn goes(rule: usize, why: Why) -> Self {
        Self { stays: false, rule: Some(rule), why }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRule => f.write_str("no rule deletes it"),
            Self::Protected(pattern) => write!(f, "protect = \"{pattern}\""),
            Self::Newest(count) => write!(f, "newest = {count}"),
            Self::Semver(count) => write!(f, "semver-newest = {count}"),
            Self::PushedWithin(time) => write!(f, "pushed-within = \"{}\"", shown(*time)),
            Self::PulledWithin(time) => write!(f, "pulled-within = \"{}\"", shown(*time)),
            Self::Tag(pattern) => write!(f, "tags = \"{pattern}\""),
            Self::NotExpired(time) => write!(f, "expires {} after its push", shown(*time)),
            Self::UnknownAge => f.write_str("the time of its push is unknown"),
            Self::EqualAges => {
                f.write_str("all images have the same time of push, so their ages are unknown")
            }
            Self::ClockBehind => f.write_str("the clock stands before the last push to the repository"),
            Self::InUse => {
                f.write_str("a client has just asked for it, and may be about to push an index of it")
            }
            Self::RunBy(cluster) => write!(f, "the cluster {cluster} runs it"),
            Self::Untagged => f.write_str("untagged, and no rule deletes untagged manifests"),
            Self::NeededWithin(time) => write!(f, "untagged-after = \"{}\" has not passed", shown(*time)),
            Self::Needed => f.write_str("another image needs it"),
            Self::Unkept => f.write_str("no criterion keeps it"),
            Self::Expired(time) => write!(f, "expired: pushed more than {} ago", shown(*time)),
            Self::Unneeded(time) => write!(f, "untagged, and neither pushed nor pulled for {}", shown(*time)),
        }
    }
}

/// A duration in the largest unit that holds it exactly.
fn shown(time: Duration) -> String {
    const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];
    let seconds = time.as_secs();
    let exact = UNITS.iter().find(|(_, unit)| seconds > 0 && seconds.is_multiple_of(*unit));
    exact
        .map_or_else(|| format!("{}ms", time.as_millis()), |(name, unit)| format!("{}{name}", seconds / unit))
}
