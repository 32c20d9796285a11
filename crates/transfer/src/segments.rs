//! One sequence of bytes in one file, or in several that follow each other, such as the chunks of a bundle.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use crate::store::Bytestream;

/// One sequence of bytes in one or several files.
#[derive(Clone, Debug)]
pub(crate) struct Segments {
    name: PathBuf,
    files: Arc<[Segment]>,
}

#[derive(Debug)]
struct Segment {
    path: PathBuf,
    /// The offset of its first byte in the sequence.
    start: u64,
    size: u64,
}

impl Segments {
    /// The bytes of these files, one after the other. `name` is the sequence's name for messages.
    pub(crate) fn new(name: &Path, files: &[PathBuf]) -> io::Result<Self> {
        let mut start = 0;
        let mut segments = Vec::with_capacity(files.len());
        for path in files {
            let size = std::fs::metadata(path)?.len();
            segments.push(Segment { path: path.clone(), start, size });
            start += size;
        }
        Ok(Self { name: name.to_owned(), files: segments.into() })
    }

    pub(crate) fn name(&self) -> &Path {
        &self.name
    }

    /// A reader at the first byte.
    pub(crate) fn reader(&self) -> SegmentsReader {
        SegmentsReader { segments: self.clone(), at: 0, open: None }
    }

    /// `size` bytes from an offset on.
    pub(crate) async fn stream(&self, offset: u64, size: u64) -> io::Result<Bytestream> {
        let end = offset.saturating_add(size);
        let mut stream: Option<Bytestream> = None;
        for segment in &*self.files {
            let (from, to) = (offset.max(segment.start), end.min(segment.start + segment.size));
            if from >= to {
                continue;
            }
            let mut file = tokio::fs::File::open(&segment.path).await?;
            file.seek(SeekFrom::Start(from - segment.start)).await?;
            let part = file.take(to - from);
            stream = Some(match stream {
                Some(before) => Box::pin(before.chain(part)),
                None => Box::pin(part),
            });
        }
        Ok(stream.unwrap_or_else(|| Box::pin(tokio::io::empty())))
    }
}

/// Reads a sequence of bytes.
#[derive(Debug)]
pub(crate) struct SegmentsReader {
    segments: Segments,
    at: u64,
    /// The file that was read last, with its number.
    open: Option<(usize, File)>,
}

impl Read for SegmentsReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let holds = |segment: &Segment| (segment.start..segment.start + segment.size).contains(&self.at);
        let Some(number) = self.segments.files.iter().position(holds) else { return Ok(0) };
        let segment = &self.segments.files[number];
        let mut file = match self.open.take() {
            Some((open, file)) if open == number => file,
            _ => File::open(&segment.path)?,
        };
        file.seek(SeekFrom::Start(self.at - segment.start))?;
        let left = usize::try_from(segment.start + segment.size - self.at).unwrap_or(usize::MAX);
        let most = buffer.len().min(left);
        let read = file.read(&mut buffer[..most])?;
        if read == 0 && most > 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("{} became shorter", segment.path.display()),
            ));
        }
        self.at += read as u64;
        self.open = Some((number, file));
        Ok(read)
    }
}

impl Seek for SegmentsReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let end = self.segments.files.last().map_or(0, |last| last.start + last.size);
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => end.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn several_files_read_as_one() {
        let folder = tempfile::tempdir().unwrap();
        let parts = ["abc", "", "defg", "h"];
        let files: Vec<PathBuf> =
            (0..parts.len()).map(|number| folder.path().join(number.to_string())).collect();
        for (file, part) in files.iter().zip(parts) {
            std::fs::write(file, part).unwrap();
        }
        let all = Segments::new(Path::new("x"), &files).unwrap();
        let mut text = String::new();
        all.reader().read_to_string(&mut text).unwrap();
        assert_eq!(text, "abcdefgh");
        for (from, size) in [(0, 8), (2, 2), (3, 4), (7, 9), (8, 1), (0, 0)] {
            let (mut streamed, mut read) = (String::new(), String::new());
            all.stream(from, size).await.unwrap().read_to_string(&mut streamed).await.unwrap();
            let mut reader = all.reader();
            reader.seek(SeekFrom::Start(from)).unwrap();
            reader.take(size).read_to_string(&mut read).unwrap();
            let expected: String = "abcdefgh".chars().skip(from as usize).take(size as usize).collect();
            assert_eq!((streamed, read), (expected.clone(), expected), "{from} {size}");
        }
    }
}
