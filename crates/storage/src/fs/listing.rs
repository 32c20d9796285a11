//! Lists the uploads and the blobs of the folder.

use std::io;
use std::path::Path;

use hythe_oci::{Algorithm, UploadId};

use super::{FsStorage, blobs_folder, blocking, uploads};
use crate::capabilities::sorted;
use crate::{BlobKey, Error, ListBlobs, ListUploads, Result, StoredBlob};

#[async_trait::async_trait]
impl ListUploads for FsStorage {
    async fn uploads(&self) -> Result<Vec<UploadId>> {
        let path = uploads(&self.root);
        blocking(move || {
            let list = || -> io::Result<Vec<UploadId>> {
                let mut ids = Vec::new();
                for entry in std::fs::read_dir(&path)? {
                    let name = entry?.file_name();
                    ids.extend(name.to_str().and_then(|name| name.parse::<UploadId>().ok()));
                }
                Ok(ids)
            };
            list().map_err(|e| Error::io("cannot list", &path, e))
        })
        .await
    }
}

#[async_trait::async_trait]
impl ListBlobs for FsStorage {
    async fn blobs(&self, first: u8) -> Result<Vec<StoredBlob>> {
        let folders = Algorithm::ALL
            .map(|algorithm| (algorithm, blobs_folder(&self.root, algorithm, &format!("{first:02x}"))));
        blocking(move || {
            let mut blobs = Vec::new();
            for (algorithm, folder) in folders {
                list_blobs(algorithm, &folder, &mut blobs)
                    .map_err(|e| Error::io("cannot list", &folder, e))?;
            }
            Ok(sorted(blobs))
        })
        .await
    }
}

/// Adds the blobs in the folder. Leaves out files with other names: they are no blobs of this storage.
fn list_blobs(algorithm: Algorithm, folder: &Path, blobs: &mut Vec<StoredBlob>) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some((hex, generation)) = name.to_str().and_then(|name| name.split_once('.')) else { continue };
        let digest = format!("{}:{hex}", algorithm.as_str()).parse();
        let (Ok(digest), Ok(generation)) = (digest, generation.parse()) else { continue };
        match entry.metadata() {
            Ok(found) if found.is_file() => {
                blobs.push(StoredBlob { key: BlobKey { digest, generation }, size: found.len() });
            }
            // Something else has the name of a blob.
            Ok(_) => {}
            // The blob was removed meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
