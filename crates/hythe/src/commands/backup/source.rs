//! A registry at the other end of a connection, as a backup reads it.

use std::fs::File;
use std::io::Write as _;

use bytes::Bytes;
use hythe_backup::{Error, Pieces, Result, Source};
use hythe_client::{BlobBody, Client, Error as ClientError};
use hythe_oci::{Digest, RepositoryName};
use tokio::io::AsyncReadExt as _;

use super::super::cache::{Admin, Target};
use crate::failure::Failure;

/// How many bytes one piece has.
const PIECE: usize = 512 << 10;

/// The registry at an address.
pub(super) struct Remote {
    target: Target,
    admin: Admin,
    /// Never makes the registry ask an upstream.
    client: Client,
    holder: String,
    cached: bool,
}

impl Remote {
    pub(super) fn new(target: &Target, holder: String, cached: bool) -> Result<Self, Failure> {
        let client = target.client(true)?;
        Ok(Self { target: target.clone(), admin: Admin::new(target)?, client, holder, cached })
    }
}

fn failed(failure: &Failure) -> Error {
    Error::Source(failure.to_string())
}

fn refused(error: &ClientError) -> Error {
    Error::Source(error.to_string())
}

#[async_trait::async_trait]
impl Source for Remote {
    fn name(&self) -> String {
        self.target.url().to_owned()
    }

    async fn take_lease(&self) -> Result<String> {
        self.admin.take_lease("backup", &self.holder).await.map_err(|failure| failed(&failure))
    }

    async fn renew_lease(&self, id: &str) -> Result<bool> {
        self.admin.renew_lease(id).await.map_err(|failure| failed(&failure))
    }

    async fn release_lease(&self, id: &str) {
        if let Err(failure) = self.admin.release_lease(id).await {
            tracing::debug!(%failure, "could not release the lease; it ends by itself");
        }
    }

    async fn records(&self, mut into: File) -> Result<()> {
        let mut body = self.admin.records(self.cached).await.map_err(|failure| failed(&failure))?;
        let unread =
            |error: std::io::Error| Error::Source(format!("cannot read the registry's records: {error}"));
        loop {
            let piece = read(&mut body).await.map_err(unread)?;
            if piece.is_empty() {
                return Ok(());
            }
            // A piece goes into the page cache, so this waits for no disk.
            into.write_all(&piece).map_err(unread)?;
        }
    }

    async fn blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        from: u64,
    ) -> Result<Option<Box<dyn Pieces>>> {
        match self.client.blob(repository, digest, from).await {
            Ok(answer) => Ok(Some(Box::new(Arriving(answer.body)))),
            Err(ClientError::NotFound { .. }) => Ok(None),
            Err(error) => Err(refused(&error)),
        }
    }
}

/// A blob that arrives.
struct Arriving(BlobBody);

#[async_trait::async_trait]
impl Pieces for Arriving {
    async fn next(&mut self) -> Result<Bytes> {
        read(&mut self.0).await.map_err(|error| Error::Source(error.to_string()))
    }
}

/// The next bytes, as many as a piece has unless the body ends.
async fn read(body: &mut BlobBody) -> std::io::Result<Bytes> {
    let mut piece = Vec::with_capacity(PIECE);
    while piece.len() < PIECE {
        if body.take((PIECE - piece.len()) as u64).read_buf(&mut piece).await? == 0 {
            break;
        }
    }
    Ok(piece.into())
}
