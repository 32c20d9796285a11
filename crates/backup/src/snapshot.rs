//! A snapshot: the records of a catalog at one instant, in a compressed file. A manifest's bytes are not in it: they lie
//! beside the blobs, so that the next snapshot does not store them again.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read as _, Write as _};
use std::path::PathBuf;

use bytes::Bytes;
use hythe_registry::{Lines, Record, write_line};
use serde::{Deserialize, Serialize};
use zstd::stream::{Decoder, Encoder};

use crate::store::Growing;
use crate::{Destination, Error, Result, Time};

/// Most bytes of the first line.
const SUMMARY: u64 = 64 << 10;

/// The first line of a snapshot: what it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The registry that was backed up.
    pub registry: String,
    /// Repositories that have records.
    pub repositories: u64,
    /// Manifests, counted in each repository that has them.
    pub manifests: u64,
    /// Tags.
    pub tags: u64,
    /// Blobs, each counted once.
    pub blobs: u64,
    /// Total size of these blobs.
    pub bytes: u64,
    /// Blobs and manifests that this backup copied: the folder lacked them.
    pub new_blobs: u64,
    /// Their bytes.
    pub new_bytes: u64,
    /// Blobs that the registry names but did not give, or gave with wrong bytes.
    pub lacks: u64,
    /// How many records follow.
    pub records: u64,
}

impl Summary {
    /// Reads what a snapshot holds, and no more of it.
    pub fn read(destination: &Destination, time: Time) -> Result<Self> {
        let damaged = |reason| Error::Snapshot { path: destination.snapshot_path(time), reason };
        let decoder = Decoder::new(destination.open_snapshot(time)?);
        let decoder = decoder.map_err(|error| damaged(error.to_string()))?;
        Self::parse(&mut BufReader::new(decoder)).map_err(damaged)
    }

    fn parse(snapshot: &mut impl BufRead) -> Result<Self, String> {
        let mut line = Vec::new();
        let read = snapshot.take(SUMMARY).read_until(b'\n', &mut line);
        read.map_err(|error| error.to_string())?;
        serde_json::from_slice(&line).map_err(|error| error.to_string())
    }
}

/// A snapshot that is being written.
pub(crate) struct Writer {
    encoder: Encoder<'static, BufWriter<Box<dyn Growing>>>,
    line: Vec<u8>,
    path: PathBuf,
}

impl Writer {
    pub(crate) fn begin(destination: &Destination, time: Time, summary: &Summary) -> Result<Self> {
        let (file, path) = (destination.new_snapshot(time)?, destination.snapshot_path(time));
        let mut encoder = Encoder::new(BufWriter::new(file), 3).map_err(Error::file("write", &path))?;
        encoder.include_checksum(true).map_err(Error::file("write", &path))?;
        let mut line = serde_json::to_vec(summary).unwrap_or_default();
        line.push(b'\n');
        encoder.write_all(&line).map_err(Error::file("write", &path))?;
        Ok(Self { encoder, line, path })
    }

    /// Writes a record, a manifest's without its bytes.
    pub(crate) fn write(&mut self, record: Record) -> Result<()> {
        let record = match record {
            Record::Manifest { repository, origin, private, digest, media_type, pushed, bytes: _ } => {
                let bytes = Bytes::new();
                Record::Manifest { repository, origin, private, digest, media_type, pushed, bytes }
            }
            other => other,
        };
        self.line.clear();
        write_line(&record, &mut self.line).map_err(Error::file("write", &self.path))?;
        self.encoder.write_all(&self.line).map_err(Error::file("write", &self.path))
    }

    pub(crate) fn finish(self, destination: &Destination, time: Time) -> Result<()> {
        let path = self.path;
        let writer = self.encoder.finish().map_err(Error::file("write", &path))?;
        let file = writer.into_inner().map_err(|error| Error::file("write", &path)(error.into_error()))?;
        destination.publish_snapshot(file, time)
    }
}

/// The records of a snapshot. A manifest's record has no bytes.
pub struct Records {
    summary: Summary,
    lines: Lines<BufReader<Decoder<'static, BufReader<File>>>>,
    read: u64,
    path: PathBuf,
    ended: bool,
}

impl Records {
    /// Opens a snapshot.
    pub fn open(destination: &Destination, time: Time) -> Result<Self> {
        let path = destination.snapshot_path(time);
        let damaged = |reason: String| Error::Snapshot { path: path.clone(), reason };
        let file = destination.local_snapshot(time)?;
        let decoder = Decoder::new(file).map_err(|error| damaged(error.to_string()))?;
        let mut reader = BufReader::with_capacity(64 << 10, decoder);
        let summary = Summary::parse(&mut reader).map_err(damaged)?;
        Ok(Self { summary, lines: Lines::new(reader), read: 0, path, ended: false })
    }

    /// What the snapshot holds.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    fn damaged(&mut self, reason: String) -> Error {
        self.ended = true;
        Error::Snapshot { path: self.path.clone(), reason }
    }
}

impl Iterator for Records {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        match self.lines.next() {
            Some(Ok(Ok(record))) => {
                self.read += 1;
                Some(Ok(record))
            }
            Some(Ok(Err(line))) => {
                let reason = format!("the line at byte {}: {}", line.offset, line.reason);
                Some(Err(self.damaged(reason)))
            }
            Some(Err(error)) => Some(Err(self.damaged(error.to_string()))),
            None if self.read == self.summary.records => None,
            None => {
                let reason = format!("it has {} of {} records", self.read, self.summary.records);
                Some(Err(self.damaged(reason)))
            }
        }
    }
}
