//! The log in the data folder: a file for each segment.
//!
//! ```text
//! journal/<number, 8 digits>.log       a segment that was appended to
//! journal/<number, 8 digits>.base      a base; the segment with the same number is behind it
//! journal/<number, 8 digits>.base.new  a base that is being written, or that a kill left
//! ```

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{remove_if_there, sync_folder};
use crate::log::newest;
use crate::{Base, Error, Log, Result, Segment, SegmentKind};

#[derive(Debug)]
pub(super) struct FsLog {
    root: PathBuf,
    folder: PathBuf,
    open: Mutex<Option<Open>>,
    /// The segments before the open one that are not synced since they were appended to.
    unsynced: Mutex<Vec<(Arc<File>, PathBuf)>>,
}

/// The segment that is appended to.
#[derive(Debug)]
struct Open {
    file: Arc<File>,
    path: PathBuf,
    number: u64,
    size: u64,
    /// Whether the file ends within a line.
    is_torn: bool,
}

impl FsLog {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            folder: root.join("journal"),
            open: Mutex::default(),
            unsynced: Mutex::default(),
        }
    }

    fn path(&self, number: u64, kind: SegmentKind) -> PathBuf {
        let end = if kind == SegmentKind::Base { "base" } else { "log" };
        self.folder.join(format!("{number:08}.{end}"))
    }

    fn list(&self) -> Result<Vec<Segment>> {
        list(&self.folder).map_err(|error| Error::io("cannot list", &self.folder, error))
    }

    /// Opens the newest segment, or begins the one behind the newest base.
    fn open_newest(&self) -> Result<Open> {
        let segments = self.list()?;
        let number = segments.iter().map(|segment| segment.number).max().unwrap_or(1);
        self.open_segment(number)
    }

    fn open_segment(&self, number: u64) -> Result<Open> {
        let path = self.path(number, SegmentKind::Appended);
        let failed = |error| Error::io("cannot open", &path, error);
        let is_new = !path.is_file();
        if is_new && !self.folder.is_dir() {
            fs::create_dir(&self.folder)
                .map_err(|error| Error::io("cannot create folder", &self.folder, error))?;
            sync_folder(&self.root)?;
        }
        let mut file = File::options().read(true).append(true).create(true).open(&path).map_err(failed)?;
        if is_new {
            sync_folder(&self.folder)?;
        }
        let size = file.metadata().map_err(failed)?.len();
        let mut last = [b'\n'];
        if size > 0 {
            file.seek(SeekFrom::Start(size - 1)).and_then(|_| file.read_exact(&mut last)).map_err(failed)?;
        }
        Ok(Open { file: Arc::new(file), path, number, size, is_torn: last != *b"\n" })
    }
}

impl Open {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.is_torn {
            (&*self.file).write_all(b"\n")?;
            self.is_torn = false;
            self.size += 1;
        }
        match (&*self.file).write_all(bytes) {
            Ok(()) => {
                self.size += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                self.is_torn = self.file.set_len(self.size).is_err();
                Err(error)
            }
        }
    }
}

impl Log for FsLog {
    fn append(&self, bytes: &[u8]) -> Result<()> {
        let mut open = self.open.lock();
        let segment = match &mut *open {
            Some(segment) => segment,
            none => none.insert(self.open_newest()?),
        };
        segment.append(bytes).map_err(|error| Error::io("cannot write", &segment.path, error))
    }

    fn sync(&self) -> Result<()> {
        let mut unsynced = self.unsynced.lock();
        while let Some((file, path)) = unsynced.last() {
            file.sync_data().map_err(|error| Error::io("cannot sync", path, error))?;
            unsynced.pop();
        }
        drop(unsynced);
        // The lock is not held during the sync, so that appends go on.
        let (file, path) = match &*self.open.lock() {
            Some(segment) => (Arc::clone(&segment.file), segment.path.clone()),
            None => return Ok(()),
        };
        let synced = file.sync_data().and_then(|()| match file.metadata()?.nlink() {
            // What is written to a removed file is lost.
            0 => Err(io::Error::new(io::ErrorKind::NotFound, "the file was removed")),
            _ => Ok(()),
        });
        synced.map_err(|error| Error::io("cannot sync", &path, error))
    }

    fn begin_base(&self) -> Result<Box<dyn Base>> {
        let mut open = self.open.lock();
        let newest = self.list()?.iter().map(|segment| segment.number).max();
        let newest = newest.max(open.as_ref().map(|segment| segment.number));
        let number = newest.map_or(1, |number| number + 1);
        let before = open.replace(self.open_segment(number)?);
        // If the base fails, the earlier segments are still needed.
        self.unsynced.lock().extend(before.map(|segment| (segment.file, segment.path)));
        drop(open);
        remove_left_bases(&self.folder).map_err(|error| Error::io("cannot clear", &self.folder, error))?;
        let path = self.path(number, SegmentKind::Base);
        let new = new_name(&path);
        let file = File::create(&new).map_err(|error| Error::io("cannot create", &new, error))?;
        Ok(Box::new(FsBase { file: BufWriter::new(file), new, path, number, is_finished: false }))
    }

    fn segments(&self) -> Result<Vec<Segment>> {
        Ok(newest(self.list()?))
    }

    fn read(&self, segment: &Segment) -> Result<Box<dyn BufRead + Send>> {
        let path = self.path(segment.number, segment.kind);
        let file = File::open(&path).map_err(|error| Error::io("cannot open", &path, error))?;
        Ok(Box::new(BufReader::with_capacity(256 << 10, file)))
    }
}

fn list(folder: &Path) -> io::Result<Vec<Segment>> {
    let mut segments = Vec::new();
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(segments),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let (number, kind) = match name.to_str().and_then(|name| name.split_once('.')) {
            Some((number, "log")) => (number, SegmentKind::Appended),
            Some((number, "base")) => (number, SegmentKind::Base),
            _ => continue,
        };
        let Ok(number) = number.parse() else { continue };
        match entry.metadata() {
            // A base that has just been replaced.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            found => segments.push(Segment { number, kind, size: found?.len() }),
        }
    }
    Ok(segments)
}

fn new_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

/// Removes the bases that a kill interrupted.
fn remove_left_bases(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "new") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

struct FsBase {
    file: BufWriter<File>,
    /// The name of the file until it is finished.
    new: PathBuf,
    path: PathBuf,
    number: u64,
    is_finished: bool,
}

impl Write for FsBase {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Base for FsBase {
    fn finish(mut self: Box<Self>) -> Result<()> {
        let synced = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        synced.map_err(|error| Error::io("cannot sync", &self.new, error))?;
        fs::rename(&self.new, &self.path)
            .map_err(|error| Error::io("cannot rename to", &self.path, error))?;
        self.is_finished = true;
        let folder = self.path.parent().unwrap_or(&self.path);
        sync_folder(folder)?;
        let segments = list(folder).map_err(|error| Error::io("cannot list", folder, error))?;
        for Segment { number, kind, .. } in segments.into_iter().filter(|old| old.number < self.number) {
            let end = if kind == SegmentKind::Base { "base" } else { "log" };
            remove_if_there(&folder.join(format!("{number:08}.{end}")))?;
        }
        Ok(())
    }
}

impl Drop for FsBase {
    fn drop(&mut self) {
        if !self.is_finished {
            // If that fails, the next base removes the file.
            let _ = fs::remove_file(&self.new);
        }
    }
}
