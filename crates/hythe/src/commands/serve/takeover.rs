//! What a registry kept in the data folder before hythe came: imported once, before anything is served.

use std::path::Path;
use std::sync::Arc;

use hythe_lifecycle::{Import, Place, Tree};
use hythe_oci::{Authority, RepositoryName};
use hythe_registry::{Origin, Registry};
use hythe_upstream::{Allowed, Credentials, Resolved, Upstream};

use super::asked_to_stop;
use crate::failure::{Failure, StartError};
use crate::settings::Settings;
use crate::values::Storage;

/// Imports the tree that the data folder has, unless that was done. False where it was asked to stop meanwhile: the next
/// start goes on.
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
    if registry.is_imported(&source).map_err(failed)? {
        return Ok(true);
    }
    let place = places(upstreams, settings.upstream.fallback.as_ref())?;
    let import = Import::new(registry, &tree);
    tokio::select! {
        imported = import.run(place) => {
            imported.map_err(|error| StartError::Import { folder: folder(), error })?;
        }
        () = asked_to_stop() => return Ok(false),
    }
    registry.finish_import(&source).await.map_err(failed)?;
    Ok(true)
}

/// What a tree is remembered by: within the data folder by its path there, as that may be mounted anywhere.
pub(in crate::commands) fn source(tree: &Tree, data: &Path) -> String {
    let absolute = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = absolute(tree.folder());
    folder.strip_prefix(absolute(data)).unwrap_or(&folder).display().to_string()
}

/// Where the repositories of a tree go: the tree of a proxy has copies of what its upstream has.
pub(in crate::commands) fn places<'a>(
    upstreams: &'a Allowed,
    proxy: Option<&Authority>,
) -> Result<impl Fn(&RepositoryName) -> Option<Place> + 'a, Failure> {
    let proxy = proxy.map(|name| {
        upstreams.get(name).cloned().ok_or_else(|| {
            Failure::Usage(format!("`{name}` is no upstream that may be asked: add it with upstream.add"))
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
                "a repository has a name that means an upstream's: it cannot be pulled while that upstream may be \
                 asked; make the upstream `pushable`, name it in `upstream.remove`, or turn `upstream.by-path` off"
            );
        }
        Some(Place::local(name))
    })
}

fn copy(upstreams: &Allowed, upstream: &Arc<Upstream>, name: &RepositoryName) -> Option<Place> {
    let Resolved::Upstream(_, there) = upstreams.resolve_at(&upstream.name, name) else { return None };
    Some(Place {
        name: format!("{}/{there}", upstream.folder()).parse().ok()?,
        origin: Origin::upstream(&upstream.name),
        private: !matches!(upstream.credentials, Credentials::Anonymous),
    })
}
