//! Removes tags and manifests that retention let go, if nothing needs them since it decided.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use hythe_oci::{Digest, Tag, fallback_tag};
use rusqlite::Connection;

use super::deleted::withdraw;
use super::history::{self, Change};
use super::turns::{HIDDEN, How};
use super::writer::{Durability, TURN};
use super::{Catalog, manifest_rows, repositories, sql};
use crate::{Deletion, ImageRemoval, Result};

/// The most tags and manifests that one write removes together.
const MEMBERS: usize = 64;

/// The most bytes of manifests that one write moves out of sight.
const MOVED: u64 = 1 << 20;

impl Catalog {
    /// Removes what belongs together, so that it can be restored; false if something changed since the decision: a tag was
    /// pushed or moved, a manifest was used, or a tag, an index or a referrer came that needs one of the manifests. Then
    /// it removes nothing, or, of more than fits into one write, not the rest. Durable.
    pub async fn remove_image(&self, removal: ImageRemoval, deletion: Deletion) -> Result<bool> {
        let removal = Arc::new(Prepared::new(removal));
        if removal.image.tags.len() + removal.image.manifests.len() <= MEMBERS {
            let whole = Arc::clone(&removal);
            let step = move |connection: &Connection| whole.remove_whole(connection, deletion);
            match self.free(Durability::Durable, step).await? {
                Whole::Removed => return Ok(true),
                Whole::Changed => return Ok(false),
                Whole::TooLarge => {}
            }
        }
        // One manifest at a time, an owner before what belongs to it.
        for at in 0..removal.image.manifests.len() {
            loop {
                let part = Arc::clone(&removal);
                let step = move |connection: &Connection| part.remove_one(connection, at, deletion);
                match self.free(Durability::Durable, step).await? {
                    None => return Ok(false),
                    Some(How::Begun) => {}
                    Some(How::Whole) => break,
                    Some(How::Hidden) => {
                        self.clear_retired().await;
                        break;
                    }
                }
            }
        }
        Ok(true)
    }
}

/// A removal, with its members by name.
struct Prepared {
    image: ImageRemoval,
    manifests: HashSet<Digest>,
    tags: HashMap<Tag, (Digest, i64)>,
}

enum Whole {
    Removed,
    Changed,
    TooLarge,
}

impl Prepared {
    fn new(image: ImageRemoval) -> Self {
        let manifests = image.manifests.iter().map(|(digest, _)| *digest).collect();
        let tags = image.tags.iter().map(|(tag, digest, pushed)| (tag.clone(), (*digest, *pushed))).collect();
        Self { image, manifests, tags }
    }

    fn remove_whole(&self, connection: &Connection, deletion: Deletion) -> rusqlite::Result<Whole> {
        const UNTAG: &str = "DELETE FROM tag WHERE repository = ?1 AND name = ?2";
        let Some(repository) = repositories::find(connection, &self.image.repository)? else {
            return Ok(Whole::Changed);
        };
        let mut found = Vec::new();
        let mut bytes = 0;
        for (digest, needed) in &self.image.manifests {
            let Some(manifest) = manifest_rows::find(connection, repository, digest)? else { continue };
            if !self.is_unneeded(connection, repository, manifest, digest, *needed)? {
                return Ok(Whole::Changed);
            }
            bytes += size(connection, manifest)?;
            found.push(manifest);
        }
        if bytes > MOVED {
            return Ok(Whole::TooLarge);
        }
        if self.manifests.is_empty() {
            for (tag, digest, pushed) in &self.image.tags {
                if tag_now(connection, repository, tag)? != Some((*digest, *pushed)) {
                    return Ok(Whole::Changed);
                }
            }
            for (tag, ..) in &self.image.tags {
                history::record(connection, repository, tag.as_str(), Change::Removed, deletion.at)?;
                sql::run(connection, UNTAG, (repository, tag.as_str()))?;
            }
        }
        for manifest in found {
            // A manifest of a removal with so few tags goes at once.
            withdraw(connection, repository, manifest, deletion)?;
        }
        Ok(Whole::Removed)
    }

    /// Removes one manifest, or a part of its tags; `None` if something needs it.
    fn remove_one(
        &self,
        connection: &Connection,
        at: usize,
        deletion: Deletion,
    ) -> rusqlite::Result<Option<How>> {
        let (digest, needed) = &self.image.manifests[at];
        let Some(repository) = repositories::find(connection, &self.image.repository)? else {
            return Ok(None);
        };
        let Some(manifest) = manifest_rows::find(connection, repository, digest)? else {
            return Ok(Some(How::Whole));
        };
        if !self.is_unneeded(connection, repository, manifest, digest, *needed)? {
            return Ok(None);
        }
        withdraw(connection, repository, manifest, deletion).map(Some)
    }

    /// Whether nothing needs the manifest but what goes with it. Looks at as many tags as one write removes.
    fn is_unneeded(
        &self,
        connection: &Connection,
        repository: i64,
        manifest: i64,
        digest: &Digest,
        needed: i64,
    ) -> rusqlite::Result<bool> {
        const NEEDED: &str =
            "SELECT max(coalesce(u.last_use, m.pushed), coalesce(u.pulled, 0), coalesce(u.untagged, 0))
            FROM manifest m LEFT JOIN manifest_use u ON u.manifest = m.id WHERE m.id = ?1";
        const TAGS: &str = "SELECT name, updated FROM tag WHERE manifest = ?1 LIMIT ?2";
        // Also an index that is being stored in turns.
        const INDEXES: &str =
            "SELECT i.repository, i.digest FROM reference f JOIN manifest i ON i.id = f.manifest
            WHERE f.repository = ?1 AND f.digest = ?2 AND (i.repository = ?1 OR i.digest GLOB '+*') LIMIT ?3";
        const REFERRERS: &str = "SELECT digest FROM manifest WHERE repository = ?1 AND subject = ?2 LIMIT ?3";
        const ATTACHED: &str = "SELECT name, updated FROM tag WHERE repository = ?1 AND (name = ?2 OR (name >= ?2 || '.' AND name < ?2 || '/'))
            LIMIT ?3";
        let text = digest.to_string();
        let now_needed = sql::first(connection, NEEDED, [manifest], |row| row.get::<_, i64>(0))?;
        if now_needed.is_none_or(|now_needed| now_needed > needed) {
            return Ok(false);
        }
        let tags: Vec<(Tag, i64)> = sql::all(connection, TAGS, (manifest, sql::limit(TURN)), |row| {
            Ok((sql::parsed(row, 0)?, row.get(1)?))
        })?;
        if !tags.into_iter().all(|(tag, pushed)| self.tags.get(&tag) == Some(&(*digest, pushed))) {
            return Ok(false);
        }
        // More than this many indexes or referrers keep the manifest.
        let most = 4 * TURN;
        let params = (repository, &text, sql::limit(most));
        let indexes: Vec<(i64, String)> =
            sql::all(connection, INDEXES, params, |row| Ok((row.get(0)?, row.get(1)?)))?;
        let goes = |digest: &String| digest.parse().is_ok_and(|digest| self.manifests.contains(&digest));
        if indexes.len() == most || !indexes.iter().all(|(of, digest)| *of != HIDDEN && goes(digest)) {
            return Ok(false);
        }
        let referrers: Vec<Digest> = sql::all(connection, REFERRERS, params, |row| sql::parsed(row, 0))?;
        if referrers.len() == most || !referrers.iter().all(|referrer| self.manifests.contains(referrer)) {
            return Ok(false);
        }
        let attached = fallback_tag(digest);
        let params = (repository, attached.as_str(), sql::limit(most));
        let attached: Vec<(Tag, i64)> =
            sql::all(connection, ATTACHED, params, |row| Ok((sql::parsed(row, 0)?, row.get(1)?)))?;
        let goes = |(tag, pushed): &(Tag, i64)| self.tags.get(tag).is_some_and(|(_, seen)| seen == pushed);
        Ok(attached.len() < most && attached.iter().all(goes))
    }
}

fn size(connection: &Connection, manifest: i64) -> rusqlite::Result<u64> {
    let size = sql::first(connection, "SELECT size FROM manifest WHERE id = ?1", [manifest], |row| {
        sql::unsigned(row, 0)
    })?;
    Ok(size.unwrap_or_default())
}

/// The manifest that the tag names now, and when the tag was pushed.
fn tag_now(connection: &Connection, repository: i64, tag: &Tag) -> rusqlite::Result<Option<(Digest, i64)>> {
    const FIND: &str = "SELECT m.digest, t.updated FROM tag t JOIN manifest m ON m.id = t.manifest
        WHERE t.repository = ?1 AND t.name = ?2";
    sql::first(connection, FIND, (repository, tag.as_str()), |row| Ok((sql::parsed(row, 0)?, row.get(1)?)))
}
