//! The end of a schedule: all garbage is gone.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use hythe_oci::Digest;
use hythe_storage::BlobKey;

use crate::process::Process;
use crate::storage::Disk;

/// Checks that a registry without unused content has no row and no file of any.
pub(crate) async fn expect_no_garbage(process: &Process, disk: &Disk, folder: &Path) -> Result<(), String> {
    let catalog = process.beside();
    let count = |sql: &str| catalog.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    for (what, sql) in [
        ("doomed files", "SELECT count(*) FROM doomed"),
        ("sessions", "SELECT count(*) FROM upload"),
        (
            "unused links",
            "SELECT count(*) FROM link l WHERE NOT EXISTS
                    (SELECT 1 FROM reference r WHERE r.repository = l.repository AND r.digest = l.digest)",
        ),
        (
            "blobs without a link",
            "SELECT count(*) FROM blob b WHERE NOT EXISTS (SELECT 1 FROM link l WHERE l.digest = b.digest)",
        ),
    ] {
        let found = count(sql);
        if found > 0 {
            return Err(format!("{found} {what} are left"));
        }
    }
    let mut rows = catalog.prepare("SELECT digest, generation FROM blob").unwrap();
    let live: HashSet<BlobKey> = rows
        .query_map([], |row| {
            let (digest, generation): (String, String) = (row.get(0)?, row.get(1)?);
            Ok(BlobKey { digest: digest.parse::<Digest>().unwrap(), generation: generation.parse().unwrap() })
        })
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let (files, listing) = (disk.blobs.lock().clone(), disk.inner.listing().unwrap());
    if files != live {
        return Err(format!("the files {files:?} are left, and {live:?} are live"));
    }
    let uploads = listing.uploads().await.unwrap();
    let in_folder = fs::read_dir(folder.join("blobs/sha256")).into_iter().flatten();
    let in_folder = in_folder.flat_map(|two| fs::read_dir(two.unwrap().path()).unwrap()).count();
    if !uploads.is_empty() || (in_folder != live.len() && folder.join("blobs").exists()) {
        return Err(format!(
            "the uploads {uploads:?} are left, and {in_folder} files of {} blobs",
            live.len()
        ));
    }
    Ok(())
}
