//! Prints sizes as tables or JSON.

use std::cmp::Reverse;

use hythe_api::{Disk, Restorable};
use hythe_oci::{Authority, Digest, RepositoryName, Tag};
use serde_json::{Value, json};

use super::disk;
use super::read::{Read, Seen};
use crate::console::{Printer, count_of, size, table};
use crate::values::Output;

/// What a registry's repositories use.
pub(super) struct Registry {
    host: Authority,
    is_whole: bool,
    bytes: u64,
    /// Deleted content that can be restored, if the registry is a hythe that was read as a whole.
    restorable: Option<Restorable>,
    repositories: Vec<Repository>,
    /// The tags of the repositories that were named, with their repository.
    rows: Vec<(RepositoryName, Row)>,
    /// The disk budget of a hythe, if the whole registry is meant.
    disk: Option<Disk>,
}

/// What a repository uses.
pub(super) struct Repository {
    pub(super) name: RepositoryName,
    pub(super) with_tags: bool,
    pub(super) number: u32,
    pub(super) read: Read,
    /// What no other repository that was read uses.
    pub(super) unique: u64,
}

/// What a tag uses.
struct Row {
    tag: Tag,
    digest: Digest,
    bytes: u64,
    unique: u64,
}

impl Registry {
    /// Completes what was read by what is shared. Sorts by size, the largest first.
    pub(super) fn of(
        host: Authority,
        is_whole: bool,
        restorable: Option<Restorable>,
        mut repositories: Vec<Repository>,
        seen: &Seen,
    ) -> Self {
        let (groups, users) = (seen.shares.unique_to_groups(), seen.shares.unique_to_users());
        let mut rows = Vec::new();
        for repository in &mut repositories {
            repository.unique = groups.get(&repository.number).copied().unwrap_or_default();
            let mut own = Vec::new();
            for image in std::mem::take(&mut repository.read.images) {
                // A tag beside another one on the same image frees nothing.
                let unique = match image.tags[..] {
                    [_] => users.get(&image.user).copied().unwrap_or_default(),
                    _ => 0,
                };
                let (digest, bytes) = (image.digest, image.bytes);
                own.extend(image.tags.into_iter().map(|tag| Row { tag, digest, bytes, unique }));
            }
            own.sort_by(|a, b| (Reverse(a.bytes), &a.tag).cmp(&(Reverse(b.bytes), &b.tag)));
            rows.extend(own.into_iter().map(|row| (repository.name.clone(), row)));
        }
        repositories.sort_by(|a, b| (Reverse(a.read.bytes), &a.name).cmp(&(Reverse(b.read.bytes), &b.name)));
        Self { host, is_whole, bytes: seen.shares.total(), restorable, repositories, rows, disk: None }
    }

    /// Adds the disk budget.
    pub(super) fn with_disk(self, disk: Option<Disk>) -> Self {
        Self { disk, ..self }
    }

    fn text(&self) -> String {
        let mut parts = Vec::new();
        if self.is_whole {
            let mut rows: Vec<[String; 4]> = self.repositories.iter().map(Repository::row).collect();
            let tags: usize = self.repositories.iter().map(|repository| repository.read.tags).sum();
            rows.push(["total".to_owned(), tags.to_string(), size(self.bytes), String::new()]);
            parts.push(table(["REPOSITORY", "TAGS", "SIZE", "UNIQUE"], &rows));
        }
        parts.extend(self.disk.as_ref().map(disk::text));
        for repository in self.repositories.iter().filter(|repository| repository.with_tags) {
            let rows: Vec<[String; 4]> = self
                .rows
                .iter()
                .filter(|(name, _)| *name == repository.name)
                .map(|(_, row)| {
                    [row.tag.to_string(), size(row.bytes), size(row.unique), row.digest.to_string()]
                })
                .collect();
            let (bytes, unique) = (size(repository.read.bytes), size(repository.unique));
            let tags = count_of(repository.read.tags as u64, "tag");
            parts.push(format!(
                "{}/{}: {bytes} in {tags}, {unique} unique\n{}",
                self.host,
                repository.name.as_str(),
                table(["TAG", "SIZE", "UNIQUE", "DIGEST"], &rows)
            ));
        }
        parts.join("\n\n")
    }

    fn json(&self, failed: &[(String, String)]) -> Value {
        let of = |repository: &Repository| {
            let mut value = json!({
                "name": repository.name.as_str(),
                "tags": repository.read.tags,
                "images": repository.read.image_count,
                "bytes": repository.read.bytes,
                "uniqueBytes": repository.unique,
            });
            if repository.with_tags {
                let rows = self.rows.iter().filter(|(name, _)| *name == repository.name);
                let rows = rows.map(|(_, row)| {
                    json!({
                        "tag": row.tag.as_str(),
                        "digest": row.digest,
                        "bytes": row.bytes,
                        "uniqueBytes": row.unique,
                    })
                });
                value["tagSizes"] = rows.collect();
            }
            value
        };
        let prefix = format!("{}/", self.host);
        let failed = failed.iter().filter(|(name, _)| name.starts_with(&prefix));
        json!({
            "registry": self.host.to_string(),
            "whole": self.is_whole,
            "bytes": self.bytes,
            "disk": self.disk,
            "restorable": self.restorable,
            "repositories": self.repositories.iter().map(of).collect::<Vec<_>>(),
            "failed": failed.map(|(name, error)| json!({ "name": name, "error": error })).collect::<Vec<_>>(),
        })
    }
}

impl Repository {
    fn row(&self) -> [String; 4] {
        let Read { tags, bytes, .. } = &self.read;
        [self.name.as_str().to_owned(), tags.to_string(), size(*bytes), size(self.unique)]
    }
}

pub(super) fn print(all: &[Registry], failed: &[(String, String)], printer: Printer) {
    let text: Vec<String> = all.iter().map(Registry::text).collect();
    printer.data(text.join("\n\n"), || all.iter().map(|registry| registry.json(failed)).collect());
    if printer.output() == Output::Json {
        return;
    }
    for Registry { host, restorable, .. } in all {
        let Some(Restorable { manifests, bytes, .. }) = restorable.as_ref().filter(|kept| kept.manifests > 0)
        else {
            continue;
        };
        printer.note(format_args!(
            "deleted content that can be restored takes {} more ({}). To see it: `hythe undelete --registry {host}`; to free it: \
             `hythe gc --registry {host} --grace 0s`",
            size(*bytes),
            count_of(*manifests, "manifest"),
        ));
    }
    for registry in all.iter().filter(|registry| !registry.is_whole) {
        printer.note(format_args!(
            "other repositories of {0} may share these blobs; to compare all of them: `hythe du {0}`",
            registry.host
        ));
    }
}
