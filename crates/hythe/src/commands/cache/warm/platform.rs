//! The platforms to fetch, and the choice of an index's entries for them.

use hythe_oci::{Digest, Platform};
use serde::Deserialize;

/// The platforms to fetch.
#[derive(Clone, Debug)]
pub(super) enum Platforms {
    /// Every platform of an image.
    All,
    /// This machine's, because the user chose none.
    Host(Platform),
    /// The platforms that the user chose.
    Of(Vec<Platform>),
}

impl Platforms {
    pub(super) fn new(all: bool, chosen: Vec<Platform>) -> Self {
        match (all, chosen.is_empty()) {
            (true, _) => Self::All,
            (false, true) => Self::Host(Platform::of_host()),
            (false, false) => Self::Of(chosen),
        }
    }

    /// Whether the user named platforms with `--platform`; false with `--all-platforms`. If the user named some, an image
    /// without an index must be for each of them. Otherwise such an image is fetched whatever its platform is, because
    /// emulation can run it.
    pub(super) fn are_chosen(&self) -> bool {
        matches!(self, Self::Of(_))
    }

    /// Fails unless an image with this configuration is for each chosen platform.
    pub(super) fn check(&self, config: &[u8]) -> Result<(), String> {
        let Self::Of(wanted) = self else { return Ok(()) };
        let there: Platform = serde_json::from_slice(config)
            .map_err(|error| format!("cannot read the image's configuration: {error}"))?;
        // An image that does not name its platform passes: its platform is unknown.
        match wanted.iter().find(|wanted| there.is_known() && !wanted.takes(&there)) {
            Some(missing) => Err(format!("the image is not for {missing}, only for {there}")),
            None => Ok(()),
        }
    }

    /// The manifests of an index for the wanted platforms. A manifest without a platform counts for every platform.
    pub(super) fn choose(&self, index: &[u8]) -> Result<Vec<Digest>, String> {
        let index: Index = serde_json::from_slice(index).map_err(|error| error.to_string())?;
        let entries: Vec<(Option<Platform>, Digest)> = index
            .manifests
            .into_iter()
            .filter_map(|entry| Some((entry.platform, entry.digest.parse().ok()?)))
            .collect();
        let wanted = match self {
            Self::All => return Ok(entries.into_iter().map(|(_, digest)| digest).collect()),
            Self::Host(host) => std::slice::from_ref(host),
            Self::Of(wanted) => wanted,
        };
        let has = || entries.iter().filter_map(|(platform, _)| platform.as_ref());
        let anybodys = entries.iter().any(|(platform, _)| platform.is_none());
        if let Some(missing) =
            wanted.iter().find(|wanted| !anybodys && !has().any(|there| wanted.takes(there)))
        {
            // Builders list attestations beside an image as `unknown/unknown`.
            let mut there: Vec<String> =
                has().filter(|platform| platform.is_known()).map(ToString::to_string).collect();
            there.dedup();
            return Err(format!("the image is not for {missing}, only for {}", there.join(", ")));
        }
        let is_wanted = |platform: &Option<Platform>| {
            platform.as_ref().is_none_or(|there| wanted.iter().any(|wanted| wanted.takes(there)))
        };
        Ok(entries
            .into_iter()
            .filter(|(platform, _)| is_wanted(platform))
            .map(|(_, digest)| digest)
            .collect())
    }
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    digest: String,
    platform: Option<Platform>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn platform(text: &str) -> Platform {
        text.parse().unwrap()
    }

    #[test]
    fn the_wanted_platforms_of_an_index_are_chosen() {
        let digest = |number: u8| format!("sha256:{}", format!("{number:02x}").repeat(32));
        let entry = |number, os: &str, architecture: &str, variant: Option<&str>| json!({ "digest": digest(number), "platform": { "os": os, "architecture": architecture, "variant": variant } });
        let index = json!({ "manifests": [
            entry(1, "linux", "amd64", None),
            entry(2, "linux", "arm64", Some("v8")),
            entry(3, "linux", "arm", Some("v6")),
            entry(4, "linux", "arm", Some("v7")),
            entry(5, "unknown", "unknown", None),
        ] })
        .to_string();
        let choose = |wanted: &[&str]| {
            let wanted = wanted.iter().map(|text| platform(text)).collect();
            let chosen = Platforms::new(false, wanted).choose(index.as_bytes());
            chosen.map(|digests| digests.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(choose(&["linux/amd64"]), Ok(vec![digest(1)]));
        assert_eq!(choose(&["linux/arm64", "linux/arm/v7"]), Ok(vec![digest(2), digest(4)]));
        assert_eq!(choose(&["linux/arm"]), Ok(vec![digest(3), digest(4)]));
        let error = choose(&["linux/amd64", "windows/amd64"]).unwrap_err();
        assert_eq!(
            error,
            "the image is not for windows/amd64, only for linux/amd64, linux/arm64, linux/arm/v6, linux/arm/v7"
        );
        assert_eq!(Platforms::new(true, Vec::new()).choose(index.as_bytes()).unwrap().len(), 5);
    }
}
