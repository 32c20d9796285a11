//! The images of a kustomization: those of the files that it names, replaced as its own `images` says.

use std::path::Path;
use std::sync::Arc;

use hythe_oci::ImageNameParts;
use hythe_yaml::{Node, Scalar};

use super::found::{FileLine, Found, Reading};
use super::{Reader, parts};

/// The names of a kustomization's file in its folder.
const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Keys that list files, directly or under `path` in their items.
const FILES: [&str; 5] = ["resources", "bases", "components", "patchesStrategicMerge", "patches"];

/// Keys whose content only Kustomize can generate.
const MADE: [&str; 3] = ["helmCharts", "helmChartInflationGenerator", "generators"];

/// What to run instead, for parts that hythe cannot read.
const INSTEAD: &str = "`kubectl kustomize FOLDER | hythe cache warm -f -` reads all of it";

pub(super) fn read(reader: &mut Reader<'_>, file: &Arc<str>, document: &Node) {
    let outer = std::mem::take(&mut reader.reading);
    for key in FILES {
        for item in document.child(key).map(Node::items).unwrap_or_default() {
            let path = item.scalar().or_else(|| item.child("path").and_then(|path| path.scalar()));
            if let Some(path) = path {
                follow(reader, file, path);
            }
        }
    }
    for entry in document.entries().iter().filter(|entry| MADE.contains(&entry.name())) {
        let place = FileLine { file: Arc::clone(file), line: entry.key.start.line };
        reader.reading.miss(place, format!("`{}` was not read: {INSTEAD}", entry.name()));
    }
    let images = document.child("images").map(Node::items).unwrap_or_default();
    for image in images {
        replace(&mut reader.reading, file, image);
    }
    reader.reading.documents += 1;
    reader.reading.understood += usize::from(images.is_empty());
    let own = std::mem::replace(&mut reader.reading, outer);
    reader.reading.append(own);
}

/// Reads a file or the kustomization of a folder.
fn follow(reader: &mut Reader<'_>, file: &Arc<str>, path: &Scalar) {
    let place = FileLine { file: Arc::clone(file), line: path.line };
    // An item with line breaks is an inline patch, not a path.
    if path.text.contains('\n') {
        return reader.documents(file, &path.text, path.line + 1);
    }
    if path.text.contains("://") || path.text.contains("?ref=") || path.text.starts_with("github.com/") {
        return reader
            .reading
            .miss(place, format!("`{}` is not a local file, so it was not read: {INSTEAD}", path.text));
    }
    let whole = Path::new(&**file).parent().unwrap_or(Path::new("")).join(&path.text);
    let whole = if whole.is_dir() {
        NAMES.iter().map(|name| whole.join(name)).find(|path| path.is_file()).unwrap_or(whole)
    } else {
        whole
    };
    if let Err(why) = reader.follow(&whole, Reader::document) {
        reader.reading.miss(place, format!("`{}` was not read: {why}", path.text));
    }
}

/// Replaces the images that an entry of `images` names. As Kustomize does, compares names as written.
fn replace(reading: &mut Reading, file: &Arc<str>, entry: &Node) {
    let Some(name) = entry.text("name") else { return };
    let new_name = entry.text("newName").unwrap_or(name);
    let (tag, digest) = (entry.text("newTag"), entry.text("digest"));
    let mut any = false;
    for found in reading.found.iter_mut().filter(|found| ImageNameParts::of(&found.text).name == name) {
        any = true;
        let old = &found.text[name.len()..];
        found.text = match (tag, digest) {
            (_, Some(digest)) => format!("{new_name}@{digest}"),
            (Some(tag), None) => format!("{new_name}:{tag}"),
            (None, None) => format!("{new_name}{old}"),
        };
        found.rule = "images";
    }
    if any {
        return;
    }
    let line = entry.entries().first().map_or(1, |first| first.key.start.line);
    let place = FileLine { file: Arc::clone(file), line };
    match parts::replaced(entry) {
        Some(whole) if super::name::name(&whole.text, super::name::Trust::Certain).is_ok() => {
            reading.found.push(Found { text: whole.text, place, rule: "images" });
        }
        Some(whole) => reading.pass(&whole.text, place, "not the name of an image", true),
        None => reading.pass(new_name, place, "its tag is in a file that was not read", true),
    }
}
