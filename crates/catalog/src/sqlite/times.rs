//! Records when manifests were pushed, used and pulled.

use hythe_oci::{Digest, Reference, RepositoryName};
use rusqlite::Connection;

use super::writer::Durability;
use super::{Catalog, repositories, sql};
use crate::{Pull, Result};

impl Catalog {
    /// Records pulls. Ignores pulls of content that was deleted meanwhile. An earlier time never replaces a later one.
    /// Relaxed: a power loss may take the latest times.
    pub async fn record_pulls(&self, pulls: Vec<Pull>) -> Result<()> {
        self.write(Durability::Relaxed, move |connection| {
            pulls.iter().try_for_each(|pull| record(connection, pull))
        })
        .await
    }

    /// Records a use of a manifest. False if the manifest no longer exists. Durable, because a client does not push a
    /// manifest that the registry said is here.
    pub async fn touch_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        now: i64,
    ) -> Result<bool> {
        let (repository, digest) = (repository.clone(), *digest);
        self.write(Durability::Durable, move |connection| {
            const TOUCH: &str = "UPDATE manifest_use SET last_use = max(last_use, ?3)
                WHERE manifest = (SELECT id FROM manifest WHERE repository = ?1 AND digest = ?2)";
            let Some(repository) = repositories::find(connection, &repository)? else { return Ok(false) };
            Ok(sql::run(connection, TOUCH, (repository, digest.to_string(), now))? > 0)
        })
        .await
    }
}

/// Records the first use of a manifest that has just been stored, or a later one.
pub(crate) fn begin(connection: &Connection, manifest: i64, now: i64) -> rusqlite::Result<()> {
    const BEGIN: &str = "INSERT INTO manifest_use (manifest, last_use) VALUES (?1, ?2)
        ON CONFLICT (manifest) DO UPDATE SET last_use = max(last_use, excluded.last_use)";
    sql::run(connection, BEGIN, (manifest, now)).map(|_| ())
}

fn record(connection: &Connection, pull: &Pull) -> rusqlite::Result<()> {
    const TAG: &str =
        "UPDATE tag SET pulled = max(coalesce(pulled, 0), ?3) WHERE repository = ?1 AND name = ?2";
    const BY_TAG: &str = "UPDATE manifest_use SET pulled = max(coalesce(pulled, 0), ?3)
        WHERE manifest = (SELECT manifest FROM tag WHERE repository = ?1 AND name = ?2)";
    const BY_DIGEST: &str = "UPDATE manifest_use SET pulled = max(coalesce(pulled, 0), ?3)
        WHERE manifest = (SELECT id FROM manifest WHERE repository = ?1 AND digest = ?2)";
    let Some(repository) = repositories::find(connection, &pull.repository)? else { return Ok(()) };
    match &pull.reference {
        Reference::Tag(tag) => {
            sql::run(connection, TAG, (repository, tag.as_str(), pull.at))?;
            if pull.of_bytes {
                sql::run(connection, BY_TAG, (repository, tag.as_str(), pull.at))?;
            }
        }
        Reference::Digest(digest) => {
            sql::run(connection, BY_DIGEST, (repository, digest.to_string(), pull.at))?;
        }
    }
    Ok(())
}
