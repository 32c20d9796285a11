//! `hythe import`: imports the content of a registry:2's folder; a running registry and layouts are in files of their own.

mod layout;
mod moved;
mod registry;

use std::path::Path;

use hythe_lifecycle::{Import, Imported, Tree};
use hythe_oci::Authority;
use hythe_server::Log;
use serde_json::json;

use super::interrupt::unless_interrupted;
use super::runtime::{Work, run, runtime};
use super::serve::{self, takeover};
use crate::args::ImportArgs;
use crate::config::{Environment, Inputs, allowed, key, load};
use crate::console::{Printer, count_of, size};
use crate::failure::{Failure, FileError, StartError};
use crate::settings::Settings;

/// Imports everything that the source has.
pub(super) fn import(args: &ImportArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    let text = args.source.to_str().unwrap_or_default();
    if text.starts_with("http://") || text.starts_with("https://") {
        expect_running(args, "a running registry")?;
        return run(unless_interrupted("import", registry::import(args, text, environment, printer)));
    }
    if let Some(place) = layout::place(args) {
        expect_running(args, "a layout or an archive")?;
        return run(unless_interrupted("import", layout::import(args, &place, environment, printer)));
    }
    import_folder(args, environment, printer)
}

/// Refuses options that are only for a registry:2's folder.
fn expect_running(args: &ImportArgs, source: &str) -> Result<(), Failure> {
    let given = [
        ("--data", args.data.is_some()),
        ("--config", args.config.is_some()),
        ("--upstream", args.upstream.is_some()),
    ];
    match given.into_iter().find(|(_, is_given)| *is_given) {
        Some((option, _)) => Err(Failure::Usage(format!(
            "{option} is for the folder of a registry:2; {source} is imported into a running registry, which --registry names"
        ))),
        None => Ok(()),
    }
}

/// Imports the folder's content into a data folder that no server uses.
fn import_folder(args: &ImportArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    let source = args.source.clone();
    if !args.repository.is_empty() || args.name.is_some() || args.registry.is_some() {
        return Err(Failure::Usage(format!(
            "--repository, --as and --registry are not for the folder of a registry:2. {} is neither a URL (http://…), nor an OCI \
             layout or archive",
            source.display()
        )));
    }
    let flag = args.data.as_ref().map(|data| data.display().to_string());
    let flags = key("data").zip(flag).map(|(key, data)| (key, vec![data])).into_iter().collect();
    let inputs = Inputs { file: args.config.clone(), flags, ..Inputs::default() };
    let loaded = load(&inputs, environment)?;
    printer.warnings(&loaded.warnings);
    if !source.exists() {
        return Err(FileError::Missing { folder: source }.into());
    }
    let tree = Tree::in_folder(&source).ok_or_else(|| {
        Failure::Usage(format!(
            "{} is not the folder of a registry:2: it has no folder `docker/registry/v2/repositories` in it. Name the \
             folder that the registry:2's configuration calls `rootdirectory`",
            source.display()
        ))
    })?;
    let imported =
        runtime(Work::Registry)?.block_on(import_tree(&loaded.settings, &tree, args.upstream.as_ref()))?;
    let data = &loaded.settings.data;
    printer.data(sentence(&imported, data), || {
        json!({
            "repositories": imported.repositories, "tags": imported.tags, "manifests": imported.manifests,
            "blobs": imported.blobs, "bytes": imported.bytes, "copied": imported.copied,
            "left_out": imported.left_out, "data": data.display().to_string(),
        })
    });
    Ok(())
}

/// Imports the registry:2 content that lies in a data folder, also what that registry stored since the last import.
#[cfg(target_os = "linux")]
pub(super) fn import_in_place(folder: &Path, environment: &Environment) -> Result<(), Failure> {
    let flags = key("data").map(|key| (key, vec![folder.display().to_string()])).into_iter().collect();
    let settings = load(&Inputs { flags, ..Inputs::default() }, environment)?.settings;
    let Some(tree) = Tree::in_folder(folder) else { return Ok(()) };
    let upstream = settings.upstream.fallback.as_ref();
    runtime(Work::Registry)?.block_on(import_tree(&settings, &tree, upstream)).map(drop)
}

async fn import_tree(
    settings: &Settings,
    tree: &Tree,
    upstream: Option<&Authority>,
) -> Result<Imported, Failure> {
    let (log, _guard) =
        Log::start(std::io::stderr()).map_err(Failure::thread("the thread that writes the log"))?;
    serve::logging::start(&settings.log, &log);
    let upstreams = allowed(settings);
    let place = takeover::places(&upstreams, upstream)?;
    let registry = serve::open(settings).await?;
    let folder = || settings.data.clone();
    registry.recover().await.map_err(|error| StartError::Recover { folder: folder(), error })?;
    let imported = Import::new(&registry, tree).run(place).await;
    let imported =
        imported.map_err(|error| StartError::Import { folder: tree.folder().to_owned(), error })?;
    let source = takeover::source(tree, &settings.data);
    let noted = registry.finish_import(&source).await;
    if let Err(error) = registry.settle_journal().await {
        tracing::warn!(%error, "could not write the journal of the catalog; the next start of the server writes it");
    }
    registry.close();
    noted.map_err(|error| StartError::Recover { folder: folder(), error })?;
    Ok(imported)
}

fn sentence(imported: &Imported, data: &Path) -> String {
    let left_out = match imported.left_out {
        0 => String::new(),
        some => format!("; {} left out: the log above names each", count_of(some, "item")),
    };
    format!(
        "imported {} with {} and {} ({}) to {}{left_out}",
        count_of(imported.repositories, "repository"),
        count_of(imported.tags, "tag"),
        count_of(imported.blobs, "blob"),
        size(imported.bytes),
        data.display(),
    )
}
