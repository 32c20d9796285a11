//! Each type reads back the text that it writes, and accepts exactly the texts of its grammar.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use hythe_oci::{
    Algorithm, Digest, DigestError, HashState, NameError, Reference, ReferenceError, RepositoryName, Tag,
    UploadId,
};
use proptest::prelude::*;

fn reads_back<T: FromStr + Display + PartialEq + Debug>(text: &str)
where
    T::Err: Debug + PartialEq,
{
    assert_eq!(text.parse::<T>().map(|value| value.to_string()), Ok(text.to_owned()));
}

#[test]
fn names_follow_the_grammar() {
    for name in ["a", "library/redis", "a.b_c__d-e---f/0", "tags/list", "v2", &"a".repeat(255)] {
        reads_back::<RepositoryName>(name);
    }
    for name in [
        "A", "a/", "/a", "a//b", "a..b", "a___b", "a._b", "-a", "a-", ".", "..", "a/../b", "a b", "a:b",
        "a@b", "\u{e9}", "_catalog", "a\0",
    ] {
        assert!(matches!(name.parse::<RepositoryName>(), Err(NameError::Component { .. })), "{name}");
    }
    assert_eq!("".parse::<RepositoryName>(), Err(NameError::Empty));
    assert_eq!("a".repeat(256).parse::<RepositoryName>(), Err(NameError::TooLong { length: 256 }));
}

#[test]
fn tags_follow_the_grammar() {
    for tag in ["latest", "_", "V1.0-rc_1", "a..b", "0", &"a".repeat(128)] {
        reads_back::<Tag>(tag);
        reads_back::<Reference>(tag);
    }
    for tag in ["", ".a", "-a", "a/b", "a b", "a+b", "\u{e9}", &"a".repeat(129)] {
        assert!(tag.parse::<Tag>().is_err(), "{tag}");
        assert!(matches!(tag.parse::<Reference>(), Err(ReferenceError::Tag(_))), "{tag}");
    }
}

#[test]
fn digests_follow_the_grammar() {
    let hex = "0123456789abcdef".repeat(4);
    reads_back::<Digest>(&format!("sha256:{hex}"));
    reads_back::<Digest>(&format!("sha512:{hex}{hex}"));
    for text in ["", "sha256", "sha256:", ":00", "SHA256:00", "sha256::00", "sha256:a/b", "+:00", "a++b:00"] {
        assert!(matches!(text.parse::<Digest>(), Err(DigestError::Malformed { .. })), "{text}");
    }
    for text in ["md5:00", "blake3:00", "multihash+base58:QmRZxt2b", "sha384:00"] {
        assert!(matches!(text.parse::<Digest>(), Err(DigestError::Unsupported { .. })), "{text}");
    }
    let upper = hex.to_uppercase();
    for text in
        ["sha256:00".to_owned(), format!("sha256:{upper}"), format!("sha256:{hex}0"), format!("sha512:{hex}")]
    {
        assert!(matches!(text.parse::<Digest>(), Err(DigestError::Encoding { .. })), "{text}");
        assert!(matches!(text.parse::<Reference>(), Err(ReferenceError::Digest(_))), "{text}");
    }
}

#[test]
fn serde_refuses_invalid_values() {
    assert!(serde_json::from_str::<Digest>(r#""sha256:00""#).is_err());
    assert!(serde_json::from_str::<Tag>(r#"".x""#).is_err());
    assert!(serde_json::from_str::<RepositoryName>(r#""A""#).is_err());
}

#[test]
fn upload_ids_are_thirty_two_lower_case_hex_digits() {
    reads_back::<UploadId>("00000000000000000000000000000001");
    for text in ["", "1", "0000000000000000000000000000000A", "+0000000000000000000000000000001"] {
        assert!(text.parse::<UploadId>().is_err(), "{text}");
    }
    assert_ne!(UploadId::random(), UploadId::random());
}

#[test]
fn a_damaged_hash_state_is_refused() {
    for algorithm in Algorithm::ALL {
        let saved = HashState::new(algorithm).save();
        assert!(HashState::load(algorithm, &[]).is_err());
        assert!(HashState::load(algorithm, &saved[1..]).is_err());
        assert!(HashState::load(algorithm, &saved[..saved.len() - 1]).is_err());
    }
    assert!(HashState::load(Algorithm::Sha512, &HashState::new(Algorithm::Sha256).save()).is_err());
}

proptest! {
    #[test]
    fn a_name_of_the_grammar_reads_back(
        name in "[a-z0-9]{1,5}((\\.|_|__|-{1,3})[a-z0-9]{1,5}){0,2}(/[a-z0-9]{1,5}((\\.|_|__|-{1,3})[a-z0-9]{1,5}){0,2}){0,4}"
    ) {
        reads_back::<RepositoryName>(&name);
        let json = serde_json::to_string(&name.parse::<RepositoryName>().unwrap()).unwrap();
        prop_assert_eq!(serde_json::from_str::<RepositoryName>(&json).unwrap().to_string(), name);
    }

    #[test]
    fn a_tag_of_the_grammar_reads_back(tag in "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}") {
        reads_back::<Tag>(&tag);
    }

    #[test]
    fn a_digest_reads_back(content in any::<Vec<u8>>()) {
        for algorithm in Algorithm::ALL {
            let digest = Digest::of(algorithm, &content);
            prop_assert_eq!(digest.to_string().parse(), Ok(digest));
            prop_assert_eq!(Digest::from_hash(algorithm, digest.as_bytes()), Some(digest));
            let json = serde_json::to_string(&digest).unwrap();
            prop_assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
        }
    }

    #[test]
    fn accepted_texts_read_back_and_no_text_panics(text in "[a-z0-9:/._+@%A-F -]{0,80}|\\PC{0,40}") {
        if let Ok(name) = text.parse::<RepositoryName>() {
            prop_assert_eq!(name.to_string(), text.clone());
        }
        if let Ok(reference) = text.parse::<Reference>() {
            prop_assert_eq!(reference.to_string(), text.clone());
        }
        if let Ok(id) = text.parse::<UploadId>() {
            prop_assert_eq!(id.to_string(), text);
        }
    }

    #[test]
    fn a_hash_saved_anywhere_continues_as_if_never_saved(
        content in prop::collection::vec(any::<u8>(), 0..600),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        for algorithm in Algorithm::ALL {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(content.len() + 1)).collect();
            cuts.sort_unstable();
            let mut state = HashState::new(algorithm);
            let mut done = 0;
            for cut in cuts {
                state.update(&content[done..cut]);
                state = HashState::load(algorithm, &state.save()).unwrap();
                done = cut;
            }
            state.update(&content[done..]);
            prop_assert_eq!(state.algorithm(), algorithm);
            prop_assert_eq!(state.finish(), Digest::of(algorithm, &content));
        }
    }
}
