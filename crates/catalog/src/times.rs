//! When manifests were pushed, used and pulled. All times are milliseconds since the Unix epoch.

use hythe_oci::{Digest, Reference, RepositoryName};
use rusqlite::Connection;

use crate::writer::Durability;
use crate::{Catalog, Result, repositories, sql};

/// When a manifest was pushed, used and pulled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Its last push.
    pub pushed: i64,
    /// Its last push, or the last time that a client was told by HEAD that it is here: the client may be about to push an
    /// index of it, so the collector's grace period begins here.
    pub last_use: i64,
    /// The last recorded pull of its bytes.
    pub pulled: Option<i64>,
    /// The last recorded pull by the tag that the manifest was looked up by; `None` where it was looked up by its digest.
    pub tag_pulled: Option<i64>,
}

/// A pull to record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pull {
    /// The repository.
    pub repository: RepositoryName,
    /// What the client asked for.
    pub reference: Reference,
    /// Whether the client got the manifest's bytes. By HEAD it learns only what the tag names, as containerd does before it
    /// pulls by digest.
    pub of_bytes: bool,
    /// When.
    pub at: i64,
}

impl Catalog {
    /// Records pulls. What is gone meanwhile is passed over, and no time becomes older. Relaxed: a power loss may take the
    /// latest times.
    pub async fn record_pulls(&self, pulls: Vec<Pull>) -> Result<()> {
        self.write(Durability::Relaxed, move |connection| {
            pulls.iter().try_for_each(|pull| record(connection, pull))
        })
        .await
    }

    /// Records that a client relies on a manifest from now on; false where it is not there any more. Durable: a client does
    /// not push what it was told is here.
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

/// Notes that a manifest is used from `now` on: it has just been stored.
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
