//! Paths and queries: no input panics, an accepted path parses to the same endpoint as its canonical path, and a
//! redirect leads to a valid path.
#![no_main]

use hythe_oci::{Endpoint, Query, lenient, path};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (target, query) = text.split_once('?').unwrap_or((text, ""));
    let _ = Query::parse(query);
    if let Some(clean) = lenient::clean(target) {
        assert!(clean.starts_with("/v2/") && Endpoint::parse(&clean).is_ok());
        assert_eq!(lenient::clean(&clean), None);
    }
    if let Some((upload, _)) = lenient::split_query(target) {
        assert!(matches!(Endpoint::parse(upload), Ok(Endpoint::Upload { .. })));
    }
    let Ok(endpoint) = Endpoint::parse(target) else { return };
    let canonical = match &endpoint {
        Endpoint::Root => "/".to_owned(),
        Endpoint::Base => path::base(),
        Endpoint::Catalog => path::catalog(),
        Endpoint::Extensions => path::extensions(),
        Endpoint::Tags { name } => path::tags(name),
        Endpoint::Manifest { name, reference } => path::manifest(name, reference),
        Endpoint::Blob { name, digest } => path::blob(name, digest),
        Endpoint::Uploads { name } => path::uploads(name),
        Endpoint::Upload { name, id } => path::upload(name, id),
        Endpoint::Referrers { name, digest } => path::referrers(name, digest),
    };
    assert_eq!(Endpoint::parse(&canonical), Ok(endpoint));
});
