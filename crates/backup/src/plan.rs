//! What a backup has to copy: reads the registry's records, and finds what the destination lacks.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufReader, Seek as _, SeekFrom};

use hythe_oci::{Digest, RepositoryName};
use hythe_registry::{Lines, Origin, Provenance, Record};

use crate::snapshot::{Summary, Writer};
use crate::{Destination, Error, Result, Time};

/// The most repositories that are asked for one blob.
const SOURCES: usize = 4;

/// Selects the records that a backup takes: those of some repositories. The record of a repository comes before all
/// others that name it.
pub struct Chosen<F> {
    chooses: F,
    chosen: HashSet<RepositoryName>,
}

impl<F: FnMut(&Provenance) -> bool> Chosen<F> {
    /// The records of the repositories whose provenance `chooses`.
    pub fn new(chooses: F) -> Self {
        Self { chooses, chosen: HashSet::new() }
    }

    /// Whether the record is taken.
    pub fn takes(&mut self, record: &Record) -> bool {
        match record {
            Record::Repository { name, origin, private } => {
                let provenance = Provenance { origin: origin.clone(), private: *private };
                let takes = (self.chooses)(&provenance);
                if takes {
                    self.chosen.insert(name.clone());
                }
                takes
            }
            Record::Manifest { repository, .. }
            | Record::Link { repository, .. }
            | Record::Tag { repository, .. }
            | Record::ManifestDeleted { repository, .. }
            | Record::LinkDeleted { repository, .. }
            | Record::TagDeleted { repository, .. } => self.chosen.contains(repository),
            // What was imported into a lost folder is not in another one.
            Record::Import { .. } => false,
        }
    }
}

impl Chosen<fn(&Provenance) -> bool> {
    /// The records of what was pushed to the registry. Cached content can be fetched again.
    pub fn local() -> Self {
        Self::new(|provenance| provenance.origin == Origin::Local)
    }
}

/// A blob that the destination lacks.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    /// Some repositories that have it.
    pub(crate) repositories: Vec<RepositoryName>,
}

/// The registry's records in a file, and what follows from them.
pub(crate) struct Plan {
    records: File,
    pub(crate) wanted: Vec<Wanted>,
    /// Manifests that were written.
    pub(crate) new_manifests: u64,
    pub(crate) new_bytes: u64,
}

impl Plan {
    /// Reads the records. Writes the manifests that the destination lacks, and lists the blobs that it lacks. Blocking.
    pub(crate) fn make(destination: &Destination, mut records: File) -> Result<Self> {
        let (mut wanted, mut new_manifests, mut new_bytes) = (HashMap::<Digest, Wanted>::new(), 0, 0);
        let mut here = destination.inventory()?;
        each(&mut records, |record| {
            match record {
                Record::Manifest { repository, digest, bytes, .. } => {
                    let length = bytes.len() as u64;
                    if here.size_of(&digest)? != Some(length) {
                        let mut blob = destination.new_blob(&digest, length)?;
                        blob.write(&bytes)?;
                        match blob.finish()? {
                            None => {
                                here.add(digest, length);
                                new_manifests += 1;
                                new_bytes += length;
                            }
                            Some(found) => {
                                tracing::warn!(%repository, %digest, %found, "the bytes of a manifest have another digest; the backup does not have it");
                            }
                        }
                    }
                }
                Record::Link { repository, digest, size } => {
                    if let Some(known) = wanted.get_mut(&digest) {
                        if known.repositories.len() < SOURCES {
                            known.repositories.push(repository);
                        }
                    } else if here.size_of(&digest)? != Some(size) {
                        wanted.insert(digest, Wanted { digest, size, repositories: vec![repository] });
                    }
                }
                Record::Repository { .. }
                | Record::Tag { .. }
                | Record::Import { .. }
                | Record::ManifestDeleted { .. }
                | Record::LinkDeleted { .. }
                | Record::TagDeleted { .. } => {}
            }
            Ok(())
        })?;
        let mut wanted: Vec<Wanted> = wanted.into_values().collect();
        wanted.sort_unstable_by_key(|blob| blob.digest);
        Ok(Self { records, wanted, new_manifests, new_bytes })
    }

    /// Writes the snapshot: the records whose bytes the destination has. The snapshot exists when this returns, and not
    /// before. `None`, without a snapshot, if `may_exist` says so of the moment before. Blocking.
    pub(crate) fn write(
        &mut self,
        destination: &Destination,
        time: Time,
        base: Summary,
        may_exist: impl FnOnce() -> bool,
    ) -> Result<Option<Summary>> {
        let (mut blobs, mut lacking) = (HashMap::<Digest, u64>::new(), HashSet::<Digest>::new());
        // The last look at each file: a snapshot names no blob that is not here.
        let (mut summary, here) = (base, destination.inventory()?);
        each(&mut self.records, |record| {
            match &record {
                Record::Link { digest, size, .. } if !blobs.contains_key(digest) => {
                    if here.size_of(digest)? == Some(*size) {
                        blobs.insert(*digest, *size);
                    } else {
                        lacking.insert(*digest);
                    }
                }
                Record::Manifest { digest, bytes, .. }
                    if here.size_of(digest)? != Some(bytes.len() as u64) =>
                {
                    lacking.insert(*digest);
                }
                _ => {}
            }
            if !is_lacking(&record, &lacking) {
                summary.records += 1;
                match record {
                    Record::Repository { .. } => summary.repositories += 1,
                    Record::Manifest { .. } => summary.manifests += 1,
                    Record::Tag { .. } => summary.tags += 1,
                    _ => {}
                }
            }
            Ok(())
        })?;
        (summary.blobs, summary.bytes) = (blobs.len() as u64, blobs.values().sum());
        summary.lacks = lacking.len() as u64;
        drop(blobs);
        destination.sync_blobs()?;
        let mut writer = Writer::begin(destination, time, &summary)?;
        each(
            &mut self.records,
            |record| {
                if is_lacking(&record, &lacking) { Ok(()) } else { writer.write(record) }
            },
        )?;
        if !may_exist() {
            return Ok(None);
        }
        writer.finish(destination, time)?;
        Ok(Some(summary))
    }
}

fn is_lacking(record: &Record, lacking: &HashSet<Digest>) -> bool {
    match record {
        Record::Link { digest, .. } | Record::Manifest { digest, .. } => lacking.contains(digest),
        _ => false,
    }
}

/// Gives `each` every record in the file.
fn each(records: &mut File, mut each: impl FnMut(Record) -> Result<()>) -> Result<()> {
    let unread = |reason: String| Error::Source(format!("cannot read the registry's records: {reason}"));
    records.seek(SeekFrom::Start(0)).map_err(|error| unread(error.to_string()))?;
    for line in Lines::new(BufReader::with_capacity(256 << 10, records)) {
        let line = line.map_err(|error| unread(error.to_string()))?;
        each(line.map_err(|line| unread(format!("byte {}: {}", line.offset, line.reason)))?)?;
    }
    Ok(())
}
