//! What happened to an image.

use std::time::Duration;

use hythe_oci::{Digest, Tag};
use serde_json::{Value, json};

use super::image::Image;
use super::reason::{Reason, list, sentence};
use super::unset_tag::UnsetTag;

/// What happened to an image.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) state: State,
    /// The tag of the key. Without it, the key is not known yet, because a base needs a build.
    pub(super) key: Option<Tag>,
    /// The digest of the image in the registry.
    pub(super) digest: Option<Digest>,
    /// The tags that named another image, or none, before.
    pub(super) moved: Vec<String>,
    /// With --check, the tags that do not name the image.
    pub(super) unset: Vec<UnsetTag>,
    /// Why the image is, or has to be, built.
    pub(super) reasons: Vec<Reason>,
    pub(super) warnings: Vec<String>,
}

/// What happened to an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The registry has it: nothing was built.
    UpToDate,
    /// The registry has it, but a wanted tag does not name it.
    Unset,
    /// It has to be built.
    Needed,
    /// It was built in this time.
    Built(Duration),
    /// It was built, but another builder had pushed an image of the same inputs meanwhile: that one counts.
    Adopted,
}

impl Outcome {
    /// The line for people.
    pub(super) fn line(&self, image: &Image) -> String {
        let digest = self.digest.map(|digest| format!("  {digest}")).unwrap_or_default();
        let moved = match (&self.moved[..], self.state) {
            ([], _) | (_, State::Built(_) | State::Needed) => String::new(),
            (tags, _) => format!("; moved {}", tags.join(", ")),
        };
        let what = match self.state {
            State::UpToDate => "up to date: no input changed".to_owned(),
            State::Unset => {
                let tags: Vec<String> = self.unset.iter().map(UnsetTag::text).collect();
                let them = if tags.len() == 1 { "it" } else { "them" };
                format!(
                    "nothing to build, but {}; the same command without --check sets {them}",
                    tags.join(", ")
                )
            }
            State::Needed => format!("needs a build: {}", sentence(&self.reasons)),
            State::Built(time) => format!("built in {}: {}", seconds(time), sentence(&self.reasons)),
            State::Adopted => "adopted: another builder pushed an image of the same inputs first".to_owned(),
        };
        format!("{}{digest}  {what}{moved}", image.main())
    }

    /// The same as JSON.
    pub(super) fn json(&self, image: &Image) -> Value {
        let (state, seconds) = match self.state {
            State::UpToDate => ("up-to-date", None),
            State::Unset => ("tag-missing", None),
            State::Needed => ("needed", None),
            State::Built(time) => ("built", Some(time.as_secs_f64())),
            State::Adopted => ("adopted", None),
        };
        let references: Vec<String> =
            image.references.iter().map(|reference| reference.full.to_string()).collect();
        let unset: Vec<Value> = self
            .unset
            .iter()
            .map(|tag| json!({ "reference": tag.reference.to_string(), "names": tag.names }))
            .collect();
        json!({
            "name": image.name,
            "references": references,
            "state": state,
            "key": self.key.as_ref().map(Tag::as_str),
            "digest": self.digest,
            "moved": self.moved,
            "unsetTags": unset,
            "reasons": list(&self.reasons),
            "warnings": self.warnings,
            "seconds": seconds,
        })
    }
}

fn seconds(time: Duration) -> String {
    if time < Duration::from_secs(10) {
        format!("{:.1} s", time.as_secs_f64())
    } else {
        format!("{} s", time.as_secs())
    }
}
