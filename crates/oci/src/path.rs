//! The paths of the API, for `Location`, `Link` and clients: the inverse of
//! [`Endpoint::parse`](crate::Endpoint::parse).
//!
//! No part needs an escape: names, tags, digests and upload ids consist of characters that a path may contain.

use crate::{Digest, Reference, RepositoryName, UploadId};

/// `/v2/`: tells clients that the server is a registry.
pub fn base() -> String {
    "/v2/".to_owned()
}

/// `/v2/_catalog`
pub fn catalog() -> String {
    "/v2/_catalog".to_owned()
}

/// `/v2/_oci/ext/discover`
pub fn extensions() -> String {
    "/v2/_oci/ext/discover".to_owned()
}

/// `/v2/<name>/tags/list`
pub fn tags(name: &RepositoryName) -> String {
    format!("/v2/{name}/tags/list")
}

/// `/v2/<name>/manifests/<reference>`
pub fn manifest(name: &RepositoryName, reference: &Reference) -> String {
    format!("/v2/{name}/manifests/{reference}")
}

/// `/v2/<name>/blobs/<digest>`
pub fn blob(name: &RepositoryName, digest: &Digest) -> String {
    format!("/v2/{name}/blobs/{digest}")
}

/// `/v2/<name>/blobs/uploads/`
pub fn uploads(name: &RepositoryName) -> String {
    format!("/v2/{name}/blobs/uploads/")
}

/// `/v2/<name>/blobs/uploads/<id>`
pub fn upload(name: &RepositoryName, id: &UploadId) -> String {
    format!("/v2/{name}/blobs/uploads/{id}")
}

/// `/v2/<name>/referrers/<digest>`
pub fn referrers(name: &RepositoryName, digest: &Digest) -> String {
    format!("/v2/{name}/referrers/{digest}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Algorithm, Endpoint};

    /// Names that often contain words of the API's paths.
    fn names() -> impl Strategy<Value = RepositoryName> {
        let word = prop_oneof![
            "[a-z0-9]{1,4}((\\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}",
            prop::sample::select(vec!["tags", "list", "blobs", "uploads", "manifests", "referrers", "v2"])
                .prop_map(str::to_owned),
        ];
        prop::collection::vec(word, 1..6).prop_map(|words| words.join("/").parse().unwrap())
    }

    fn digests() -> impl Strategy<Value = Digest> {
        (prop::sample::select(Algorithm::ALL.to_vec()), any::<[u8; 8]>())
            .prop_map(|(algorithm, content)| Digest::of(algorithm, &content))
    }

    fn references() -> impl Strategy<Value = Reference> {
        prop_oneof![
            digests().prop_map(Reference::Digest),
            "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}".prop_map(|tag| tag.parse().unwrap()),
            prop::sample::select(vec!["list", "uploads", "tags"]).prop_map(|tag| tag.parse().unwrap()),
        ]
    }

    proptest! {
        #[test]
        fn a_path_reads_back_as_its_endpoint(name in names(), digest in digests(), reference in references()) {
            let id = UploadId::random();
            for (path, endpoint) in [
                (tags(&name), Endpoint::Tags { name: name.clone() }),
                (manifest(&name, &reference), Endpoint::Manifest { name: name.clone(), reference }),
                (blob(&name, &digest), Endpoint::Blob { name: name.clone(), digest }),
                (uploads(&name), Endpoint::Uploads { name: name.clone() }),
                (upload(&name, &id), Endpoint::Upload { name: name.clone(), id }),
                (referrers(&name, &digest), Endpoint::Referrers { name, digest }),
            ] {
                prop_assert_eq!(Endpoint::parse(&path), Ok(endpoint), "{}", path);
            }
        }
    }

    #[test]
    fn the_paths_without_a_name_read_back() {
        assert_eq!(Endpoint::parse(&base()), Ok(Endpoint::Base));
        assert_eq!(Endpoint::parse(&catalog()), Ok(Endpoint::Catalog));
        assert_eq!(Endpoint::parse(&extensions()), Ok(Endpoint::Extensions));
    }
}
