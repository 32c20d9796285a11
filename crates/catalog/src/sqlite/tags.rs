//! Lists and deletes tags; a manifest push sets them.

use hythe_oci::{RepositoryName, Tag};

use super::history::{self, Change};
use super::writer::Durability;
use super::{Catalog, repositories, sql};
use crate::Result;

impl Catalog {
    /// The repository's tags in bytewise order, from the first past `after`; `None` if the repository does not exist.
    pub async fn tags(
        &self,
        repository: &RepositoryName,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Option<Vec<Tag>>> {
        const PAGE: &str = "SELECT name FROM tag WHERE repository = ?1 AND name > ?2 ORDER BY name LIMIT ?3";
        self.read(|connection| {
            let Some(id) = repositories::find_visible(connection, repository)? else { return Ok(None) };
            let params = (id, after.unwrap_or_default(), sql::limit(limit));
            sql::all(connection, PAGE, params, |row| sql::parsed(row, 0)).map(Some)
        })
    }

    /// Removes a tag and keeps its manifest; false if the tag did not exist. The tag of a local repository can be
    /// [restored](Self::restore_tag). Durable.
    pub async fn delete_tag(&self, repository: &RepositoryName, tag: &Tag, now: i64) -> Result<bool> {
        let (repository, tag) = (repository.clone(), tag.clone());
        self.free(Durability::Durable, move |connection| {
            const DELETE: &str = "DELETE FROM tag WHERE repository = ?1 AND name = ?2";
            let Some(repository) = repositories::find(connection, &repository)? else { return Ok(false) };
            history::record(connection, repository, tag.as_str(), Change::Removed, now)?;
            sql::run(connection, DELETE, (repository, tag.as_str())).map(|deleted| deleted > 0)
        })
        .await
    }
}
