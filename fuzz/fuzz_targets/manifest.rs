//! Manifests: no input panics, and errors stay short. An accepted manifest is accepted again under its own media type,
//! and reading it from an upstream gives the same result as pushing it.
#![no_main]

use hythe_oci::{Manifest, media_type};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for content_type in media_type::MANIFESTS {
        let pushed = Manifest::parse(Some(content_type), bytes);
        let published = Manifest::read(Some(content_type), bytes);
        assert!(pushed.is_err() || pushed == published);
    }
    match Manifest::parse(None, bytes) {
        Ok(manifest) => {
            assert_eq!(manifest.is_index(), manifest.blobs.is_empty());
            assert_eq!(Manifest::read(None, bytes).as_ref(), Ok(&manifest));
            assert_eq!(Manifest::parse(Some(&manifest.media_type), bytes), Ok(manifest));
        }
        Err(error) => assert!(error.to_string().len() < 4096),
    }
    match Manifest::read(None, bytes) {
        Ok(manifest) => assert_eq!(Manifest::read(Some(&manifest.media_type), bytes), Ok(manifest)),
        Err(error) => assert!(error.to_string().len() < 4096),
    }
});
