//! What a destination needs of the place that its files are in: a folder, or a bucket of an object store.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};

/// A file of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name: a path with slashes, relative to the store.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
}

/// The files below a folder of a store, in any order.
pub type Listing<'a> = Box<dyn Iterator<Item = io::Result<Found>> + 'a>;

/// When a file gets a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// In any case, in the place of an older file.
    Always,
    /// If no file has the name; otherwise the error is [`AlreadyExists`](io::ErrorKind::AlreadyExists).
    Absent,
}

/// A place for files. Its methods block. A file that does not exist is the error [`NotFound`](io::ErrorKind::NotFound),
/// unless the method says otherwise. All see the effects of earlier calls, also of other processes.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// The place as users write it: a path or a URL.
    fn place(&self) -> String;

    /// Makes the place usable, if that is possible.
    fn make(&self) -> io::Result<()>;

    /// Whether the place has no file, apart from unfinished ones.
    fn is_empty(&self) -> io::Result<bool>;

    /// Whether the place is at the other end of a network, so that one listing costs less than a question for each file.
    fn is_remote(&self) -> bool;

    /// The size of a file; `None` if it does not exist.
    fn size(&self, name: &str) -> io::Result<Option<u64>>;

    /// Opens a file to read its bytes.
    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>>;

    /// The file itself, if it is one of this machine.
    fn local(&self, name: &str) -> io::Result<Option<File>>;

    /// All files below a folder; none if the folder does not exist.
    fn list(&self, folder: &str) -> io::Result<Listing<'_>>;

    /// Begins a file that is to get this name, of this size if it is known.
    fn begin(&self, name: &str, size: Option<u64>) -> io::Result<Box<dyn Growing>>;

    /// Removes files, if they exist.
    fn remove(&self, names: &[String]) -> io::Result<()>;

    /// Gives a file another name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Makes the names of all files below a folder durable; their bytes are already. An empty name means the files beside the
    /// folders.
    fn sync(&self, folder: &str) -> io::Result<()>;

    /// A file of this machine without a name.
    fn scratch(&self) -> io::Result<File>;

    /// Removes the unfinished files that killed runs left. No other run may be in progress.
    fn clear_unfinished(&self) -> io::Result<()>;
}

/// A file that grows. It vanishes unless it gets a name.
pub trait Growing: Write + Send {
    /// Gives the file its name, once its bytes are durable.
    fn publish(self: Box<Self>, when: When) -> io::Result<()>;
}
