//! Verifies a folder of backups: every byte of every blob, and that each snapshot finds all that it names.

use std::collections::HashMap;
use std::io::Read as _;

use hythe_oci::{Digest, HashState};
use hythe_registry::Record;

use crate::running::{Kind, running};
use crate::{Destination, Error, PIECE, Progress, Records, Result, Time};

/// The most findings that the result names.
const NAMED: usize = 1000;

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Snapshots that were read.
    pub snapshots: u64,
    /// Blobs and manifests that were read and hashed.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that no snapshot needs: a backup is in progress or was interrupted, a snapshot was pruned, or a blob set aside.
    pub unlisted: u64,
    /// Their bytes.
    pub unlisted_bytes: u64,
    /// How many backups are in progress: they may need some of these files.
    pub backups: usize,
    /// How many findings there are.
    pub bad_count: u64,
    /// The findings, at most a thousand.
    pub bad: Vec<Bad>,
}

/// Something that is bad.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// The blob or manifest; `None` if a snapshot itself is damaged.
    pub digest: Option<Digest>,
    /// What is wrong.
    pub flaw: String,
    /// The newest snapshot that needs it, and a repository in it.
    pub needed_by: Option<(Time, String)>,
}

struct Needed {
    /// The size, if the record has it.
    size: Option<u64>,
    by: (Time, String),
}

/// Verifies everything. Sets blobs with wrong bytes aside, so that the next backup copies them again. Blocking.
pub fn verify(destination: &Destination, progress: &Progress) -> Result<Verified> {
    let mut verified = Verified::default();
    let mut needed: HashMap<Digest, Needed> = HashMap::new();
    for time in destination.snapshots()? {
        verified.snapshots += 1;
        if let Err(error) = need(destination, time, &mut needed) {
            match error {
                Error::Snapshot { reason, .. } => {
                    verified.find(Bad { digest: None, flaw: reason, needed_by: Some((time, String::new())) });
                }
                error => return Err(error),
            }
        }
    }
    let (mut blobs, mut bytes) = (0, 0);
    destination.each_blob(|_, size| {
        blobs += 1;
        bytes += size;
        Ok(())
    })?;
    progress.begin(blobs, bytes);
    destination.each_blob(|digest, size| {
        let found = hash(destination, &digest, progress)?;
        progress.add_blob();
        verified.blobs += 1;
        verified.bytes += size;
        let need = needed.remove(&digest);
        if need.is_none() && found == digest {
            verified.unlisted += 1;
            verified.unlisted_bytes += size;
        }
        if found != digest {
            destination.set_aside(&digest)?;
            let flaw = format!("its bytes have the digest {found}");
            verified.find(Bad { digest: Some(digest), flaw, needed_by: need.map(|need| need.by) });
        } else if let Some(need) = need.filter(|need| need.size.is_some_and(|needed| needed != size)) {
            let flaw = format!("it has {size} bytes");
            verified.find(Bad { digest: Some(digest), flaw, needed_by: Some(need.by) });
        }
        Ok(())
    })?;
    destination.each_unneeded(
        |_| true,
        |other| {
            verified.unlisted += 1;
            verified.unlisted_bytes += other.size;
            Ok(())
        },
    )?;
    verified.backups = running(destination, Kind::Backup)?;
    let mut missing: Vec<_> = needed.into_iter().collect();
    missing.sort_unstable_by_key(|(digest, _)| *digest);
    for (digest, need) in missing {
        let flaw = "it is missing".to_owned();
        verified.find(Bad { digest: Some(digest), flaw, needed_by: Some(need.by) });
    }
    Ok(verified)
}

impl Verified {
    fn find(&mut self, bad: Bad) {
        self.bad_count += 1;
        if self.bad.len() < NAMED {
            self.bad.push(bad);
        }
    }
}

fn need(destination: &Destination, time: Time, needed: &mut HashMap<Digest, Needed>) -> Result<()> {
    for record in Records::open(destination, time)? {
        let (repository, digest, size) = match record? {
            Record::Manifest { repository, digest, .. } => (repository, digest, None),
            Record::Link { repository, digest, size } => (repository, digest, Some(size)),
            _ => continue,
        };
        needed.insert(digest, Needed { size, by: (time, repository.to_string()) });
    }
    Ok(())
}

fn hash(destination: &Destination, digest: &Digest, progress: &Progress) -> Result<Digest> {
    let mut file = destination.open_blob(digest)?;
    let (mut hash, mut piece) = (HashState::new(digest.algorithm()), vec![0; PIECE]);
    loop {
        let length = file.read(&mut piece).map_err(Error::file("read a blob in", destination.path()))?;
        if length == 0 {
            return Ok(hash.finish());
        }
        hash.update(&piece[..length]);
        progress.add_bytes(length as u64);
    }
}
