//! `hythe tags`: lists the tags of a repository.

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use hythe_oci::{Reference, Tag};
use hythe_transfer::{Manifest, Source as _};
use serde_json::{Value, json};

use super::registries::Registries;
use super::runtime::run;
use crate::args::TagsArgs;
use crate::config::Environment;
use crate::console::{Printer, count_of, size, table};
use crate::failure::Failure;

/// Tags that are asked about at the same time.
const AT_ONCE: usize = 8;

/// Lists tags.
pub(super) fn tags(args: &TagsArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    run(list(args, environment, printer))
}

async fn list(args: &TagsArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    let remote = Registries::new(environment, &args.connection).remote(&args.repository)?;
    let mut tags = remote.tags().await?;
    tags.retain(|tag| args.filter.as_ref().is_none_or(|filter| filter.matches(tag.as_str())));
    let is_shown =
        |tag: &Tag| args.all || args.filter.as_ref().map_or(!tag.is_input(), |filter| filter.selects(tag));
    let found = tags.len();
    tags.retain(is_shown);
    if found > tags.len() {
        let hidden = count_of((found - tags.len()) as u64, "input tag");
        printer
            .note(format_args!("hidden: {hidden}; to list them too: `hythe tags {} --all`", remote.place()));
    } else if tags.is_empty() {
        let matching = if args.filter.is_some() { " that matches" } else { "" };
        printer.note(format_args!("{} has no tag{matching}", remote.place()));
    }
    if !args.long {
        let text: Vec<&str> = tags.iter().map(Tag::as_str).collect();
        printer.lines(&text, || json!(tags.iter().map(Tag::as_str).collect::<Vec<_>>()));
        return Ok(());
    }
    let remote = &remote;
    let read = stream::iter(tags).map(|tag| async move {
        let manifest = remote.manifest(&Reference::Tag(tag.clone())).await?;
        Ok::<_, Failure>((tag, manifest))
    });
    let read: Vec<(Tag, Manifest)> = read.buffered(AT_ONCE).try_collect().await?;
    let rows: Vec<[String; 4]> = read
        .iter()
        .map(|(tag, manifest)| {
            [
                tag.to_string(),
                manifest.digest.to_string(),
                size(bytes(manifest)),
                platforms(manifest).join(", "),
            ]
        })
        .collect();
    printer.data(table(["TAG", "DIGEST", "SIZE", "PLATFORMS"], &rows), || {
        let one = |(tag, manifest): &(Tag, Manifest)| -> Value {
            json!({
                "tag": tag.as_str(),
                "digest": manifest.digest,
                "mediaType": manifest.media_type,
                "bytes": bytes(manifest),
                "platforms": platforms(manifest),
            })
        };
        read.iter().map(one).collect()
    });
    Ok(())
}

/// The size of a manifest's own blobs; of an index, that of its manifests alone, which say no more.
fn bytes(manifest: &Manifest) -> u64 {
    let listed = manifest.children.iter().map(|child| child.descriptor.size);
    manifest.blobs().map(|blob| blob.size).chain(listed).sum::<u64>() + manifest.bytes.len() as u64
}

fn platforms(manifest: &Manifest) -> Vec<String> {
    let named = manifest.children.iter().filter(|child| child.attests.is_none());
    named.filter_map(|child| Some(child.platform.as_ref()?.to_string())).collect()
}
