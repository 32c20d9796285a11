//! Referrers: the manifests of a repository whose subject is another manifest.

use hythe_oci::{Digest, RepositoryName};
use rusqlite::{Connection, Params, Row};

use super::{Catalog, sql};
use crate::{Referrer, Result};

/// The most bytes of one page's media types, artifact types and annotations; a single referrer may have more.
const PAGE_BYTES: usize = 4 << 20;

impl Catalog {
    /// The manifests whose subject is `subject`, in the order of their digests, from the first past `after`, and
    /// whether more follow. With `artifact_type`, only those of that type. The subject need not exist. A page ends
    /// early if its texts reach 4 MiB.
    pub async fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
        after: Option<&Digest>,
        limit: usize,
    ) -> Result<(Vec<Referrer>, bool)> {
        // Two statements, each with its own index: each reads only the rows that it returns.
        const ALL: &str = "SELECT m.digest, m.media_type, m.size, m.artifact_type, m.annotations
            FROM repository r JOIN manifest m ON m.repository = r.id
            WHERE r.name = ?1 AND m.subject = ?2 AND m.digest > ?3 ORDER BY m.digest";
        const OF_TYPE: &str = "SELECT m.digest, m.media_type, m.size, m.artifact_type, m.annotations
            FROM repository r JOIN manifest m ON m.repository = r.id
            WHERE r.name = ?1 AND m.subject = ?2 AND m.digest > ?3 AND m.artifact_type = ?4 ORDER BY m.digest";
        let (name, subject) = (repository.as_str(), subject.to_string());
        let after = after.map(Digest::to_string).unwrap_or_default();
        self.read(|connection| match artifact_type {
            None => page(connection, ALL, (name, subject, after), limit),
            Some(artifact_type) => page(connection, OF_TYPE, (name, subject, after, artifact_type), limit),
        })
    }
}

fn page(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    limit: usize,
) -> rusqlite::Result<(Vec<Referrer>, bool)> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let (mut page, mut weight) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        if page.len() >= limit || weight >= PAGE_BYTES {
            return Ok((page, true));
        }
        let referrer = referrer(row)?;
        weight += referrer.weight();
        page.push(referrer);
    }
    Ok((page, false))
}

fn referrer(row: &Row<'_>) -> rusqlite::Result<Referrer> {
    Ok(Referrer {
        digest: sql::parsed(row, 0)?,
        media_type: row.get(1)?,
        size: sql::unsigned(row, 2)?,
        artifact_type: row.get(3)?,
        annotations: row.get(4)?,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use hythe_oci::Algorithm;

    use super::*;
    use crate::sqlite::readers::Readers;
    use crate::{ManifestPush, Origin};

    fn digest(content: &str) -> Digest {
        Digest::of(Algorithm::Sha256, content.as_bytes())
    }

    async fn push(catalog: &Catalog, number: usize, annotations: String) {
        let push = ManifestPush {
            repository: "a".parse().unwrap(),
            origin: Origin::Local,
            private: false,
            digest: digest(&number.to_string()),
            media_type: String::new(),
            bytes: b"{}".as_slice().into(),
            artifact_type: Some("some".to_owned()),
            annotations: Some(annotations),
            subject: Some(digest("subject")),
            blobs: Vec::new(),
            require_blobs: false,
            manifests: Vec::new(),
            tags: Vec::new(),
            protected: Vec::new(),
            tagged: 1000,
            now: 1,
        };
        catalog.push_manifest(push).await.unwrap();
    }

    /// How many steps of SQLite's virtual machine a page takes, in hundreds.
    async fn steps(catalog: &Catalog, artifact_type: &str) -> usize {
        let steps = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&steps);
        let Readers::Shared(connection) = &*catalog.inner.readers else { panic!("it is in memory") };
        let count = move || counted.fetch_add(1, Ordering::Relaxed) == usize::MAX;
        connection.lock().progress_handler(100, Some(count)).unwrap();
        let name = "a".parse().unwrap();
        catalog.referrers(&name, &digest("subject"), Some(artifact_type), None, 10).await.unwrap();
        steps.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn a_filter_reads_nothing_of_other_types_however_many_there_are() {
        let catalog = Catalog::in_memory().unwrap();
        for number in 0..2000 {
            push(&catalog, number, "{}".to_owned()).await;
        }
        for artifact_type in ["none", "some"] {
            let steps = steps(&catalog, artifact_type).await;
            assert!(steps < 10, "{steps} hundred steps for `{artifact_type}`");
        }
    }

    #[tokio::test]
    async fn a_page_of_large_referrers_ends_early_and_the_next_page_continues() {
        let catalog = Catalog::in_memory().unwrap();
        for number in 0..9 {
            push(&catalog, number, " ".repeat(1 << 20)).await;
        }
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let name = "a".parse().unwrap();
            let (page, more) =
                catalog.referrers(&name, &digest("subject"), None, after.as_ref(), 100).await.unwrap();
            found.push(page.len());
            after = page.last().map(|referrer| referrer.digest);
            if !more {
                break;
            }
        }
        assert_eq!(found, [4, 4, 1]);
    }
}
