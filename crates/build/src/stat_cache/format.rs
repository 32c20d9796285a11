//! The file of a cache: a first line, a SHA-256 of the rest, and entries one behind the other.

use hythe_oci::{Algorithm, Digest};

use super::{Kept, Known};
use crate::context::Stat;

/// The first line. Another layout has another number.
const FIRST_LINE: &[u8] = b"hythe stat cache 1\n";

const HASH: usize = 32;

pub(super) fn write(known: &Known) -> Vec<u8> {
    let mut body = Vec::new();
    for (root, files) in known {
        write_bytes(&mut body, root);
        body.extend((files.len() as u64).to_le_bytes());
        for (path, Kept { stat, hash, unused }) in files {
            write_bytes(&mut body, path);
            body.extend(stat.size.to_le_bytes());
            body.extend(stat.modified.to_le_bytes());
            body.extend(stat.changed.to_le_bytes());
            body.extend(stat.inode.to_le_bytes());
            body.extend(stat.device.to_le_bytes());
            body.extend(hash.as_bytes());
            body.push(*unused);
        }
    }
    [FIRST_LINE, Digest::of(Algorithm::Sha256, &body).as_bytes(), &body].concat()
}

fn write_bytes(body: &mut Vec<u8>, bytes: &[u8]) {
    body.extend((bytes.len() as u64).to_le_bytes());
    body.extend(bytes);
}

/// Reads a cache; `None` if it is not whole.
pub(super) fn read(bytes: &[u8]) -> Option<Known> {
    let (hash, mut body) = bytes.strip_prefix(FIRST_LINE)?.split_at_checked(HASH)?;
    if Digest::of(Algorithm::Sha256, body).as_bytes() != hash {
        return None;
    }
    let mut known = Known::new();
    while !body.is_empty() {
        let root = take_bytes(&mut body)?.to_vec();
        let count = u64::from_le_bytes(take(&mut body)?);
        let files = known.entry(root).or_default();
        for _ in 0..count {
            let path = take_bytes(&mut body)?.to_vec();
            let stat = Stat {
                size: u64::from_le_bytes(take(&mut body)?),
                modified: i128::from_le_bytes(take(&mut body)?),
                changed: i128::from_le_bytes(take(&mut body)?),
                inode: u64::from_le_bytes(take(&mut body)?),
                device: u64::from_le_bytes(take(&mut body)?),
            };
            let hash = Digest::from_hash(Algorithm::Sha256, &take::<HASH>(&mut body)?)?;
            let [unused] = take(&mut body)?;
            files.insert(path, Kept { stat, hash, unused });
        }
    }
    Some(known)
}

fn take<const N: usize>(body: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = body.split_first_chunk()?;
    *body = rest;
    Some(*taken)
}

fn take_bytes<'a>(body: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(u64::from_le_bytes(take(body)?)).ok()?;
    let (taken, rest) = body.split_at_checked(length)?;
    *body = rest;
    Some(taken)
}
