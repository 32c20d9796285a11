//! Records as lines of text: `<checksum> <JSON>`, so that a reader finds a line that is torn or damaged, and goes on
//! behind it.

use std::io::{self, BufRead, Read};

use crate::Record;

/// The longest line, in bytes: that of the largest manifest that a registry may allow (64 MiB), if JSON escapes each of its
/// bytes by six. A longer one is damaged.
const LONGEST: u64 = 385 << 20;

/// The length of a checksum: eight hexadecimal digits.
const CHECKSUM: usize = 8;

/// Appends the record's line to `lines`.
pub fn write_line(record: &Record, lines: &mut Vec<u8>) -> io::Result<()> {
    let start = lines.len();
    lines.extend_from_slice(b"00000000 ");
    if let Err(error) = serde_json::to_writer(&mut *lines, record) {
        lines.truncate(start);
        return Err(error.into());
    }
    let checksum = format!("{:08x}", checksum(&lines[start + CHECKSUM + 1..]));
    lines[start..start + CHECKSUM].copy_from_slice(checksum.as_bytes());
    lines.push(b'\n');
    Ok(())
}

/// A line that is no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedLine {
    /// Where the line begins, in bytes from the start.
    pub offset: u64,
    /// What is wrong with the line.
    pub reason: String,
}

/// Reads lines. An error ends the reading; a damaged line does not.
#[derive(Debug)]
pub struct Lines<R> {
    reader: R,
    offset: u64,
    line: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    /// The lines that `reader` has from here on.
    pub fn new(reader: R) -> Self {
        Self { reader, offset: 0, line: Vec::new() }
    }

    /// Reads the next line without its end. `None` behind the last line.
    fn next_line(&mut self) -> io::Result<Option<Result<Record, DamagedLine>>> {
        self.line.clear();
        let offset = self.offset;
        let damaged = |reason: String| Ok(Some(Err(DamagedLine { offset, reason })));
        let read = self.reader.by_ref().take(LONGEST).read_until(b'\n', &mut self.line)?;
        self.offset += read as u64;
        match self.line.pop() {
            None => Ok(None),
            Some(b'\n') => match parse(&self.line) {
                Ok(record) => Ok(Some(Ok(record))),
                Err(reason) => damaged(reason),
            },
            Some(_) if read as u64 == LONGEST => {
                self.offset += self.reader.skip_until(b'\n')? as u64;
                damaged("it is too long".to_owned())
            }
            Some(_) => damaged("it ends early".to_owned()),
        }
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = io::Result<Result<Record, DamagedLine>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_line().transpose()
    }
}

fn parse(line: &[u8]) -> Result<Record, String> {
    let split = line.split_at_checked(CHECKSUM).and_then(|(stated, rest)| {
        let stated = std::str::from_utf8(stated).ok().filter(|stated| !stated.starts_with('+'))?;
        Some((u32::from_str_radix(stated, 16).ok()?, rest.strip_prefix(b" ")?))
    });
    let Some((stated, json)) = split else { return Err("it does not begin with a checksum".to_owned()) };
    if checksum(json) != stated {
        return Err("it has another checksum than it states".to_owned());
    }
    serde_json::from_slice(json).map_err(|error| format!("this version of hythe does not know it: {error}"))
}

/// The CRC-32C of the bytes.
fn checksum(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| TABLE[usize::from(crc as u8 ^ byte)] ^ (crc >> 8);
    !bytes.iter().fold(!0, step)
}

static TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < table.len() {
        let (mut crc, mut bit) = (byte as u32, 0);
        while bit < 8 {
            // Castagnoli's polynomial, with its bits reversed.
            crc = if crc & 1 == 1 { 0x82f6_3b78 ^ (crc >> 1) } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(name: &str) -> Record {
        Record::Import { source: name.to_owned(), finished: 7 }
    }

    fn written(records: &[Record]) -> Vec<u8> {
        let mut lines = Vec::new();
        for record in records {
            write_line(record, &mut lines).unwrap();
        }
        lines
    }

    fn read(lines: &[u8]) -> Vec<Result<Record, u64>> {
        Lines::new(lines).map(|line| line.unwrap().map_err(|damaged| damaged.offset)).collect()
    }

    #[test]
    fn the_checksum_is_crc_32c() {
        assert_eq!(checksum(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn what_was_written_is_read() {
        let manifest = Record::Manifest {
            repository: "a/b".parse().unwrap(),
            origin: Origin::Local,
            private: false,
            digest: format!("sha256:{}", "a".repeat(64)).parse().unwrap(),
            media_type: "text".to_owned(),
            pushed: 1,
            bytes: "{\n  \"a\": \"\u{e4}\\n\"\r\n}".into(),
        };
        let records = [manifest, tag("a")];
        assert_eq!(read(&written(&records)), records.map(Ok));
    }

    use crate::Origin;

    #[test]
    fn each_damaged_byte_costs_its_line_and_no_other() {
        let lines = written(&[tag("a"), tag("b"), tag("c")]);
        let (first, third) = (lines.len() / 3, lines.len() / 3 * 2);
        for at in first..third - 1 {
            let mut damaged = lines.clone();
            damaged[at] ^= 0x04;
            let found = read(&damaged);
            assert_eq!(
                (found.first(), found.last()),
                (Some(&Ok(tag("a"))), Some(&Ok(tag("c")))),
                "byte {at}"
            );
            assert!(found[1..found.len() - 1].iter().all(Result::is_err), "byte {at}");
        }
    }

    #[test]
    fn a_torn_line_is_damaged_and_the_ones_before_it_are_read() {
        let lines = written(&[tag("a"), tag("b")]);
        for end in lines.len() / 2 + 1..lines.len() {
            assert_eq!(read(&lines[..end]), [Ok(tag("a")), Err(lines.len() as u64 / 2)], "{end} bytes");
        }
    }
}
