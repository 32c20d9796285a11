//! Referrers: the manifests of a repository that name another as their subject.

use hythe_oci::{Digest, RepositoryName};

use crate::{Catalog, Result, sql};

/// What the descriptor of a referrer is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referrer {
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its artifact type.
    pub artifact_type: Option<String>,
    /// Its annotations, as a JSON object.
    pub annotations: Option<String>,
}

impl Catalog {
    /// The manifests whose subject is `subject`, of one artifact type if it is given, in the order of their
    /// digests, from the first past `after`. The subject need not exist.
    pub fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
        after: Option<&Digest>,
        limit: usize,
    ) -> Result<Vec<Referrer>> {
        const PAGE: &str = "SELECT m.digest, m.media_type, m.size, m.artifact_type, m.annotations
            FROM repository r JOIN manifest m ON m.repository = r.id
            WHERE r.name = ?1 AND m.subject = ?2 AND m.digest > ?3 AND (?4 IS NULL OR m.artifact_type = ?4)
            ORDER BY m.digest LIMIT ?5";
        let after = after.map(Digest::to_string).unwrap_or_default();
        let params = (repository.as_str(), subject.to_string(), after, artifact_type, sql::limit(limit));
        self.read(|connection| {
            sql::all(connection, PAGE, params, |row| {
                Ok(Referrer {
                    digest: sql::parsed(row, 0)?,
                    media_type: row.get(1)?,
                    size: sql::unsigned(row, 2)?,
                    artifact_type: row.get(3)?,
                    annotations: row.get(4)?,
                })
            })
        })
    }
}
