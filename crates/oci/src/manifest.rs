//! A manifest as a registry reads it: what it is, what it references, what it is about
//! (image-spec, manifest.md and image-index.md).

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde::{Deserialize, Deserializer};
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::descriptor::{Place, Pointer};
use crate::media_type::{self, is_index, is_manifest, is_nondistributable, is_schema1};
use crate::{Digest, ErrorCode};

/// What a registry needs to know of a manifest; its bytes are kept beside it, untouched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The type under which it was pushed, else the one that it states, else the one that its fields imply.
    pub media_type: String,
    /// The type that the referrers list shows: its own, else for an image that of its configuration.
    pub artifact_type: Option<String>,
    /// What its author says of it.
    pub annotations: Option<BTreeMap<String, String>>,
    /// The manifest that this one is about. A subject of an algorithm that is not ours counts as none: no
    /// referrers list can be asked for by it.
    pub subject: Option<Digest>,
    /// An image's configuration; also the first of `blobs`.
    pub config: Option<Digest>,
    /// The blobs that must exist: configuration and distributable layers, each once.
    pub blobs: Vec<Digest>,
    /// The blobs that need not exist, but belong to the manifest where they do (collection must keep them): layers
    /// that are nondistributable, and an index's entries that are not manifests (build caches list layers there).
    pub optional_blobs: Vec<Digest>,
    /// The manifests that an index lists, each once.
    pub manifests: Vec<Digest>,
}

/// Why bytes are not a manifest that this registry takes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON.
    #[error("the manifest is not JSON: line {line}, column {column}: {reason}")]
    Json {
        /// What the parser met.
        reason: String,
        /// Where, from 1.
        line: usize,
        /// Where, from 1 (0 at the very end of a line).
        column: usize,
    },
    /// JSON, but another value than an object.
    #[error("the manifest is not a JSON object")]
    NotObject,
    /// Schema 1, which no client writes any more.
    #[error(
        "the manifest is of Docker's schema 1, which has been withdrawn; push it again with a client that writes \
         schema 2 or OCI manifests"
    )]
    Schema1,
    /// The type is none of ours.
    #[error("media type `{media_type}` is not supported for manifests; supported are {}", media_type::MANIFESTS.join(", "))]
    UnsupportedMediaType {
        /// What was given.
        media_type: String,
    },
    /// Neither a type nor fields that imply one.
    #[error(
        "the manifest's media type is not known: send a Content-Type, or set `mediaType`; supported are {}",
        media_type::MANIFESTS.join(", ")
    )]
    NoMediaType,
    /// Two types that differ: two clients could read two things.
    #[error(
        "the Content-Type is `{content_type}`, but the manifest's mediaType is `{media_type}`; they must be equal"
    )]
    MediaTypeMismatch {
        /// The header's.
        content_type: String,
        /// The field's.
        media_type: String,
    },
    /// Fields of an image and of an index in one manifest: two clients could read two things (CVE-2021-41190).
    #[error("a manifest of type `{media_type}` may not have `{field}`: it would be ambiguous")]
    Ambiguous {
        /// The type.
        media_type: String,
        /// The field of the other kind.
        field: &'static str,
    },
    /// `schemaVersion` is absent or not 2.
    #[error("schemaVersion is {found}; it must be 2")]
    SchemaVersion {
        /// What was given.
        found: String,
    },
    /// A field is absent or malformed.
    #[error("{path} {reason}")]
    Field {
        /// Where: `layers[2].digest`.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A blob that must exist cannot, because its digest's algorithm is not ours.
    #[error("{path}.digest: algorithm `{algorithm}` is not supported; use sha256 or sha512")]
    UnsupportedDigest {
        /// Where: `layers[2]`.
        path: String,
        /// Which.
        algorithm: String,
    },
}

impl ManifestError {
    /// The code for the wire.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::UnsupportedDigest { .. } => ErrorCode::DigestInvalid,
            Self::Json { .. }
            | Self::NotObject
            | Self::Schema1
            | Self::UnsupportedMediaType { .. }
            | Self::NoMediaType
            | Self::MediaTypeMismatch { .. }
            | Self::Ambiguous { .. }
            | Self::SchemaVersion { .. }
            | Self::Field { .. } => ErrorCode::ManifestInvalid,
        }
    }

    pub(crate) fn field(path: impl fmt::Display, reason: &str) -> Self {
        Self::Field { path: clip(&path.to_string()), reason: clip(reason) }
    }
}

/// A manifest may hold megabytes where a word is expected; an error quotes the beginning.
pub(crate) fn clip(text: &str) -> String {
    const LENGTH: usize = 256;
    match text.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A string, or an error that says where one was expected.
pub(crate) fn text(raw: &RawValue, path: impl Fn() -> String) -> Result<String, ManifestError> {
    serde_json::from_str(raw.get()).map_err(|_| ManifestError::field(path(), "must be a string"))
}

/// A string; absent, null and empty are the same.
fn optional_text(raw: Option<&RawValue>, path: &str) -> Result<Option<String>, ManifestError> {
    let text = raw.map(|raw| text(raw, || path.to_owned())).transpose()?;
    Ok(text.filter(|text| !text.is_empty()))
}

/// The fields that mean something here, unread: a value is then judged with its path, unknown fields cost nothing,
/// depth cannot exhaust the stack, and a repeated field (which parsers resolve differently) is an error of serde's.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    #[serde(borrow)]
    schema_version: Option<&'a RawValue>,
    #[serde(borrow)]
    media_type: Option<&'a RawValue>,
    #[serde(borrow)]
    artifact_type: Option<&'a RawValue>,
    #[serde(borrow)]
    config: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "even_null")]
    layers: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "even_null")]
    manifests: Option<&'a RawValue>,
    #[serde(borrow)]
    subject: Option<&'a RawValue>,
    #[serde(borrow)]
    annotations: Option<&'a RawValue>,
}

/// Docker's tools write an empty list as `null`, so for a list `null` is not absence.
fn even_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl<'a> Fields<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, ManifestError> {
        // serde would read a struct from an array too.
        let object = bytes.iter().find(|c| !c.is_ascii_whitespace()) == Some(&b'{');
        let fields = if object {
            serde_json::from_slice(bytes).map(Some)
        } else {
            serde_json::from_slice(bytes).map(|_: serde::de::IgnoredAny| None)
        };
        match fields {
            Ok(Some(fields)) => Ok(fields),
            Ok(None) => Err(ManifestError::NotObject),
            Err(error) if error.classify() == Category::Data => {
                Err(ManifestError::field("the manifest", &format!("is malformed: {error}")))
            }
            Err(error) => Err(ManifestError::Json {
                reason: clip(&error.to_string()),
                line: error.line(),
                column: error.column(),
            }),
        }
    }

    fn media_type(&self, content_type: Option<&str>) -> Result<String, ManifestError> {
        let own = optional_text(self.media_type, "mediaType")?;
        let given = content_type.map(media_type::without_parameters).filter(|given| !given.is_empty());
        let media_type = match (given, own) {
            (Some(given), own) => {
                check_supported(given)?;
                if let Some(own) = own.filter(|own| own != given) {
                    let content_type = given.to_owned();
                    return Err(ManifestError::MediaTypeMismatch { content_type, media_type: clip(&own) });
                }
                given.to_owned()
            }
            (None, Some(own)) => own,
            (None, None) => self.implied_media_type()?.to_owned(),
        };
        check_supported(&media_type)?;
        Ok(media_type)
    }

    fn implied_media_type(&self) -> Result<&'static str, ManifestError> {
        if self.schema_version.is_some_and(|version| version.get() == "1") {
            return Err(ManifestError::Schema1);
        }
        if let Some(config) = self.config {
            let config = Pointer::parse(config, Place::Field("config"))?;
            let docker = matches!(
                config.media_type.as_str(),
                media_type::DOCKER_CONFIG | media_type::DOCKER_PLUGIN_CONFIG
            );
            return Ok(if docker { media_type::DOCKER_MANIFEST } else { media_type::OCI_MANIFEST });
        }
        match (self.layers, self.manifests) {
            (_, Some(_)) => Ok(media_type::OCI_INDEX),
            (Some(_), None) => Ok(media_type::OCI_MANIFEST),
            (None, None) => Err(ManifestError::NoMediaType),
        }
    }

    fn check_schema_version(&self) -> Result<(), ManifestError> {
        match self.schema_version.map(RawValue::get) {
            Some("2") => Ok(()),
            Some(found) => Err(ManifestError::SchemaVersion { found: clip(found) }),
            None => Err(ManifestError::SchemaVersion { found: "missing".to_owned() }),
        }
    }

    /// A null of the other kind's list says nothing, so it is let through.
    fn check_unambiguous(&self, media_type: &str) -> Result<(), ManifestError> {
        let stated = |list: Option<&RawValue>| list.is_some_and(|list| list.get() != "null");
        let field = match is_index(media_type) {
            true if self.config.is_some() => "config",
            true if stated(self.layers) => "layers",
            false if stated(self.manifests) => "manifests",
            true | false => return Ok(()),
        };
        Err(ManifestError::Ambiguous { media_type: media_type.to_owned(), field })
    }

    fn annotations(&self) -> Result<Option<BTreeMap<String, String>>, ManifestError> {
        let Some(raw) = self.annotations else { return Ok(None) };
        let entries: BTreeMap<String, &RawValue> = serde_json::from_str(raw.get())
            .map_err(|_| ManifestError::field("annotations", "must be an object of strings"))?;
        let entries = entries.into_iter().map(|(key, value)| {
            let value = text(value, || format!("annotations[{key:?}]"))?;
            Ok((key, value))
        });
        entries.collect::<Result<_, _>>().map(Some)
    }
}

fn check_supported(media_type: &str) -> Result<(), ManifestError> {
    if is_schema1(media_type) {
        return Err(ManifestError::Schema1);
    }
    if is_index(media_type) || is_manifest(media_type) {
        return Ok(());
    }
    Err(ManifestError::UnsupportedMediaType { media_type: clip(media_type) })
}

/// The descriptors of a list that must be there.
fn list(raw: Option<&RawValue>, field: &'static str) -> Result<Vec<Pointer>, ManifestError> {
    let raw = raw.ok_or_else(|| ManifestError::field(field, "is missing; it may be an empty list"))?;
    let items: Option<Vec<&RawValue>> = serde_json::from_str(raw.get())
        .map_err(|_| ManifestError::field(field, "must be a list of descriptors"))?;
    let items = items.unwrap_or_default().into_iter().enumerate();
    items.map(|(index, item)| Pointer::parse(item, Place::Item(field, index))).collect()
}

/// Digests in the order of their first mention, each once.
#[derive(Default)]
struct Digests {
    order: Vec<Digest>,
    seen: HashSet<Digest>,
}

impl Digests {
    fn insert(&mut self, digest: Digest) {
        if self.seen.insert(digest) {
            self.order.push(digest);
        }
    }
}

impl Manifest {
    /// Reads a manifest that was pushed, or fetched, with this `Content-Type`.
    pub fn parse(content_type: Option<&str>, bytes: &[u8]) -> Result<Self, ManifestError> {
        let fields = Fields::parse(bytes)?;
        let media_type = fields.media_type(content_type)?;
        fields.check_schema_version()?;
        fields.check_unambiguous(&media_type)?;
        let mut manifest = Self {
            artifact_type: optional_text(fields.artifact_type, "artifactType")?,
            annotations: fields.annotations()?,
            subject: None,
            config: None,
            blobs: Vec::new(),
            optional_blobs: Vec::new(),
            manifests: Vec::new(),
            media_type,
        };
        if let Some(subject) = fields.subject {
            manifest.subject = Pointer::parse(subject, Place::Field("subject"))?.digest;
        }
        if is_index(&manifest.media_type) {
            manifest.read_index(&fields)?;
        } else {
            manifest.read_image(&fields)?;
        }
        Ok(manifest)
    }

    /// Whether it is an index.
    pub fn is_index(&self) -> bool {
        is_index(&self.media_type)
    }

    fn read_image(&mut self, fields: &Fields<'_>) -> Result<(), ManifestError> {
        let config = fields.config.ok_or_else(|| ManifestError::field("config", "is missing"))?;
        let config = Pointer::parse(config, Place::Field("config"))?;
        let mut required = Digests::default();
        let mut optional = Digests::default();
        let config_digest = needed(&config, Place::Field("config"))?;
        required.insert(config_digest);
        for (index, layer) in list(fields.layers, "layers")?.iter().enumerate() {
            // The type decides, with or without `urls`: clients leave out those layers by type, and `urls` on
            // another layer must not excuse its absence.
            if is_nondistributable(&layer.media_type) {
                layer.digest.into_iter().for_each(|digest| optional.insert(digest));
            } else {
                required.insert(needed(layer, Place::Item("layers", index))?);
            }
        }
        optional.order.retain(|digest| !required.seen.contains(digest));
        self.artifact_type =
            self.artifact_type.take().or(Some(config.media_type)).filter(|text| !text.is_empty());
        self.config = Some(config_digest);
        self.blobs = required.order;
        self.optional_blobs = optional.order;
        Ok(())
    }

    fn read_index(&mut self, fields: &Fields<'_>) -> Result<(), ManifestError> {
        let mut manifests = Digests::default();
        let mut others = Digests::default();
        for entry in list(fields.manifests, "manifests")? {
            // Only the four types can have been pushed as manifests; an entry that states no type may be one.
            let kind = entry.media_type.as_str();
            let manifest = is_index(kind) || is_manifest(kind) || kind.is_empty();
            let digests = if manifest { &mut manifests } else { &mut others };
            entry.digest.into_iter().for_each(|digest| digests.insert(digest));
        }
        self.manifests = manifests.order;
        self.optional_blobs = others.order;
        Ok(())
    }
}

fn needed(pointer: &Pointer, place: Place<'_>) -> Result<Digest, ManifestError> {
    let unsupported = || ManifestError::UnsupportedDigest {
        path: place.to_string(),
        algorithm: clip(&pointer.foreign_algorithm),
    };
    pointer.digest.ok_or_else(unsupported)
}
