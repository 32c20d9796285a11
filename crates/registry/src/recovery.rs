//! Builds the catalog of a registry that lost its own from the journal and the blobs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use hythe_catalog::{DamagedLine, Lines, Rebuilt};
use hythe_storage::{Segment, SegmentKind, Storage};
use tokio::task::spawn_blocking;

use crate::joined::joined;
use crate::rebuild::{Rebuilding, Unusable};
use crate::{Error, Result};

/// The most damaged lines that are named.
const NAMED: usize = 100;

/// What was built from the journal and the blobs.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// What the catalog holds.
    pub rebuilt: Rebuilt,
    /// How many records the journal had.
    pub records: u64,
    /// How many of its lines were damaged.
    pub damaged: u64,
    /// The first of these lines.
    pub damages: Vec<JournalDamage>,
    /// Manifests whose records cannot be used.
    pub unusable: Vec<Unusable>,
}

/// A line of the journal that cannot be read, or a segment that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalDamage {
    /// The number of the segment.
    pub segment: u64,
    /// Whether the segment is the base.
    pub is_base: bool,
    /// Where the line begins, in bytes.
    pub offset: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// Whether the storage's journal has any record.
pub fn has_journal(storage: &dyn Storage) -> Result<bool> {
    let Some(log) = storage.log() else { return Ok(false) };
    Ok(log.segments()?.iter().any(|segment| segment.size > 0))
}

/// Builds a catalog in the file at `path` from the storage's journal and blobs. Its content counts as used at `now`.
pub async fn recover_catalog(storage: Arc<dyn Storage>, path: PathBuf, now: SystemTime) -> Result<Recovered> {
    let building = build(storage, &path, now).await;
    if building.is_err() {
        // A part of a catalog is of no use. If it stays, the next build replaces it.
        let _ = std::fs::remove_file(&path);
    }
    building
}

async fn build(storage: Arc<dyn Storage>, path: &Path, now: SystemTime) -> Result<Recovered> {
    let Some(log) = storage.log() else {
        return Err(Error::Internal("this storage has no journal".to_owned()));
    };
    let mut rebuilding = Rebuilding::begin(&*storage, path, now).await?;
    let replaying = move || {
        let mut recovered = Recovered::default();
        let segments = log.segments()?;
        note_gaps(&segments, &mut recovered);
        for segment in segments {
            let lines = Lines::new(log.read(&segment)?);
            recovered.records += rebuilding.apply_all(lines, |line| {
                note(&segment, line, &mut recovered.damages, &mut recovered.damaged);
            })?;
        }
        recovered.records -= recovered.damaged.min(recovered.records);
        recovered.unusable = rebuilding.unusable().to_vec();
        // Some records are lost, among them perhaps those of links.
        let heal = recovered.damaged > 0;
        recovered.rebuilt = rebuilding.finish(heal)?;
        Ok(recovered)
    };
    joined(spawn_blocking(replaying)).await?
}

fn note(segment: &Segment, line: DamagedLine, named: &mut Vec<JournalDamage>, damaged: &mut u64) {
    *damaged += 1;
    if named.len() < NAMED {
        let DamagedLine { offset, reason } = line;
        named.push(JournalDamage { segment: segment.number, is_base: segment.is_base(), offset, reason });
    }
}

/// Notes the segments that should be there and are not.
fn note_gaps(segments: &[Segment], recovered: &mut Recovered) {
    let missing = |segment, is_base, recovered: &mut Recovered| {
        recovered.damaged += 1;
        let reason = "the segment is missing".to_owned();
        recovered.damages.push(JournalDamage { segment, is_base, offset: 0, reason });
    };
    let Some(first) = segments.first() else { return };
    if !first.is_base() {
        missing(first.number, true, recovered);
    }
    let mut next = first.number;
    for segment in segments.iter().filter(|segment| segment.kind == SegmentKind::Appended) {
        for number in (next..segment.number).take(NAMED) {
            missing(number, false, recovered);
        }
        next = segment.number + 1;
    }
    // A base is always followed by the segment of its number.
    if segments.len() == 1 && first.is_base() {
        missing(first.number, false, recovered);
    }
}
