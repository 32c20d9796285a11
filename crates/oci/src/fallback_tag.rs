//! The tag under which clients store referrers if a registry has no referrers API.

use crate::{Algorithm, Digest, Tag};

/// The tag `<algorithm>-<encoded>`, with the encoded part cut to 64 characters (distribution-spec, Referrers tag
/// schema).
///
/// # Panics
/// Never: a tag may consist of an algorithm's name, a hyphen and hex digits, and these are fewer than 128 characters.
pub fn fallback_tag(digest: &Digest) -> Tag {
    let hex = digest.hex();
    let tag = format!("{}-{}", digest.algorithm(), hex.get(..64).unwrap_or(&hex));
    tag.parse().expect("an algorithm's name, a hyphen and 64 hex digits are a tag")
}

/// The [`fallback_tag`] of the image that a tag belongs to, if the tag has the form of one: a client stores the list of
/// an image's referrers under `<algorithm>-<64 hex digits>`, and cosign a signature, an attestation or an SBOM under the
/// same with an ending such as `.sig`, `.att` or `.sbom`.
pub fn attached_to(tag: &Tag) -> Option<&str> {
    let text = tag.as_str();
    let (attached, ending) = text.split_once('.').unwrap_or((text, "sig"));
    let (algorithm, hex) = attached.split_once('-')?;
    let is_digit = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
    let is_word = !ending.is_empty() && ending.bytes().all(|c| c.is_ascii_alphanumeric());
    let is_attached =
        algorithm.parse::<Algorithm>().is_ok() && hex.len() == 64 && hex.bytes().all(is_digit) && is_word;
    is_attached.then_some(attached)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_is_the_digest_with_a_hyphen_cut_to_sixty_four_digits() {
        for algorithm in Algorithm::ALL {
            let digest = Digest::of(algorithm, b"subject");
            let expected = format!("{algorithm}-{}", &digest.hex()[..64]);
            assert_eq!(fallback_tag(&digest).as_str(), expected);
        }
    }
    #[test]
    fn a_tag_with_the_digest_of_an_image_belongs_to_that_image() {
        let of = fallback_tag(&Digest::of(Algorithm::Sha256, b"subject"));
        for ending in ["", ".sig", ".att", ".sbom"] {
            let tag = format!("{of}{ending}").parse().unwrap();
            assert_eq!(attached_to(&tag), Some(of.as_str()), "{tag}");
        }
        for text in [
            "latest",
            "sha256-abc",
            "sha256-abc.sig",
            &format!("{of}0"),
            &format!("{of}.a.b"),
            &format!("{of}."),
        ] {
            assert_eq!(attached_to(&text.parse().unwrap()), None, "{text}");
        }
    }
}
