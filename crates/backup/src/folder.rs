//! A folder of this machine as the place of backups.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::store::{Found, Growing, Listing, Store, When};

/// The folder of files that grow.
const TMP: &str = "tmp";

/// A folder of this machine.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// The folder at this path, which may not exist yet.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn tmp(&self) -> io::Result<PathBuf> {
        let folder = self.at(TMP);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }
}

impl Store for Folder {
    fn place(&self) -> String {
        self.root.display().to_string()
    }

    fn make(&self) -> io::Result<()> {
        fs::create_dir_all(&self.root)
    }

    fn is_empty(&self) -> io::Result<bool> {
        for entry in fs::read_dir(&self.root)? {
            let name = entry?.file_name();
            // The folder of a file system's root has the first from the beginning.
            if name != "lost+found" && name != TMP {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_remote(&self) -> bool {
        false
    }

    fn size(&self, name: &str) -> io::Result<Option<u64>> {
        match fs::metadata(self.at(name)) {
            Ok(found) => Ok(found.is_file().then_some(found.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(File::open(self.at(name))?))
    }

    fn local(&self, name: &str) -> io::Result<Option<File>> {
        File::open(self.at(name)).map(Some)
    }

    fn list(&self, folder: &str) -> io::Result<Listing<'_>> {
        let folders = vec![self.at(folder)];
        Ok(Box::new(Walk { root: &self.root, folders, here: None }))
    }

    fn begin(&self, name: &str, _: Option<u64>) -> io::Result<Box<dyn Growing>> {
        let file = NamedTempFile::new_in(self.tmp()?)?;
        Ok(Box::new(GrowingFile { file, path: self.at(name) }))
    }

    fn remove(&self, names: &[String]) -> io::Result<()> {
        names.iter().try_for_each(|name| match fs::remove_file(self.at(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let to = self.at(to);
        to.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::rename(self.at(from), to)
    }

    fn sync(&self, folder: &str) -> io::Result<()> {
        let mut folders = if folder.is_empty() { Vec::new() } else { vec![self.at(folder)] };
        while let Some(folder) = folders.pop() {
            let entries = match fs::read_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                entries => entries?,
            };
            for entry in entries {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    folders.push(entry.path());
                }
            }
            sync_folder(&folder)?;
        }
        sync_folder(&self.root)
    }

    fn scratch(&self) -> io::Result<File> {
        tempfile::tempfile_in(self.tmp()?)
    }

    fn clear_unfinished(&self) -> io::Result<()> {
        let all: Vec<String> =
            self.list(TMP)?.map(|found| found.map(|found| found.name)).collect::<io::Result<_>>()?;
        self.remove(&all)
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// A walk through all files below some folders.
struct Walk<'a> {
    root: &'a Path,
    folders: Vec<PathBuf>,
    here: Option<fs::ReadDir>,
}

impl Walk<'_> {
    fn step(&mut self) -> io::Result<Option<Found>> {
        loop {
            let Some(here) = &mut self.here else {
                let Some(folder) = self.folders.pop() else { return Ok(None) };
                match fs::read_dir(folder) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    entries => self.here = Some(entries?),
                }
                continue;
            };
            let Some(entry) = here.next().transpose()? else {
                self.here = None;
                continue;
            };
            let path = entry.path();
            let found = match entry.metadata() {
                // Another run has removed it meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                found => found?,
            };
            if found.is_dir() {
                self.folders.push(path);
            } else if let Ok(name) = path.strip_prefix(self.root) {
                let name = name.to_string_lossy().into_owned();
                return Ok(Some(Found { name, size: found.len() }));
            }
        }
    }
}

impl Iterator for Walk<'_> {
    type Item = io::Result<Found>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

/// A file of the folder that grows.
struct GrowingFile {
    file: NamedTempFile,
    path: PathBuf,
}

impl Write for GrowingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Growing for GrowingFile {
    fn publish(self: Box<Self>, when: When) -> io::Result<()> {
        self.path.parent().map_or(Ok(()), fs::create_dir_all)?;
        self.file.as_file().sync_all()?;
        match when {
            When::Always => self.file.persist(&self.path),
            When::Absent => self.file.persist_noclobber(&self.path),
        }
        .map(drop)
        .map_err(|error| error.error)
    }
}
