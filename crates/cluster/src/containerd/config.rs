//! containerd's settings for registries, from one configuration file or from the whole configuration as `containerd
//! config dump` prints it.

use toml_edit::{Item, TableLike};

use super::Version;
use crate::hosts::Legacy;
use crate::toml_error::{NotToml, parse_in_place};

/// The CRI plugin's id in configurations of version 1.
pub(super) const CRI_1: &str = "cri";
/// The CRI plugin's id in configurations of version 2.
pub(super) const CRI_2: &str = "io.containerd.grpc.v1.cri";
/// The id of the plugin that pulls images for CRI, from version 3 on.
pub(super) const IMAGES: &str = "io.containerd.cri.v1.images";

/// The settings for registries in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerdConfig {
    /// The configuration's `version`, from 1 to 4.
    pub form: i64,
    /// The roots in which containerd looks for `hosts.toml` files, joined by colons. Empty if not set.
    pub config_path: String,
    /// The settings that `hosts.toml` files replaced.
    pub legacy: Legacy,
    /// The files that the configuration imports. In a dump, these are the files that containerd read.
    pub imports: Vec<String>,
    /// Whether the CRI plugin is switched off, as in Docker's package of containerd. Kubernetes cannot use such a
    /// containerd.
    pub cri_disabled: bool,
    /// The setting, if any, that makes containerd pull images in the older way, which reads every root in
    /// `config_path`.
    pub local_pull: Option<&'static str>,
    has_section: bool,
}

/// Why a configuration cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContainerdConfigError {
    /// The configuration is not TOML.
    #[error("containerd's configuration: {0}")]
    NotToml(#[from] NotToml),
    /// A `version` that no known containerd has.
    #[error("containerd's configuration has `version = {0}`; hythe knows versions 1 to 4")]
    UnknownForm(i64),
    /// A value has the wrong kind.
    #[error(
        "`{0}` in containerd's configuration has the wrong kind of value; `containerd config dump` shows the error"
    )]
    Kind(String),
}

/// Whether containerd reads `hosts.toml` files with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reads {
    /// containerd reads them, in these roots.
    From(Vec<String>),
    /// containerd does not read them: no root is set.
    Nothing,
    /// containerd does not read them: its transfer service takes these roots for a single root with colons in its name.
    /// Setting one root helps.
    Misread(Vec<String>),
    /// The CRI plugin does not start: this setting cannot be combined with a root, and a root is set or is the default.
    Refused(&'static str),
}

impl ContainerdConfig {
    /// Reads a configuration as a containerd of this version does.
    pub fn parse(text: &str, version: Version) -> Result<Self, ContainerdConfigError> {
        let document = parse_in_place(text)?;
        Self::read(document.as_table(), version)
    }

    pub(super) fn read(root: &dyn TableLike, version: Version) -> Result<Self, ContainerdConfigError> {
        let form = form(root)?;
        let ids = ids(form, version);
        let sections = || ids.iter().filter_map(|id| section(root, id));
        let registry = sections().find_map(|section| section.get("registry")?.as_table_like());
        let config_path = match registry.and_then(|registry| registry.get("config_path")) {
            None => String::new(),
            Some(item) => {
                item.as_str().ok_or_else(|| ContainerdConfigError::Kind("config_path".to_owned()))?.to_owned()
            }
        };
        let legacy = registry.map(Legacy::read).unwrap_or_default();
        let text_list = |key| {
            let list = root.get(key).and_then(Item::as_array).into_iter().flatten();
            list.filter_map(|value| value.as_str()).map(str::to_owned).collect::<Vec<_>>()
        };
        let disabled = text_list("disabled_plugins");
        let local_pull = sections().find_map(|section| local_pull(section, &legacy));
        Ok(Self {
            form,
            config_path,
            legacy,
            imports: text_list("imports"),
            cri_disabled: [CRI_1, CRI_2, IMAGES].iter().any(|id| disabled.iter().any(|name| name == id)),
            local_pull,
            has_section: sections().next().is_some(),
        })
    }

    /// Whether containerd reads `hosts.toml` files. For a dump, this is what the daemon does after a restart. For a
    /// file, it is what the daemon would do if the file had no imports.
    pub fn reads(&self, version: Version) -> Reads {
        let mirrors = self.legacy.has_mirrors();
        let set = Some(self.config_path.as_str()).filter(|path| !path.is_empty());
        let path = match (set, version.default_config_path()) {
            (Some(path), _) => path,
            (None, Some(path)) if !mirrors || version.dies_of_mirrors() => path,
            (None, _) => return Reads::Nothing,
        };
        if mirrors {
            return Reads::Refused("registry.mirrors");
        }
        // From 2.0 on containerd does not know the setting, and ignores it.
        if self.legacy.has_tls() && !version.sees_table_headers_only() {
            return Reads::Refused("registry.configs.*.tls");
        }
        let roots: Vec<_> = path.split(':').filter(|root| !root.is_empty()).map(str::to_owned).collect();
        let whole = !path.contains(':') || self.local_pull.is_some() || !version.pulls_by_transfer_service();
        if whole { Reads::From(roots) } else { Reads::Misread(roots) }
    }

    /// Whether this file, read after others, decides where containerd looks for `hosts.toml` files. Before 2.0 a
    /// plugin's section replaces the whole section of an earlier file; later only the settings in it do. In a
    /// configuration with imports, patch each file that governs; if none does, patch the first file.
    pub fn governs(&self, version: Version) -> bool {
        let sets = !self.config_path.is_empty() || self.legacy.has_mirrors() || self.legacy.has_tls();
        sets || (self.has_section && version < Version::new(2, 0, 0))
    }
}

pub(super) fn form(root: &dyn TableLike) -> Result<i64, ContainerdConfigError> {
    match root.get("version") {
        None => Ok(1),
        Some(item) => match item.as_integer() {
            Some(0) => Ok(1),
            Some(form @ 1..=4) => Ok(form),
            Some(form) => Err(ContainerdConfigError::UnknownForm(form)),
            None => Err(ContainerdConfigError::Kind("version".to_owned())),
        },
    }
}

/// The plugin ids whose sections containerd reads, in order of precedence. Migration lays the older id's settings over
/// the newer id's. containerd migrates files of version 3 since 2.3.
pub(super) fn ids(form: i64, version: Version) -> &'static [&'static str] {
    match form {
        1 if version.migrates() => &[CRI_2, CRI_1, IMAGES],
        1 => &[CRI_1],
        _ if !version.migrates() => &[CRI_2],
        2 => &[CRI_2, IMAGES],
        3 if version >= Version::new(2, 3, 0) => &[CRI_2, IMAGES],
        _ => &[IMAGES],
    }
}

pub(super) fn section<'a>(root: &'a dyn TableLike, id: &str) -> Option<&'a dyn TableLike> {
    root.get("plugins")?.as_table_like()?.get(id)?.as_table_like()
}

/// The first setting that makes CRI avoid the transfer service, as its check `CheckLocalImagePullConfigs` finds it.
fn local_pull(section: &dyn TableLike, legacy: &Legacy) -> Option<&'static str> {
    // Before version 3 some of these settings were one table deeper, in `containerd`.
    let inner = section.get("containerd").and_then(Item::as_table_like);
    let get = |key| section.get(key).or_else(|| inner?.get(key));
    let truth = |key| get(key).and_then(Item::as_bool);
    let found = [
        ("use_local_image_pull", truth("use_local_image_pull") == Some(true)),
        ("disable_snapshot_annotations", truth("disable_snapshot_annotations") == Some(false)),
        ("discard_unpacked_layers", truth("discard_unpacked_layers") == Some(true)),
        ("registry.mirrors", legacy.has_mirrors()),
        ("registry.configs", legacy.has_tls() || !legacy.credentials.is_empty()),
        (
            "max_concurrent_downloads",
            get("max_concurrent_downloads").and_then(Item::as_integer).is_some_and(|count| count != 3),
        ),
        ("image_pull_with_sync_fs", truth("image_pull_with_sync_fs") == Some(true)),
    ];
    found.into_iter().find(|(_, set)| *set).map(|(name, _)| name)
}

#[cfg(test)]
mod tests;
