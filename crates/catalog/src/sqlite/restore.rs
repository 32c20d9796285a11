//! Restores deleted manifests and tags.

use std::collections::HashSet;

use hythe_oci::{Digest, Reference, RepositoryName, Tag};
use rusqlite::Connection;

use super::history::{self, Change};
use super::turns::HIDDEN;
use super::writer::{Durability, TURN};
use super::{Catalog, manifest_rows, repositories, sql, times};
use crate::{Restored, RestoredTag, Result};

/// How many manifests one request restores: more than any image has.
const MOST: usize = 10_000;

/// How many absent digests are named.
const MISSING: usize = 100;

/// Tags that were examined in one write, and whether more are left.
#[derive(Debug, Default)]
struct Tags {
    set: Vec<Tag>,
    taken: Vec<(Tag, Digest)>,
    more: bool,
}

impl Catalog {
    /// Restores a deleted manifest with the tags that it had; `None` if it is not among the deleted ones. The deleted
    /// manifests that it lists come back too, and those that were deleted with or after it and have one of these as their
    /// subject. They come first, so that a crash in between leaves no visible manifest without them. A tag that names another
    /// manifest by now keeps that. The restored manifests count as used now. Durable.
    pub async fn restore_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        now: i64,
    ) -> Result<Option<Restored>> {
        let (name, root) = (repository.clone(), *digest);
        let family = self.read_aside(move |connection| family(connection, &name, &root)).await?;
        let mut restored = Restored::default();
        let mut is_back = false;
        for digest in family.into_iter().rev() {
            is_back = self.bring_back(repository, &digest, now, &mut restored).await?;
            restored.manifests += u64::from(is_back);
        }
        // The manifest itself was the last.
        if !is_back {
            return Ok(None);
        }
        let (name, root) = (repository.clone(), *digest);
        restored.missing = self.read_aside(move |connection| missing(connection, &name, &root)).await?;
        Ok(Some(restored))
    }

    /// Makes a tag name its last manifest again after it was removed, or moves it back to the manifest `to`, which must
    /// exist in the repository or be restorable. The manifest is restored if it is deleted. Durable.
    pub async fn restore_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        to: Option<Digest>,
        now: i64,
    ) -> Result<RestoredTag> {
        let current = self.manifest(repository, &Reference::Tag(tag.clone())).await?.map(|head| head.digest);
        let last = self.read(|connection| history::last(connection, repository.as_str(), tag.as_str()))?;
        let target = match (current, to, last) {
            (Some(current), None, _) => return Ok(RestoredTag::Exists(current)),
            // A tag that never was cannot be moved back.
            (None, _, None) => return Ok(RestoredTag::Unknown),
            (_, Some(to), _) | (None, None, Some(to)) => to,
        };
        let mut restored = self.restore_manifest(repository, &target, now).await?.unwrap_or_default();
        let step = {
            let (repository, tag) = (repository.clone(), tag.clone());
            move |connection: &Connection| point(connection, &repository, &tag, target, to.is_some(), now)
        };
        match self.write(Durability::Durable, step).await? {
            Pointed::Set => {
                if !restored.tags.contains(tag) {
                    restored.tags.push(tag.clone());
                }
                restored.taken.retain(|(taken, _)| taken != tag);
                Ok(RestoredTag::Restored(target, restored))
            }
            Pointed::Already => Ok(RestoredTag::Restored(target, restored)),
            Pointed::Other(current) => Ok(RestoredTag::Exists(current)),
            Pointed::Unknown => Ok(RestoredTag::Unknown),
        }
    }

    /// Undoes deletions of manifests that a kill interrupted: gives the manifests the tags back that were removed. A tag that
    /// names another manifest by now keeps that. No request may run yet. Durable.
    pub async fn undo_withdrawals(&self, now: i64) -> Result<()> {
        let step = move |connection: &Connection| {
            const NEXT: &str = "SELECT w.manifest, m.repository, m.digest, w.at FROM withdrawal w
                JOIN manifest m ON m.id = w.manifest LIMIT 1";
            const END: &str = "DELETE FROM withdrawal WHERE manifest = ?1";
            let next = sql::first(connection, NEXT, [], |row| {
                Ok((row.get(0)?, row.get(1)?, sql::parsed::<Digest>(row, 2)?, row.get(3)?))
            })?;
            let Some((manifest, repository, digest, at)) = next else { return Ok(false) };
            if !set_some(connection, repository, manifest, &digest, at, now)?.more {
                sql::run(connection, END, [manifest])?;
            }
            Ok(true)
        };
        while self.write(Durability::Durable, step).await? {}
        Ok(())
    }

    /// Restores one manifest and its tags; false if it is not among the deleted ones.
    async fn bring_back(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        now: i64,
        restored: &mut Restored,
    ) -> Result<bool> {
        let step = {
            let (repository, digest) = (repository.clone(), *digest);
            move |connection: &Connection| {
                let Some(id) = repositories::find(connection, &repository)? else { return Ok(None) };
                let Some((manifest, at)) = manifest_rows::show(connection, id, &digest)? else {
                    return Ok(None);
                };
                times::begin(connection, manifest, now)?;
                Ok(Some((id, manifest, at, set_some(connection, id, manifest, &digest, at, now)?)))
            }
        };
        let Some((id, manifest, at, mut tags)) = self.write(Durability::Durable, step).await? else {
            return Ok(false);
        };
        loop {
            restored.tags.append(&mut tags.set);
            restored.taken.append(&mut tags.taken);
            if !tags.more {
                return Ok(true);
            }
            let digest = *digest;
            let step = move |connection: &Connection| {
                // The manifest may have been deleted again meanwhile.
                match manifest_rows::find(connection, id, &digest)? {
                    Some(found) if found == manifest => set_some(connection, id, manifest, &digest, at, now),
                    _ => Ok(Tags::default()),
                }
            };
            tags = self.write(Durability::Durable, step).await?;
        }
    }
}

/// The deleted manifests to restore with the deleted manifest `root`, beginning with it: those that come later belong to
/// earlier ones. Empty if `root` is not deleted.
fn family(
    connection: &Connection,
    repository: &RepositoryName,
    root: &Digest,
) -> rusqlite::Result<Vec<Digest>> {
    const ROOT: &str = "SELECT d.manifest, d.at FROM deleted d JOIN repository r ON r.id = d.repository
        WHERE r.name = ?1 AND d.digest = ?2";
    const LISTED: &str = "SELECT d.digest, d.manifest FROM reference f
        JOIN deleted d ON d.repository = f.repository AND d.digest = f.digest WHERE f.manifest = ?1 LIMIT ?2";
    const REFERRERS: &str =
        "SELECT d.digest, d.manifest FROM deleted o JOIN deleted d ON d.repository = o.repository
        JOIN manifest m ON m.id = d.manifest
        WHERE o.manifest = ?1 AND m.repository = ?2 AND m.subject = o.digest AND d.at >= ?3 LIMIT ?4";
    let params = (repository.as_str(), root.to_string());
    let found =
        sql::first(connection, ROOT, params, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
    let Some((id, at)) = found else { return Ok(Vec::new()) };
    let (mut family, mut seen, mut next) = (vec![(*root, id)], HashSet::from([id]), 0);
    while let Some((_, id)) = family.get(next) {
        let limit = sql::limit(MOST);
        let member = |row: &rusqlite::Row<'_>| Ok((sql::parsed(row, 0)?, row.get(1)?));
        let mut members = sql::all(connection, LISTED, (id, limit), member)?;
        members.extend(sql::all(connection, REFERRERS, (id, HIDDEN, at, limit), member)?);
        members.retain(|(_, id)| seen.insert(*id));
        family.extend(members);
        family.truncate(MOST);
        next += 1;
    }
    Ok(family.into_iter().map(|(digest, _)| digest).collect())
}

/// What a manifest references and its repository does not have.
fn missing(
    connection: &Connection,
    repository: &RepositoryName,
    manifest: &Digest,
) -> rusqlite::Result<Vec<Digest>> {
    const MISSING_OF: &str = "SELECT f.digest FROM repository r
        JOIN manifest m ON m.repository = r.id AND m.digest = ?2 JOIN reference f ON f.manifest = m.id
        WHERE r.name = ?1
            AND NOT EXISTS (SELECT 1 FROM link l WHERE l.repository = r.id AND l.digest = f.digest)
            AND NOT EXISTS (SELECT 1 FROM manifest o WHERE o.repository = r.id AND o.digest = f.digest)
        ORDER BY f.digest LIMIT ?3";
    let params = (repository.as_str(), manifest.to_string(), sql::limit(MISSING));
    sql::all(connection, MISSING_OF, params, |row| sql::parsed(row, 0))
}

/// Sets some of the tags again that were removed when their manifest was deleted at `at`.
fn set_some(
    connection: &Connection,
    repository: i64,
    manifest: i64,
    digest: &Digest,
    at: i64,
    now: i64,
) -> rusqlite::Result<Tags> {
    const REMOVED: &str = "SELECT h.id, h.tag, m.digest FROM tag_history h
        LEFT JOIN tag t ON t.repository = h.repository AND t.name = h.tag LEFT JOIN manifest m ON m.id = t.manifest
        WHERE h.repository = ?1 AND h.digest = ?2 AND h.with_manifest = 1 AND h.until = ?3 LIMIT ?4";
    const SET: &str = "INSERT INTO tag (repository, name, manifest, updated) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT DO NOTHING";
    // The deletion of the tag is undone, so it is no part of the tag's history.
    const UNDONE: &str = "DELETE FROM tag_history WHERE id = ?1";
    // The tag went on without the manifest.
    const PAST: &str = "UPDATE tag_history SET with_manifest = 0 WHERE id = ?1";
    let params = (repository, digest.to_string(), at, sql::limit(TURN));
    let removed: Vec<(i64, Tag, Option<Digest>)> = sql::all(connection, REMOVED, params, |row| {
        Ok((row.get(0)?, sql::parsed(row, 1)?, sql::parsed_option(row, 2)?))
    })?;
    let mut tags = Tags { more: removed.len() == TURN, ..Tags::default() };
    for (id, tag, names) in removed {
        match names {
            Some(other) if other != *digest => {
                sql::run(connection, PAST, [id])?;
                tags.taken.push((tag, other));
            }
            _ => {
                sql::run(connection, SET, (repository, tag.as_str(), manifest, now))?;
                sql::run(connection, UNDONE, [id])?;
                tags.set.push(tag);
            }
        }
    }
    Ok(tags)
}

/// What became of a tag.
enum Pointed {
    /// It names the manifest now.
    Set,
    /// It named the manifest already.
    Already,
    /// It names this other manifest, and may not be moved.
    Other(Digest),
    /// The repository does not have the manifest.
    Unknown,
}

/// Sets a tag to a manifest of its repository. Moves the tag from another manifest only if `may_move`.
fn point(
    connection: &Connection,
    repository: &RepositoryName,
    tag: &Tag,
    digest: Digest,
    may_move: bool,
    now: i64,
) -> rusqlite::Result<Pointed> {
    const CURRENT: &str = "SELECT m.digest FROM tag t JOIN manifest m ON m.id = t.manifest
        WHERE t.repository = ?1 AND t.name = ?2";
    const UNDONE: &str = "DELETE FROM tag_history WHERE id =
        (SELECT id FROM tag_history WHERE repository = ?1 AND tag = ?2 AND digest = ?3 ORDER BY id DESC LIMIT 1)";
    let Some(id) = repositories::find(connection, repository)? else { return Ok(Pointed::Unknown) };
    let current = sql::first(connection, CURRENT, (id, tag.as_str()), |row| sql::parsed(row, 0))?;
    let Some(manifest) = manifest_rows::find(connection, id, &digest)? else { return Ok(Pointed::Unknown) };
    match current {
        Some(current) if current == digest => return Ok(Pointed::Already),
        Some(current) if !may_move => return Ok(Pointed::Other(current)),
        Some(_) => {}
        None => {
            sql::run(connection, UNDONE, (id, tag.as_str(), digest.to_string()))?;
        }
    }
    history::record(connection, id, tag.as_str(), Change::Set(manifest), now)?;
    manifest_rows::tag(connection, id, tag.as_str(), manifest, (now, now))?;
    times::begin(connection, manifest, now)?;
    Ok(Pointed::Set)
}
