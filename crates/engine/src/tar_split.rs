//! Rebuilds the exact tar archive of a layer from its tar-split file and the files in the layer's folder.
//!
//! A tar-split file (github.com/vbatts/tar-split) has one JSON object a line: bytes of the archive that belong to no file
//! (headers, padding), and between them the names and sizes of the files whose content comes from the folder. Engines write
//! it when they unpack a layer, because unpacking loses the order of the files, the form of the headers and the padding.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

/// The most bytes of a line. The longest lines have a mebibyte of padding at the end of an archive, in base64.
const LINE: u64 = 16 << 20;

/// Bytes that are copied at once.
const PIECE: usize = 128 << 10;

/// The number of a line with a file.
const FILE: u8 = 1;
/// The number of a line with bytes of the archive.
const SEGMENT: u8 = 2;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: u8,
    name: Option<String>,
    /// The name in base64, if it is not UTF-8.
    name_raw: Option<&'a str>,
    size: Option<u64>,
    /// The bytes of a segment in base64; of a file its CRC, which is not needed beside the digest of the whole archive.
    payload: Option<&'a str>,
}

/// A part of the archive.
enum Part {
    Bytes(Vec<u8>),
    File { name: PathBuf, size: u64 },
}

/// The parts of an archive, in order.
struct Parts<R> {
    lines: BufReader<R>,
    line: Vec<u8>,
}

impl<R: Read> Parts<R> {
    fn of(tar_split: R) -> Self {
        Self { lines: BufReader::with_capacity(PIECE, tar_split), line: Vec::new() }
    }

    fn next(&mut self) -> io::Result<Option<Part>> {
        self.line.clear();
        let read = (&mut self.lines).take(LINE).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        if read as u64 == LINE {
            return Err(invalid("a line of the tar-split file is too long"));
        }
        let line: Line<'_> =
            serde_json::from_slice(&self.line).map_err(|error| invalid(error.to_string()))?;
        let decoded = |text: &str| BASE64_STANDARD.decode(text).map_err(|error| invalid(error.to_string()));
        match line.kind {
            SEGMENT => Ok(Some(Part::Bytes(decoded(line.payload.unwrap_or_default())?))),
            FILE => {
                let name = match (line.name, line.name_raw) {
                    (_, Some(raw)) => path(decoded(raw)?)?,
                    (Some(name), None) => name.into(),
                    (None, None) => return Err(invalid("a file has no name")),
                };
                Ok(Some(Part::File { name, size: line.size.unwrap_or(0) }))
            }
            other => Err(invalid(format!("unknown type {other} in the tar-split file"))),
        }
    }
}

fn invalid(reason: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.into())
}

#[cfg(unix)]
#[allow(clippy::unnecessary_wraps, reason = "on other systems a name may not be a path")]
fn path(name: Vec<u8>) -> io::Result<PathBuf> {
    use std::os::unix::ffi::OsStringExt as _;
    Ok(std::ffi::OsString::from_vec(name).into())
}

#[cfg(not(unix))]
fn path(name: Vec<u8>) -> io::Result<PathBuf> {
    String::from_utf8(name).map(PathBuf::from).map_err(|error| invalid(error.to_string()))
}

/// The size of the archive, in bytes, without reading a file.
pub(crate) fn size(tar_split: impl Read) -> io::Result<u64> {
    let (mut parts, mut size) = (Parts::of(tar_split), 0);
    while let Some(part) = parts.next()? {
        size += match part {
            Part::Bytes(bytes) => bytes.len() as u64,
            Part::File { size, .. } => size,
        };
    }
    Ok(size)
}

/// Writes the archive. `open` opens a file of the layer's folder. The caller compares the digest.
pub(crate) fn write<F: Read>(
    tar_split: impl Read,
    mut open: impl FnMut(&Path) -> io::Result<F>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (mut parts, mut piece) = (Parts::of(tar_split), vec![0; PIECE]);
    while let Some(part) = parts.next()? {
        match part {
            Part::Bytes(bytes) => out.write_all(&bytes)?,
            // An empty file need not exist: the archive's marks of removed files are such, and devices in the folder.
            Part::File { size: 0, .. } => {}
            Part::File { name, size } => {
                let about = |error: io::Error| {
                    io::Error::new(error.kind(), format!("cannot read {}: {error}", name.display()))
                };
                let mut content = open(&name).map_err(about)?.take(size);
                let mut missing = size;
                loop {
                    let read = content.read(&mut piece).map_err(about)?;
                    if read == 0 {
                        break;
                    }
                    missing -= read as u64;
                    out.write_all(&piece[..read])?;
                }
                if missing > 0 {
                    return Err(invalid(format!("{} is {missing} bytes too short", name.display())));
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::sample::{Entry, split, tar};

    fn rebuilt(archive: &[u8]) -> Vec<u8> {
        let (lines, files) = split(archive);
        let files: HashMap<PathBuf, Vec<u8>> = files.into_iter().collect();
        assert_eq!(size(&*lines).unwrap(), archive.len() as u64);
        let mut out = Vec::new();
        let open = |name: &Path| {
            files.get(name).cloned().map(io::Cursor::new).ok_or_else(|| io::ErrorKind::NotFound.into())
        };
        write(&*lines, open, &mut out).unwrap();
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn an_archive_is_rebuilt_byte_for_byte(
            entries in proptest::collection::vec(("[a-z]{1,40}(/[a-z]{1,90}){0,2}", 0_usize..5000, any::<u8>()), 0..12),
            padding in 0_usize..3,
        ) {
            let entries: Vec<Entry> = entries
                .into_iter()
                .map(|(name, size, byte)| Entry { name, content: vec![byte; size] })
                .collect();
            let mut archive = tar(&entries);
            archive.extend(vec![0; padding * 10_240]);
            prop_assert_eq!(rebuilt(&archive), archive);
        }
    }

    #[test]
    fn a_name_that_is_not_utf8_is_in_name_raw() {
        let line = br#"{"type":1,"name_raw":"/2E=","size":1,"payload":""}"#;
        let mut seen = Vec::new();
        let open = |name: &Path| {
            seen.push(name.to_owned());
            Ok(io::Cursor::new(b"x"))
        };
        write(&line[..], open, &mut Vec::new()).unwrap();
        assert_eq!(seen, [path(vec![0xff, b'a']).unwrap()]);
    }

    #[test]
    fn a_short_file_and_a_broken_line_are_errors() {
        let short = br#"{"type":1,"name":"a","size":3,"payload":""}"#;
        let error = write(&short[..], |_| Ok(io::Cursor::new(b"x")), &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "a is 2 bytes too short");
        for line in [&b"{"[..], br#"{"type":7}"#, br#"{"type":2,"payload":"%"}"#, br#"{"type":1}"#] {
            assert!(write(line, |_| Ok(io::Cursor::new(b"")), &mut Vec::new()).is_err());
        }
    }
}
