//! The tag under which `hythe build` finds the image that was built from the same inputs.

use crate::{Digest, Tag};

/// How an input tag begins.
const PREFIX: &str = "in-";

/// How many hex digits of the input key a tag has. 96 bits keep two keys of one repository from having the same tag.
const DIGITS: usize = 24;

/// The tag of an input key: `in-` and the first 24 hex digits of the key.
///
/// # Panics
/// Never: a tag may consist of letters, a hyphen and hex digits.
pub fn input_tag(key: &Digest) -> Tag {
    let hex = key.hex();
    let tag = format!("{PREFIX}{}", hex.get(..DIGITS).unwrap_or(&hex));
    tag.parse().expect("letters, a hyphen and 24 hex digits are a tag")
}

/// Whether a tag has the form of [`input_tag`]. Such tags are reserved: lists hide them.
pub fn is_input_tag(tag: &Tag) -> bool {
    let digits = tag.as_str().strip_prefix(PREFIX);
    digits.is_some_and(|digits| {
        digits.len() == DIGITS && digits.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Algorithm;

    #[test]
    fn the_tag_has_the_first_digits_of_the_key_and_is_recognised() {
        let key = Digest::of(Algorithm::Sha256, b"inputs");
        let tag = input_tag(&key);
        assert_eq!(tag.as_str(), format!("in-{}", &key.hex()[..24]));
        assert!(is_input_tag(&tag));
    }

    #[test]
    fn a_tag_of_another_form_is_not_an_input_tag() {
        for text in ["latest", "in-", "in-1234", "in-0123456789abcdef0123456g", "in-0123456789ABCDEF01234567"]
        {
            assert!(!is_input_tag(&text.parse().unwrap()), "{text}");
        }
    }
}
