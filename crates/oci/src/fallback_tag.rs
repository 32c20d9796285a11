//! The tag under which clients store referrers if a registry has no referrers API.

use crate::{Digest, Tag};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Algorithm;

    #[test]
    fn the_tag_is_the_digest_with_a_hyphen_cut_to_sixty_four_digits() {
        for algorithm in Algorithm::ALL {
            let digest = Digest::of(algorithm, b"subject");
            let expected = format!("{algorithm}-{}", &digest.hex()[..64]);
            assert_eq!(fallback_tag(&digest).as_str(), expected);
        }
    }
}
