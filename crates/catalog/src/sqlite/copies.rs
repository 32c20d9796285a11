//! Copies: the repositories whose content comes from an upstream. Lists them and clears them.

use hythe_oci::{Digest, ImagePattern, RepositoryName, Tag};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::collection::BATCH;
use super::glob::glob;
use super::repositories::is_visible;
use super::turns::How;
use super::writer::{Durability, TURN};
use super::{Catalog, blobs, origin, repositories, sql, turns};
use crate::{Cleared, CopySummary, Origin, Result, Visible};

impl Catalog {
    /// Makes a copy, with all its content, a local repository, as if its content had been pushed here. A repository
    /// that is not a copy stays as it is. Refused if credentials were needed to fetch some of the content: only for a
    /// copy does the registry know who may pull that. Durable.
    pub async fn pin_copy(&self, copy: &RepositoryName) -> Result<()> {
        let copy = copy.clone();
        self.write(Durability::Durable, move |connection| {
            const PIN: &str = "UPDATE repository SET origin = 'local' WHERE name = ?1 AND private = 0";
            sql::run(connection, PIN, [copy.as_str()])?;
            origin::check(connection, &copy, &Origin::Local)
        })
        .await?
    }

    /// The visible copies that the pattern selects, in bytewise order, from the first past `after`; each with at most
    /// `tags` tags.
    pub async fn copies(
        &self,
        pattern: &ImagePattern,
        after: Option<&str>,
        limit: usize,
        tags: usize,
        visible: &Visible,
    ) -> Result<Vec<CopySummary>> {
        let mut params = Vec::new();
        let is_visible = is_visible(visible, &mut params);
        let [after_name, name_glob, tag_glob, has_tag, most] =
            [1, 2, 3, 4, 5].map(|next| params.len() + next);
        let tag = glob(pattern.tag());
        params.extend([
            Value::from(after.unwrap_or_default().to_owned()),
            glob(Some(pattern.repository())).into(),
            tag.clone().into(),
            pattern.tag().is_some().into(),
            sql::limit(limit).into(),
        ]);
        let sql = format!(
            "SELECT r.origin, r.private, r.name, r.manifests,
                (SELECT count(*) FROM tag t WHERE t.repository = r.id AND t.name GLOB ?{tag_glob}),
                (SELECT count(*) FROM link l WHERE l.repository = r.id),
                (SELECT coalesce(sum(b.size), 0) FROM link l JOIN blob b ON b.digest = l.digest
                    WHERE l.repository = r.id)
                    + (SELECT coalesce(sum(m.size), 0) FROM manifest m WHERE m.repository = r.id),
                max((SELECT coalesce(max(l.last_use), 0) FROM link l WHERE l.repository = r.id),
                    (SELECT coalesce(max(max(u.last_use, coalesce(u.pulled, 0))), 0)
                        FROM manifest m JOIN manifest_use u ON u.manifest = m.id WHERE m.repository = r.id)),
                r.id
            FROM repository r
            WHERE r.origin <> 'local' AND r.name > ?{after_name} AND r.name GLOB ?{name_glob} AND {is_visible}
                AND (NOT ?{has_tag}
                    OR EXISTS (SELECT 1 FROM tag t WHERE t.repository = r.id AND t.name GLOB ?{tag_glob}))
            ORDER BY r.name LIMIT ?{most}"
        );
        let read = move |connection: &Connection| {
            let mut page = sql::all(connection, &sql, params_from_iter(params), |row| {
                let copy = CopySummary {
                    name: sql::parsed(row, 2)?,
                    provenance: repositories::provenance_of(row)?,
                    tags: Vec::new(),
                    tag_count: sql::unsigned(row, 4)?,
                    manifests: sql::unsigned(row, 3)?,
                    blobs: sql::unsigned(row, 5)?,
                    bytes: sql::unsigned(row, 6)?,
                    last_use: row.get(7)?,
                };
                Ok((copy, row.get(8)?))
            })?;
            for (copy, id) in &mut page {
                copy.tags = tags_of(connection, *id, &tag, "", tags)?;
            }
            Ok(page.into_iter().map(|(copy, _)| copy).collect())
        };
        self.read_aside(read).await
    }

    /// Removes all content from a copy, and dooms the files of the blobs that no other repository has. Leaves a
    /// repository that is not a copy as it is. Durable.
    pub async fn clear_copy(&self, copy: &RepositoryName) -> Result<Cleared> {
        let mut cleared = Cleared::default();
        loop {
            let copy = copy.clone();
            let step = move |connection: &Connection| match find(connection, &copy)? {
                Some(id) => clear_some(connection, id),
                None => Ok((Cleared::default(), Next::Nothing)),
            };
            let (step, next) = self.free(Durability::Durable, step).await?;
            cleared += step;
            match next {
                Next::More => {}
                // The following steps remove the manifest's blobs, once its references are removed.
                Next::Hidden => self.clear_retired().await,
                Next::Nothing => {
                    cleared.copies = u64::from(cleared != Cleared::default());
                    return Ok(cleared);
                }
            }
        }
    }

    /// Removes the tags that the pattern selects from a copy. With each tag go the manifest that it names, the
    /// manifests that this one lists or that have it as their subject, and their blobs. Content that another tag or a
    /// remaining manifest references is kept. Durable.
    pub async fn clear_tags(&self, copy: &RepositoryName, pattern: &ImagePattern) -> Result<Cleared> {
        let mut cleared = Cleared::default();
        let mut after = String::new();
        loop {
            let tags = self.read(|connection| match find(connection, copy)? {
                Some(id) => tags_of(connection, id, &glob(pattern.tag()), &after, BATCH),
                None => Ok(Vec::new()),
            })?;
            let Some(last) = tags.last() else {
                cleared.copies = u64::from(cleared != Cleared::default());
                return Ok(cleared);
            };
            last.as_str().clone_into(&mut after);
            for tag in tags {
                cleared += self.clear_tag(copy, tag).await?;
            }
        }
    }

    async fn clear_tag(&self, copy: &RepositoryName, tag: Tag) -> Result<Cleared> {
        let mut clearing = Clearing { tag: Some(tag), ..Clearing::default() };
        loop {
            let (copy, before) = (copy.clone(), clearing);
            let step = move |connection: &Connection| {
                let mut clearing = before.clone();
                let next = match find(connection, &copy)? {
                    Some(id) => clearing.step(connection, id)?,
                    None => Next::Nothing,
                };
                Ok((clearing, next))
            };
            let next;
            (clearing, next) = self.free(Durability::Durable, step).await?;
            match next {
                Next::More => {}
                Next::Hidden => self.clear_retired().await,
                Next::Nothing => return Ok(clearing.cleared),
            }
        }
    }
}

/// What must follow a step.
pub(crate) enum Next {
    /// Another step.
    More,
    /// The removal of the references of a manifest that the step removed, and then another step.
    Hidden,
    Nothing,
}

/// The copy's id; `None` if no copy has this name.
pub(crate) fn find(connection: &Connection, name: &RepositoryName) -> rusqlite::Result<Option<i64>> {
    const FIND: &str = "SELECT id FROM repository WHERE name = ?1 AND origin <> 'local'";
    sql::first(connection, FIND, [name.as_str()], |row| row.get(0))
}

fn tags_of(
    connection: &Connection,
    repository: i64,
    glob: &str,
    after: &str,
    limit: usize,
) -> rusqlite::Result<Vec<Tag>> {
    const TAGS: &str = "SELECT name FROM tag WHERE repository = ?1 AND name > ?3 AND name GLOB ?2
        ORDER BY name LIMIT ?4";
    let params = (repository, glob, after, sql::limit(limit));
    sql::all(connection, TAGS, params, |row| sql::parsed(row, 0))
}

/// Clears a part of a copy, small enough that pushes never wait long for it. Returns what must follow.
fn clear_some(connection: &Connection, repository: i64) -> rusqlite::Result<(Cleared, Next)> {
    const MANIFESTS: &str = "SELECT m.id, m.size FROM manifest m WHERE m.repository = ?1 LIMIT ?2";
    const LINKS: &str = "SELECT digest FROM link WHERE repository = ?1 LIMIT ?2";
    let mut cleared = Cleared::default();
    let params = (repository, sql::limit(BATCH));
    let found = sql::all(connection, MANIFESTS, params, |row| Ok((row.get(0)?, sql::unsigned(row, 1)?)))?;
    let mut rows = 0;
    for (manifest, size) in &found {
        if rows > TURN {
            return Ok((cleared, Next::More));
        }
        rows += turns::rows(connection, *manifest)?;
        let retired = turns::retire(connection, repository, *manifest)?;
        cleared.tags += retired.tags;
        match retired.how {
            How::Begun => return Ok((cleared, Next::More)),
            How::Whole => {}
            How::Hidden => {
                cleared.manifests += 1;
                cleared.bytes += size;
                return Ok((cleared, Next::Hidden));
            }
        }
        cleared.manifests += 1;
        cleared.bytes += size;
    }
    let links: Vec<Digest> = sql::all(connection, LINKS, params, |row| sql::parsed(row, 0))?;
    // The manifests go first, so that no manifest of a half-cleared copy references a blob that the copy lacks.
    let removable = if found.len() < BATCH { &links[..] } else { &[] };
    for digest in removable {
        unlink(connection, repository, digest, &mut cleared)?;
    }
    repositories::forget_if_empty(connection, repository)?;
    let more = found.len() == BATCH || links.len() == BATCH;
    Ok((cleared, if more { Next::More } else { Next::Nothing }))
}

/// The progress of removing a tag or an image, and the content that is kept only because of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clearing {
    /// The tag, until it is removed.
    tag: Option<Tag>,
    /// The image's manifest, until all its tags are removed.
    image: Option<i64>,
    /// Manifests to examine.
    waiting: Vec<i64>,
    /// The digests that removed manifests referenced.
    named: Vec<Digest>,
    pub(crate) cleared: Cleared,
}

impl Clearing {
    /// The removal of an image with all its tags.
    pub(crate) fn of(image: i64) -> Self {
        Self { image: Some(image), ..Self::default() }
    }

    pub(crate) fn step(&mut self, connection: &Connection, repository: i64) -> rusqlite::Result<Next> {
        const UNTAG: &str = "DELETE FROM tag WHERE repository = ?1 AND name = ?2 RETURNING manifest";
        if let Some(tag) = self.tag.take() {
            self.waiting = sql::all(connection, UNTAG, (repository, tag.as_str()), |row| row.get(0))?;
            self.cleared.tags = self.waiting.len() as u64;
        }
        if let Some(image) = self.image {
            let tags = turns::untag_some(connection, repository, image)?;
            self.cleared.tags += tags as u64;
            if tags == TURN {
                return Ok(Next::More);
            }
            self.waiting.extend(self.image.take());
        }
        let mut left = TURN;
        while left > 0 {
            if let Some(digest) = self.named.pop() {
                unlink(connection, repository, &digest, &mut self.cleared)?;
                left -= 1;
                continue;
            }
            let Some(manifest) = self.waiting.pop() else {
                repositories::forget_if_empty(connection, repository)?;
                return Ok(Next::Nothing);
            };
            left = left.saturating_sub(1 + turns::rows(connection, manifest)?);
            if self.remove(connection, repository, manifest)? {
                return Ok(Next::Hidden);
            }
        }
        Ok(Next::More)
    }

    /// Removes a manifest if no tag and no index references it. Returns whether its references are still to be removed.
    fn remove(&mut self, connection: &Connection, repository: i64, manifest: i64) -> rusqlite::Result<bool> {
        const UNNEEDED: &str = "SELECT m.digest, m.size FROM manifest m WHERE m.id = ?1 AND m.repository = ?2
            AND NOT EXISTS (SELECT 1 FROM tag t WHERE t.manifest = m.id)
            AND NOT EXISTS
                (SELECT 1 FROM reference r WHERE r.repository = m.repository AND r.digest = m.digest)";
        const NAMED: &str = "SELECT digest FROM reference WHERE manifest = ?1";
        const KIN: &str = "SELECT id FROM manifest WHERE repository = ?1
            AND (subject = ?3 OR digest IN (SELECT digest FROM reference WHERE manifest = ?2))";
        // The check includes the repository: since the last step the manifest may be gone, and a manifest of another
        // repository may have its id.
        let unneeded = sql::first(connection, UNNEEDED, (manifest, repository), |row| {
            Ok((row.get::<_, String>(0)?, sql::unsigned(row, 1)?))
        })?;
        let Some((digest, size)) = unneeded else { return Ok(false) };
        self.named = sql::all(connection, NAMED, [manifest], |row| sql::parsed(row, 0))?;
        let kin = sql::all(connection, KIN, (repository, manifest, digest), |row| row.get::<_, i64>(0))?;
        self.waiting.extend(kin);
        let retired = turns::retire(connection, repository, manifest)?;
        self.cleared.manifests += 1;
        self.cleared.bytes += size;
        Ok(retired.how == How::Hidden)
    }
}

/// Removes a blob from the copy if no manifest of the copy references it any more.
fn unlink(
    connection: &Connection,
    repository: i64,
    digest: &Digest,
    cleared: &mut Cleared,
) -> rusqlite::Result<()> {
    const UNLINK: &str = "DELETE FROM link WHERE repository = ?1 AND digest = ?2
        AND NOT EXISTS (SELECT 1 FROM reference WHERE repository = ?1 AND digest = ?2)";
    if sql::run(connection, UNLINK, (repository, digest.to_string()))? == 0 {
        return Ok(());
    }
    if let Some(file) = blobs::bury_if_unlinked(connection, digest)? {
        cleared.blobs += 1;
        cleared.bytes += file.size;
    }
    Ok(())
}
