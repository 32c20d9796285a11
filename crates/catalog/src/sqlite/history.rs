//! What the tags of local repositories named before they were moved or removed.

use hythe_oci::{Digest, Tag};
use rusqlite::{Connection, Row};

use super::writer::{Durability, TURN};
use super::{Catalog, repositories, sql};
use crate::{PastTag, PastTags, Result};

/// How many former manifests of one tag are kept.
const MOST: i64 = 100;

/// The columns of a [`PastTag`]. A row whose manifest is gone for good has nothing to restore.
macro_rules! past {
    ($condition:literal) => {
        concat!(
            "SELECT h.id, r.name, h.tag, h.digest, h.since, h.until, n.digest, d.id IS NOT NULL
            FROM tag_history h JOIN repository r ON r.id = h.repository
            LEFT JOIN tag t ON t.repository = h.repository AND t.name = h.tag
            LEFT JOIN manifest n ON n.id = t.manifest
            LEFT JOIN manifest m ON m.repository = h.repository AND m.digest = h.digest
            LEFT JOIN deleted d ON d.repository = h.repository AND d.digest = h.digest
            WHERE (m.id IS NOT NULL OR d.id IS NOT NULL) AND ",
            $condition
        )
    };
}

impl Catalog {
    /// The former manifests of tags, the latest change first, from the first before the change `before`.
    pub async fn past_tags(
        &self,
        which: PastTags,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<PastTag>> {
        const REMOVED: &str = past!(
            "(?1 IS NULL OR r.name = ?1) AND h.id < ?2 AND t.name IS NULL
            AND NOT (h.with_manifest = 1 AND d.id IS NOT NULL)
            AND NOT EXISTS (SELECT 1 FROM tag_history l
                WHERE l.repository = h.repository AND l.tag = h.tag AND l.id > h.id)
            ORDER BY h.id DESC LIMIT ?3"
        );
        const HISTORY: &str =
            past!("r.name = ?1 AND h.id < ?2 AND (?4 IS NULL OR h.tag = ?4) ORDER BY h.id DESC LIMIT ?3");
        let (before, limit) = (before.unwrap_or(i64::MAX), sql::limit(limit));
        let read = move |connection: &Connection| match &which {
            PastTags::Removed(repository) => {
                let name = repository.as_ref().map(hythe_oci::RepositoryName::as_str);
                sql::all(connection, REMOVED, (name, before, limit), past_tag)
            }
            PastTags::History(repository, tag) => {
                let params = (repository.as_str(), before, limit, tag.as_ref().map(Tag::as_str));
                sql::all(connection, HISTORY, params, past_tag)
            }
        };
        self.read_aside(read).await
    }

    /// Forgets what tags named until before `before`. Relaxed.
    pub async fn forget_past_tags(&self, before: i64) -> Result<()> {
        let step = move |connection: &Connection| {
            const OLD: &str = "SELECT id, repository FROM tag_history WHERE until < ?1 LIMIT ?2";
            let old: Vec<(i64, i64)> =
                sql::all(connection, OLD, (before, sql::limit(TURN)), |row| Ok((row.get(0)?, row.get(1)?)))?;
            let mut repositories: Vec<i64> = old.iter().map(|(_, repository)| *repository).collect();
            for (id, _) in &old {
                sql::run(connection, "DELETE FROM tag_history WHERE id = ?1", [id])?;
            }
            repositories.sort_unstable();
            repositories.dedup();
            for repository in repositories {
                repositories::forget_if_empty(connection, repository)?;
            }
            Ok(old.len() == TURN)
        };
        while self.free(Durability::Relaxed, step).await? {}
        Ok(())
    }
}

fn past_tag(row: &Row<'_>) -> rusqlite::Result<PastTag> {
    Ok(PastTag {
        id: row.get(0)?,
        repository: sql::parsed(row, 1)?,
        tag: sql::parsed(row, 2)?,
        digest: sql::parsed(row, 3)?,
        since: row.get(4)?,
        until: row.get(5)?,
        current: sql::parsed_option(row, 6)?,
        is_deleted: row.get(7)?,
    })
}

/// How a tag is about to stop naming its manifest.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    /// It is set to this manifest, which may be the one that it names already.
    Set(i64),
    /// It is removed.
    Removed,
    /// It is removed because its manifest is deleted.
    WithManifest,
}

/// Records what a tag of a local repository names, before it names that no more.
pub(crate) fn record(
    connection: &Connection,
    repository: i64,
    tag: &str,
    change: Change,
    now: i64,
) -> rusqlite::Result<()> {
    const RECORD: &str = "INSERT INTO tag_history (repository, tag, digest, since, until, with_manifest)
        SELECT t.repository, t.name, m.digest, t.updated, ?3, ?4
        FROM tag t JOIN manifest m ON m.id = t.manifest JOIN repository r ON r.id = t.repository
        WHERE t.repository = ?1 AND t.name = ?2 AND t.manifest <> ?5 AND r.origin = 'local'";
    const TRIM: &str = "DELETE FROM tag_history WHERE id IN
        (SELECT id FROM tag_history WHERE repository = ?1 AND tag = ?2 ORDER BY id DESC LIMIT -1 OFFSET ?3)";
    // No manifest's row has the id 0.
    let next = if let Change::Set(manifest) = change { manifest } else { 0 };
    let with_manifest = matches!(change, Change::WithManifest);
    if sql::run(connection, RECORD, (repository, tag, now, with_manifest, next))? > 0 {
        sql::run(connection, TRIM, (repository, tag, MOST))?;
    }
    Ok(())
}

/// The last manifest that a tag named and that still exists or can be restored.
pub(crate) fn last(connection: &Connection, repository: &str, tag: &str) -> rusqlite::Result<Option<Digest>> {
    const LAST: &str = past!("r.name = ?1 AND h.tag = ?2 ORDER BY h.id DESC LIMIT 1");
    sql::first(connection, LAST, (repository, tag), |row| sql::parsed(row, 3))
}
