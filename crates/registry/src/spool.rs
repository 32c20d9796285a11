//! The records of the whole registry, in a file: for a backup.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use hythe_catalog::{Record, write_line};
use hythe_storage::Content;

use crate::joined::joined;
use crate::{Error, Registry, Result};

/// The lines of a file that was written once.
#[derive(Debug)]
struct Spooled<H> {
    file: Arc<File>,
    size: u64,
    /// Dropped with the last reader.
    _hold: H,
}

impl Registry {
    /// Writes the lines of the records that `takes`, all of one instant, into an empty file, and gives the file's bytes. The
    /// value in `hold` is dropped with them.
    pub async fn spool_records<T, H>(&self, file: File, mut takes: T, hold: H) -> Result<Arc<dyn Content>>
    where
        T: FnMut(&Record) -> bool + Send + 'static,
        H: std::fmt::Debug + Send + Sync + 'static,
    {
        let file = Arc::new(file);
        let mut writer = BufWriter::with_capacity(256 << 10, SharedFile(Arc::clone(&file)));
        let mut line = Vec::new();
        let sink = move |record: Option<Record>| -> io::Result<()> {
            let Some(record) = record else { return writer.flush() };
            if takes(&record) {
                line.clear();
                write_line(&record, &mut line)?;
                writer.write_all(&line)?;
            }
            Ok(())
        };
        let sink = Arc::new(parking_lot::Mutex::new(sink));
        let each = Arc::clone(&sink);
        let written = self.export(move |record| (*each.lock())(Some(record))).await?;
        let unwritten = |error: io::Error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Error::NoSpace("the file of the catalog's records cannot grow".to_owned())
            }
            _ => Error::Internal(format!("cannot write the catalog's records: {error}")),
        };
        written.map_err(unwritten)?;
        joined(tokio::task::spawn_blocking(move || (*sink.lock())(None))).await?.map_err(unwritten)?;
        let size = file.metadata().map_err(unwritten)?.len();
        Ok(Arc::new(Spooled { file, size, _hold: hold }))
    }
}

/// A file that is written while somebody else holds it too.
struct SharedFile(Arc<File>);

impl io::Write for SharedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[async_trait::async_trait]
impl<H: std::fmt::Debug + Send + Sync> Content for Spooled<H> {
    fn size(&self) -> u64 {
        self.size
    }

    async fn read(&self, offset: u64, length: usize) -> hythe_storage::Result<Bytes> {
        let file = Arc::clone(&self.file);
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, offset).map(|()| Bytes::from(bytes))
        });
        let unread =
            |source| hythe_storage::Error::Io { action: "cannot read", path: "records".into(), source };
        match read.await {
            Ok(read) => read.map_err(unread),
            Err(_) => Err(hythe_storage::Error::Stopping),
        }
    }

    fn outlives_removal(&self) -> bool {
        true
    }

    fn file(&self) -> Option<&Arc<File>> {
        Some(&self.file)
    }
}
