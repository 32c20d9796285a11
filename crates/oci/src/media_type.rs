//! The media types of images (image-spec, media-types.md; Docker image manifest v2, schema 2).

/// An OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// An OCI image's configuration.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// The empty configuration, the two bytes `{}`: for a manifest that needs a descriptor but has no content for it.
pub const OCI_EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// A layer.
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// A layer, gzip.
pub const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// A layer, zstd.
pub const OCI_LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
/// A layer that its licence keeps out of registries.
pub const OCI_LAYER_NONDISTRIBUTABLE: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar";
/// A layer that its licence keeps out of registries, gzip.
pub const OCI_LAYER_NONDISTRIBUTABLE_GZIP: &str =
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
/// A layer that its licence keeps out of registries, zstd.
pub const OCI_LAYER_NONDISTRIBUTABLE_ZSTD: &str =
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd";

/// A Docker image manifest, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// A Docker manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// A Docker image's configuration.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// A Docker plugin's configuration.
pub const DOCKER_PLUGIN_CONFIG: &str = "application/vnd.docker.plugin.v1+json";
/// A Docker layer.
pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
/// A Docker layer, gzip.
pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// A Docker layer, zstd.
pub const DOCKER_LAYER_ZSTD: &str = "application/vnd.docker.image.rootfs.diff.tar.zstd";
/// A Docker layer that its licence keeps out of registries.
pub const DOCKER_LAYER_FOREIGN: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar";
/// A Docker layer that its licence keeps out of registries, gzip.
pub const DOCKER_LAYER_FOREIGN_GZIP: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
/// A Docker manifest of schema 1, which is refused.
pub const DOCKER_SCHEMA1: &str = "application/vnd.docker.distribution.manifest.v1+json";
/// A signed Docker manifest of schema 1, which is refused.
pub const DOCKER_SCHEMA1_SIGNED: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";

/// The media types of the manifests that this registry accepts, images and indexes, in the order in which a client
/// should prefer them.
pub const MANIFESTS: [&str; 4] = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST];

/// Whether the type is that of an index: OCI's index or Docker's list.
pub fn is_index(media_type: &str) -> bool {
    matches!(media_type, OCI_INDEX | DOCKER_LIST)
}

/// Whether the type is that of the manifest of one image or artifact.
pub fn is_manifest(media_type: &str) -> bool {
    matches!(media_type, OCI_MANIFEST | DOCKER_MANIFEST)
}

/// Whether the type is that of a manifest of schema 1.
pub fn is_schema1(media_type: &str) -> bool {
    matches!(media_type, DOCKER_SCHEMA1 | DOCKER_SCHEMA1_SIGNED)
}

/// Whether a layer of this type need not be in the registry.
pub fn is_nondistributable(layer: &str) -> bool {
    matches!(
        layer,
        OCI_LAYER_NONDISTRIBUTABLE
            | OCI_LAYER_NONDISTRIBUTABLE_GZIP
            | OCI_LAYER_NONDISTRIBUTABLE_ZSTD
            | DOCKER_LAYER_FOREIGN
            | DOCKER_LAYER_FOREIGN_GZIP
    )
}

/// A `Content-Type` without its parameters (`; charset=utf-8`), because a registry should ignore them.
pub fn without_parameters(content_type: &str) -> &str {
    content_type.split_once(';').map_or(content_type, |(media_type, _)| media_type).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_manifest_type_is_an_image_or_an_index() {
        for media_type in MANIFESTS {
            assert!(is_index(media_type) != is_manifest(media_type), "{media_type}");
        }
        for other in [OCI_CONFIG, DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED, ""] {
            assert!(!is_index(other) && !is_manifest(other), "{other}");
        }
    }

    #[test]
    fn parameters_are_dropped() {
        for content_type in
            [OCI_INDEX, &format!("{OCI_INDEX}; charset=utf-8"), &format!(" {OCI_INDEX} ;a=b;c=d")]
        {
            assert_eq!(without_parameters(content_type), OCI_INDEX);
        }
        assert_eq!(without_parameters(";"), "");
    }

    #[test]
    fn only_foreign_layers_are_nondistributable() {
        assert!(is_nondistributable(DOCKER_LAYER_FOREIGN_GZIP));
        assert!(is_nondistributable(OCI_LAYER_NONDISTRIBUTABLE));
        assert!(!is_nondistributable(OCI_LAYER_GZIP));
        assert!(!is_nondistributable(DOCKER_LAYER_GZIP));
    }
}
