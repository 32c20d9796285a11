//! Opens the data folder: the stored blobs, and the catalog that belongs to them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hythe_catalog::{Catalog, Expect};
use hythe_registry::{Registry, has_journal};
use hythe_storage::fs::Reserve;
use hythe_storage::objects::MemoryBucket;
use hythe_storage::{FsStorage, MemoryStorage, ObjectStorage};

use super::wiring;
use crate::failure::StartError;
use crate::settings::Settings;
use crate::values::Storage;

/// The file that marks a data folder whose restore has not ended.
pub(in crate::commands) const RESTORING: &str = "catalog.sqlite.restoring";

/// The registry that the settings describe.
pub(in crate::commands) async fn open(settings: &Settings) -> Result<Registry, StartError> {
    let (storage, catalog): (Arc<dyn hythe_storage::Storage>, Catalog) = match settings.storage {
        Storage::Memory => (Arc::new(MemoryStorage::default()), Catalog::in_memory()?),
        Storage::MemoryObjects => {
            (Arc::new(ObjectStorage::new(Arc::<MemoryBucket>::default())), Catalog::in_memory()?)
        }
        Storage::Fs => {
            // The folder first: opening it locks it, so that the catalog has one owner.
            let storage = FsStorage::open(&settings.data)?.with_direct(settings.upload.direct);
            let catalog = open_catalog(&settings.data, &storage).await?;
            (Arc::new(storage), catalog)
        }
    };
    Ok(Registry::new(storage, catalog, wiring::registry_options(settings)))
}

/// The catalog's file in a data folder.
pub(in crate::commands) fn catalog_path(data: &Path) -> PathBuf {
    data.join("catalog.sqlite")
}

/// Opens the catalog that belongs to the stored blobs. Refuses blobs or a journal without a catalog, and a catalog without
/// blobs: the registry would seem to work, but would be empty, or its images would have no bytes.
async fn open_catalog(data: &Path, storage: &FsStorage) -> Result<Catalog, StartError> {
    let failed =
        |error: hythe_storage::Error| StartError::Recover { folder: data.to_owned(), error: error.into() };
    let path = catalog_path(data);
    if !path.exists() && data.join(RESTORING).exists() {
        return Err(StartError::Restoring { folder: data.to_owned() });
    }
    let has_blobs = storage.has_blobs().map_err(failed)?;
    let has_journal =
        has_journal(storage).map_err(|error| StartError::Recover { folder: data.to_owned(), error })?;
    let expect = if has_blobs || has_journal { Expect::Catalog } else { Expect::Anything };
    let room = Arc::new(Room(Arc::clone(storage.reserve())));
    let catalog = Catalog::open_journaled(&path, expect, Some(room), hythe_registry::journal(storage))?;
    let failed =
        |error: hythe_catalog::Error| StartError::Recover { folder: data.to_owned(), error: error.into() };
    if !has_blobs && catalog.has_blobs().await.map_err(failed)? {
        return Err(StartError::BlobsMissing { catalog: path, blobs: data.join("blobs") });
    }
    Ok(catalog)
}

/// The data folder's reserve, in the form that the catalog expects.
#[derive(Debug)]
struct Room(Arc<Reserve>);

impl hythe_catalog::Reserve for Room {
    fn is_whole(&self) -> bool {
        self.0.is_whole()
    }

    fn give_up(&self) -> bool {
        self.0.give_up()
    }

    fn take_back(&self) -> bool {
        self.0.take_back()
    }

    fn returned(&self) {
        self.0.returned();
    }
}
