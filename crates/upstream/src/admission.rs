//! The one check of access that is not made before a request: whether an answer that has come may be passed on.
//!
//! The server decides about each request before it reads a copy. That decision cannot cover content that comes while
//! the request waits: one download and one question to the upstream serve many clients, and another client's request
//! may bring the answer with credentials, under settings that have changed since. So each answer of a copy is checked
//! once more when it is here, against the mark that is stored with the content.

use crate::copy::RepositoryCopy;
use crate::{Error, Result};

impl RepositoryCopy {
    /// The answer, if the client may have it.
    pub(crate) async fn admitted<T>(&self, answer: T) -> Result<T> {
        if self.reaches() {
            return Ok(answer);
        }
        let found = self.repository().provenance().await?;
        self.admit_private(self.is_private() || found.is_some_and(|found| found.private))?;
        Ok(answer)
    }

    /// Refuses content that is fetched with credentials, if it is `private`, to a client that must not get it. A request
    /// that would join a download asks this before the download has stored a mark.
    pub(crate) fn admit_private(&self, private: bool) -> Result<()> {
        if private && !self.reaches() {
            return Err(Error::NotShared { upstream: self.upstream().to_string() });
        }
        Ok(())
    }

    fn reaches(&self) -> bool {
        self.endpoints.upstream.share.reaches(self.via)
    }
}
