//! The import of a registry:2's content that lies in the data folder: once, before the server serves anything.

use std::path::Path;
use std::sync::Arc;

use hythe_lifecycle::{Import, ImportTarget, Tree};
use hythe_oci::{Authority, RepositoryName};
use hythe_registry::{Origin, Registry};
use hythe_upstream::{Allowed, Credentials, Resolved, Upstream};

use super::signals::asked_to_stop;
use crate::commands::interrupt::Interrupts;
use crate::failure::{Failure, StartError};
use crate::settings::Settings;
use crate::values::Storage;

/// Imports the registry:2 tree in the data folder, unless an earlier start did. Returns false if a signal asked the
/// process to stop meanwhile; the next start then continues the import.
pub(super) async fn take_over(
    settings: &Settings,
    registry: &Registry,
    upstreams: &Allowed,
) -> Result<bool, Failure> {
    let Some(tree) = Tree::in_folder(&settings.data).filter(|_| settings.storage == Storage::Fs) else {
        return Ok(true);
    };
    let folder = || settings.data.clone();
    let source = source(&tree, &settings.data);
    let failed = |error| StartError::Recover { folder: folder(), error };
    if registry.is_imported(&source).await.map_err(failed)? {
        return Ok(true);
    }
    let place = places(upstreams, settings.upstream.fallback.as_ref())?;
    let import = Import::new(registry, &tree);
    tokio::select! {
        imported = import.run(place) => {
            imported.map_err(|error| StartError::Import { folder: folder(), error })?;
        }
        () = asked_to_stop(Interrupts::listen()) => return Ok(false),
    }
    registry.finish_import(&source).await.map_err(failed)?;
    Ok(true)
}

/// The key under which the catalog remembers that a tree was imported. A tree within the data folder is known by its
/// path relative to that folder, because the folder may be mounted anywhere.
pub(in crate::commands) fn source(tree: &Tree, data: &Path) -> String {
    let absolute = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = absolute(tree.folder());
    folder.strip_prefix(absolute(data)).unwrap_or(&folder).display().to_string()
}

/// Where the import puts the repositories of a tree. The tree of a `proxy` has copies of its upstream's repositories.
pub(in crate::commands) fn places<'a>(
    upstreams: &'a Allowed,
    proxy: Option<&Authority>,
) -> Result<impl Fn(&RepositoryName) -> Option<ImportTarget> + 'a, Failure> {
    let proxy = proxy.map(|name| {
        upstreams.get(name).cloned().ok_or_else(|| {
            Failure::Usage(format!("`{name}` is not an allowed upstream: add it with upstream.add"))
        })
    });
    let proxy = proxy.transpose()?;
    Ok(move |name: &RepositoryName| {
        if let Some(upstream) = &proxy {
            return copy(upstreams, upstream, name);
        }
        if let Resolved::Upstream(upstream, _) = upstreams.resolve(None, name)
            && !upstream.pushable
        {
            tracing::warn!(
                repository = %name, upstream = %upstream.name,
                "an imported repository cannot be pulled, because its name means a repository of an allowed upstream; \
                 make the upstream `pushable`, name it in `upstream.remove`, or turn `upstream.by-path` off"
            );
        }
        Some(ImportTarget::local(name))
    })
}

fn copy(upstreams: &Allowed, upstream: &Arc<Upstream>, name: &RepositoryName) -> Option<ImportTarget> {
    let Resolved::Upstream(_, there) = upstreams.resolve_at(&upstream.name, name) else { return None };
    Some(ImportTarget {
        name: format!("{}/{there}", upstream.folder()).parse().ok()?,
        origin: Origin::upstream(&upstream.name),
        private: !matches!(upstream.credentials, Credentials::Anonymous),
    })
}
