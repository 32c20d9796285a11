//! Lists what can be restored, and what tags named before.

use std::cmp::Reverse;
use std::time::{Duration, SystemTime};

use hythe_api::{DeletedManifest, PastTag};
use hythe_oci::{RepositoryName, Tag};
use serde_json::json;

use super::named::{Named, Which};
use crate::commands::cache::Admin;
use crate::console::{Printer, ago, size, table};
use crate::failure::Failure;

/// How many tags of a manifest a row shows.
const TAGS: usize = 5;

/// Lists what can be restored of the named repositories, or of all; of a tag, what it named before.
pub(super) async fn list(admin: &Admin, names: &[Named], printer: Printer) -> Result<(), Failure> {
    let (mut manifests, mut tags, mut history) = (Vec::new(), Vec::new(), Vec::new());
    let mut read = async |repository: Option<&RepositoryName>| {
        manifests.extend(admin.deleted_manifests(repository).await?);
        tags.extend(admin.removed_tags(repository).await?);
        Ok::<_, Failure>(())
    };
    if names.is_empty() {
        read(None).await?;
    }
    for Named { repository, which } in names {
        match which {
            Which::Tag(tag) => history.push((repository, tag, admin.history(repository, tag).await?)),
            Which::All | Which::Manifest(_) => read(Some(repository)).await?,
        }
    }
    for Named { repository, which } in names {
        if let Which::Manifest(digest) = which {
            manifests.retain(|manifest| manifest.repository != *repository || manifest.digest == *digest);
            tags.retain(|tag| tag.repository != *repository || tag.digest == *digest);
        }
    }
    let now = SystemTime::now();
    let mut parts = Vec::new();
    if !manifests.is_empty() || !tags.is_empty() {
        parts.push(deleted(&manifests, &tags, now));
    }
    parts.extend(history.iter().filter(|(.., past)| !past.is_empty()).map(|(.., past)| changes(past, now)));
    let is_empty = parts.is_empty();
    let past: Vec<&PastTag> = history.iter().flat_map(|(.., past)| past).collect();
    let json = || json!({ "manifests": manifests, "tags": tags, "history": past });
    if is_empty {
        printer.lines(&[], json);
        printer.note(
            "nothing can be restored: nothing was deleted or moved within the grace period (collect.grace), or a garbage \
             collection with a shorter grace period has removed it for good",
        );
        return Ok(());
    }
    printer.data(parts.join("\n\n"), json);
    for (repository, tag, past) in &history {
        tell_how_back(repository, tag, past, printer);
    }
    if let Some(name) = first(&manifests, &tags) {
        printer.note(format_args!("to restore the first of these: `hythe undelete {name}`"));
    }
    Ok(())
}

/// Says how a tag goes back to what it named last.
fn tell_how_back(repository: &RepositoryName, tag: &Tag, past: &[PastTag], printer: Printer) {
    let Some(last) = past.first() else { return };
    let to = if last.current.is_some() { format!(" --to {}", last.digest) } else { String::new() };
    printer.note(format_args!("to move the tag back: `hythe undelete {repository}:{tag}{to}`"));
}

/// The name of the manifest or tag that was deleted last.
fn first(manifests: &[DeletedManifest], tags: &[PastTag]) -> Option<String> {
    let manifest = manifests.first().map(|manifest| (&manifest.deleted, deleted_name(manifest)));
    let tag = tags.first().map(|past| (&past.changed, format!("{}:{}", past.repository, past.tag)));
    manifest.into_iter().chain(tag).max_by(|a, b| a.0.cmp(b.0)).map(|(_, name)| name)
}

fn deleted_name(manifest: &DeletedManifest) -> String {
    match manifest.tags.first() {
        Some(tag) => format!("{}:{tag}", manifest.repository),
        None => format!("{}@{}", manifest.repository, manifest.digest),
    }
}

/// A table of deleted manifests and removed tags, the latest first.
fn deleted(manifests: &[DeletedManifest], tags: &[PastTag], now: SystemTime) -> String {
    let mut rows: Vec<(Option<SystemTime>, [String; 6])> = Vec::new();
    for manifest in manifests {
        let mut names: Vec<String> = manifest.tags.iter().take(TAGS).map(ToString::to_string).collect();
        let more = manifest.tag_count.saturating_sub(names.len() as u64);
        if more > 0 {
            names.push(format!("and {more} more"));
        }
        let tags = if names.is_empty() { "-".to_owned() } else { names.join(", ") };
        let at = time(manifest.deleted.as_deref());
        let row = [
            manifest.repository.to_string(),
            tags,
            size(manifest.bytes),
            since(at, now),
            left(manifest.until.as_deref(), now),
            manifest.digest.to_string(),
        ];
        rows.push((at, row));
    }
    for past in tags {
        let at = time(past.changed.as_deref());
        let row = [
            past.repository.to_string(),
            past.tag.to_string(),
            "-".to_owned(),
            since(at, now),
            left(past.until.as_deref(), now),
            past.digest.to_string(),
        ];
        rows.push((at, row));
    }
    rows.sort_by_key(|(at, _)| Reverse(*at));
    let rows: Vec<[String; 6]> = rows.into_iter().map(|(_, row)| row).collect();
    table(["REPOSITORY", "TAGS", "SIZE", "DELETED", "KEPT FOR", "DIGEST"], &rows)
}

/// A table of what a tag named before, the latest change first.
fn changes(past: &[PastTag], now: SystemTime) -> String {
    let mut rows = Vec::new();
    if let Some(first) = past.first() {
        let name = format!("{}:{}", first.repository, first.tag);
        let current = first.current.map_or_else(|| "nothing".to_owned(), |digest| digest.to_string());
        rows.push([name, String::new(), "now".to_owned(), String::new(), current]);
    }
    for past in past {
        rows.push([
            format!("{}:{}", past.repository, past.tag),
            since(time(past.set.as_deref()), now),
            since(time(past.changed.as_deref()), now),
            left(past.until.as_deref(), now),
            past.digest.to_string(),
        ]);
    }
    table(["TAG", "SET", "UNTIL", "KEPT FOR", "DIGEST"], &rows)
}

fn time(text: Option<&str>) -> Option<SystemTime> {
    text.and_then(|text| humantime::parse_rfc3339(text).ok())
}

fn since(then: Option<SystemTime>, now: SystemTime) -> String {
    then.map_or_else(|| "-".to_owned(), |then| ago(then, now))
}

/// How long something is kept, in words.
fn left(end: Option<&str>, now: SystemTime) -> String {
    let Some(end) = time(end) else { return "-".to_owned() };
    let seconds = end.duration_since(now).unwrap_or_default().as_secs();
    // Seconds do not matter beside hours.
    let seconds = if seconds >= 3600 { seconds / 60 * 60 } else { seconds };
    humantime::format_duration(Duration::from_secs(seconds)).to_string()
}
