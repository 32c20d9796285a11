//! Reads a manifest: its type, its references and its subject (image-spec, manifest.md and image-index.md).

use std::collections::{BTreeMap, HashSet};

use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::Digest;
use crate::care::{Care, text};
use crate::descriptor::{DescriptorPlace, Pointer};
use crate::fields::Fields;
use crate::manifest_error::{ManifestError, clip};
use crate::media_type::{self, is_index, is_manifest, is_nondistributable, is_schema1};

/// The properties of a manifest that a registry needs. The registry keeps the manifest's exact bytes beside them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The media type: that of the push, else that of the field `mediaType`, else the one that the other fields imply.
    pub media_type: String,
    /// The type that the referrers list shows: the manifest's own, else for an image that of its configuration.
    pub artifact_type: Option<String>,
    /// The author's annotations.
    pub annotations: Option<BTreeMap<String, String>>,
    /// The manifest's subject. A subject whose digest has an unsupported algorithm counts as none, because no client
    /// can request a referrers list by such a digest.
    pub subject: Option<Digest>,
    /// An image's configuration; also the first of `blobs`.
    pub config: Option<Digest>,
    /// The blobs that must exist: configuration and distributable layers, each once.
    pub blobs: Vec<Digest>,
    /// The blobs that need not exist, but that garbage collection must keep if they do: nondistributable layers, and an
    /// index's entries that are not manifests (build caches list layers there).
    pub optional_blobs: Vec<Digest>,
    /// The manifests that an index lists, each once.
    pub manifests: Vec<Digest>,
}

const NAMES: [&str; 8] =
    ["schemaVersion", "mediaType", "artifactType", "config", "layers", "manifests", "subject", "annotations"];

/// The known fields of a manifest.
struct Reader<'a> {
    fields: Fields<'a, { NAMES.len() }>,
    care: Care,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8], care: Care) -> Result<Self, ManifestError> {
        // A value that is not an object is parsed too, so that a syntax error is reported with its place before the
        // error about the kind of value.
        let object = bytes.iter().find(|c| !c.is_ascii_whitespace()) == Some(&b'{');
        let fields = if object {
            Fields::parse(&NAMES, bytes).map(Some)
        } else {
            serde_json::from_slice(bytes).map(|_: serde::de::IgnoredAny| None)
        };
        match fields {
            Ok(Some(fields)) => Ok(Self { fields, care }),
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

    /// A string field. Absent, null and empty count as the same.
    fn text(&self, name: &str) -> Result<Option<String>, ManifestError> {
        let text = self.fields.get(name).map(|raw| text(raw, || name.to_owned())).transpose();
        let text = if self.care == Care::Published { text.unwrap_or_default() } else { text? };
        Ok(text.filter(|text| !text.is_empty()))
    }

    fn media_type(&self, content_type: Option<&str>) -> Result<String, ManifestError> {
        let own = self.text("mediaType")?;
        let given = content_type.map(media_type::without_parameters).filter(|given| !given.is_empty());
        if self.care == Care::Published {
            return self.published_media_type(given, own.as_deref());
        }
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

    /// The media type of a published manifest. Some registries serve every manifest as JSON or as bytes: then its field
    /// `mediaType`, or its other fields, tell the type. If the header and the field both have a supported type, the
    /// header's counts, unless one is an index's and the other is not.
    fn published_media_type(&self, given: Option<&str>, own: Option<&str>) -> Result<String, ManifestError> {
        let ours = |media_type: &&str| check_supported(media_type).is_ok();
        if let Some(schema1) = [given, own].into_iter().flatten().find(|media_type| is_schema1(media_type)) {
            check_supported(schema1)?;
        }
        match (given.filter(ours), own.filter(ours)) {
            (Some(given), Some(own)) if is_index(given) != is_index(own) => Ok(own.to_owned()),
            (Some(known), _) | (None, Some(known)) => Ok(known.to_owned()),
            (None, None) => {
                let implied = self.implied_media_type().map(str::to_owned);
                match given.or(own) {
                    Some(other) => implied.map_err(|error| match error {
                        ManifestError::NoMediaType => {
                            ManifestError::UnsupportedMediaType { media_type: clip(other) }
                        }
                        error => error,
                    }),
                    None => implied,
                }
            }
        }
    }

    fn implied_media_type(&self) -> Result<&'static str, ManifestError> {
        if self.fields.get("schemaVersion").is_some_and(|version| version.get() == "1") {
            return Err(ManifestError::Schema1);
        }
        if let Some(config) = self.fields.get("config") {
            let config = Pointer::parse(config, DescriptorPlace::Field("config"), self.care)?;
            let docker = matches!(
                config.media_type.as_str(),
                media_type::DOCKER_CONFIG | media_type::DOCKER_PLUGIN_CONFIG
            );
            return Ok(if docker { media_type::DOCKER_MANIFEST } else { media_type::OCI_MANIFEST });
        }
        // A list that is null counts too, because Docker's tools write an empty list as null.
        match (self.fields.has("layers"), self.fields.has("manifests")) {
            (_, true) => Ok(media_type::OCI_INDEX),
            (true, false) => Ok(media_type::OCI_MANIFEST),
            (false, false) => Err(ManifestError::NoMediaType),
        }
    }

    /// Checks for mistakes that only the author of a manifest can correct.
    fn check_pushed(&self) -> Result<(), ManifestError> {
        if let Some(field) = self.fields.repeated() {
            let reason = format!("has the duplicate field `{field}`: clients could read different values");
            return Err(ManifestError::field("the manifest", &reason));
        }
        match self.fields.get("schemaVersion").map(RawValue::get) {
            Some("2") => Ok(()),
            Some(found) => Err(ManifestError::SchemaVersion { found: clip(found) }),
            None => Err(ManifestError::SchemaVersion { found: "missing".to_owned() }),
        }
    }

    fn check_unambiguous(&self, media_type: &str) -> Result<(), ManifestError> {
        // An empty list of the other kind of manifest is harmless, but a client that pushes one gets an error.
        let stated = |list: &str| {
            self.fields.get(list).is_some_and(|list| {
                let items: Option<Vec<serde::de::IgnoredAny>> = serde_json::from_str(list.get()).ok();
                self.care == Care::Pushed || items.is_none_or(|items| !items.is_empty())
            })
        };
        let field = match is_index(media_type) {
            true if self.fields.get("config").is_some() => "config",
            true if stated("layers") => "layers",
            false if stated("manifests") => "manifests",
            true | false => return Ok(()),
        };
        Err(ManifestError::Ambiguous { media_type: media_type.to_owned(), field })
    }

    /// The annotations. A value of null counts as an empty string.
    fn annotations(&self) -> Result<Option<BTreeMap<String, String>>, ManifestError> {
        let Some(raw) = self.fields.get("annotations") else { return Ok(None) };
        let Ok(entries) = serde_json::from_str::<BTreeMap<String, &RawValue>>(raw.get()) else {
            return match self.care {
                Care::Pushed => Err(ManifestError::field("annotations", "must be an object of strings")),
                Care::Published => Ok(None),
            };
        };
        let mut annotations = BTreeMap::new();
        for (key, value) in entries {
            let value = match value.get() {
                "null" => Ok(String::new()),
                _ => text(value, || format!("annotations[{key:?}]")),
            };
            match value {
                Ok(value) => drop(annotations.insert(key, value)),
                Err(error) if self.care == Care::Pushed => return Err(error),
                Err(_) => {}
            }
        }
        Ok(Some(annotations))
    }

    fn subject(&self) -> Result<Option<Digest>, ManifestError> {
        let Some(subject) = self.fields.get("subject") else { return Ok(None) };
        match Pointer::parse(subject, DescriptorPlace::Field("subject"), self.care) {
            Ok(subject) => Ok(subject.digest),
            Err(error) if self.care == Care::Pushed => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// The descriptors of a list. A list that is null or absent is empty, because clients in Go write an empty list so.
    fn list(&self, name: &'static str) -> Result<Vec<Pointer>, ManifestError> {
        let Some(raw) = self.fields.get(name) else { return Ok(Vec::new()) };
        let items: Vec<&RawValue> = serde_json::from_str(raw.get())
            .map_err(|_| ManifestError::field(name, "must be a list of descriptors"))?;
        let items = items.into_iter().enumerate();
        items
            .map(|(index, item)| Pointer::parse(item, DescriptorPlace::Item(name, index), self.care))
            .collect()
    }

    /// The digest of a blob that must exist. A blob whose digest has an unsupported algorithm can never exist here.
    fn needed(&self, pointer: &Pointer, place: DescriptorPlace<'_>) -> Result<Option<Digest>, ManifestError> {
        if pointer.digest.is_none() && self.care == Care::Pushed {
            let algorithm = clip(&pointer.foreign_algorithm);
            return Err(ManifestError::UnsupportedDigest { path: place.to_string(), algorithm });
        }
        Ok(pointer.digest)
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

/// Digests in the order of their first mention, each once.
#[derive(Default)]
struct Digests {
    order: Vec<Digest>,
    seen: HashSet<Digest>,
}

impl Digests {
    fn extend(&mut self, digest: Option<Digest>) {
        self.order.extend(digest.filter(|digest| self.seen.insert(*digest)));
    }
}

impl Manifest {
    /// Reads a manifest that a client pushes with this `Content-Type`. Refuses mistakes that the author can correct.
    pub fn parse(content_type: Option<&str>, bytes: &[u8]) -> Result<Self, ManifestError> {
        Self::read_with(content_type, bytes, Care::Pushed)
    }

    /// Reads a manifest that another registry serves with this `Content-Type`. Clients accept such a manifest whatever
    /// its oddities, so it is refused only if it is not a manifest, or if its references cannot be read.
    pub fn read(content_type: Option<&str>, bytes: &[u8]) -> Result<Self, ManifestError> {
        Self::read_with(content_type, bytes, Care::Published)
    }

    fn read_with(content_type: Option<&str>, bytes: &[u8], care: Care) -> Result<Self, ManifestError> {
        let reader = Reader::new(bytes, care)?;
        let media_type = reader.media_type(content_type)?;
        if care == Care::Pushed {
            reader.check_pushed()?;
        }
        reader.check_unambiguous(&media_type)?;
        let mut manifest = Self {
            artifact_type: reader.text("artifactType")?,
            annotations: reader.annotations()?,
            subject: reader.subject()?,
            config: None,
            blobs: Vec::new(),
            optional_blobs: Vec::new(),
            manifests: Vec::new(),
            media_type,
        };
        if is_index(&manifest.media_type) {
            manifest.read_index(&reader)?;
        } else {
            manifest.read_image(&reader)?;
        }
        Ok(manifest)
    }

    /// Whether the manifest is an index.
    pub fn is_index(&self) -> bool {
        is_index(&self.media_type)
    }

    fn read_image(&mut self, reader: &Reader<'_>) -> Result<(), ManifestError> {
        let config = reader
            .fields
            .get("config")
            .map(|config| Pointer::parse(config, DescriptorPlace::Field("config"), reader.care));
        let config = match config.transpose()? {
            None if reader.care == Care::Pushed => return Err(ManifestError::field("config", "is missing")),
            config => config,
        };
        let (mut required, mut optional) = (Digests::default(), Digests::default());
        if let Some(config) = config {
            self.config = reader.needed(&config, DescriptorPlace::Field("config"))?;
            required.extend(self.config);
            self.artifact_type =
                self.artifact_type.take().or(Some(config.media_type)).filter(|text| !text.is_empty());
        }
        for (index, layer) in reader.list("layers")?.iter().enumerate() {
            // The media type decides, with or without `urls`: clients leave layers out by their type, and `urls` on
            // another layer must not excuse its absence.
            if is_nondistributable(&layer.media_type) {
                optional.extend(layer.digest);
            } else {
                required.extend(reader.needed(layer, DescriptorPlace::Item("layers", index))?);
            }
        }
        optional.order.retain(|digest| !required.seen.contains(digest));
        self.blobs = required.order;
        self.optional_blobs = optional.order;
        Ok(())
    }

    fn read_index(&mut self, reader: &Reader<'_>) -> Result<(), ManifestError> {
        let (mut manifests, mut others) = (Digests::default(), Digests::default());
        for entry in reader.list("manifests")? {
            // Only manifests of the four supported types can have been pushed. An entry without a type may be a
            // manifest.
            let kind = entry.media_type.as_str();
            let manifest = is_index(kind) || is_manifest(kind) || kind.is_empty();
            let digests = if manifest { &mut manifests } else { &mut others };
            digests.extend(entry.digest);
        }
        self.manifests = manifests.order;
        self.optional_blobs = others.order;
        Ok(())
    }
}
