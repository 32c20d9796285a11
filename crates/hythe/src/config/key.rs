//! One setting: its name, documentation, type and place in [`Settings`].

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hythe_backup::Keep;
use hythe_oci::Authority;
use hythe_registry::{Budget, DiskAmount};
use serde_json::Value;

use crate::settings::Settings;
use crate::values::Raw;
use crate::values::read::{
    additions, amount, backup_place, budget, choice, count, duration, file, keep, list, name, names, path,
    paths, plain, size, some, switch, texts,
};
use crate::values::{
    Addition, BackupPlace, Choice, HostName, Listen, Mirror, Origin, ValueError, show_amount, show_budget,
    show_duration, show_keep, show_size,
};

/// One setting. The file, variables, flags, `hythe config` and the documentation all use this definition.
pub struct Key {
    /// The name in the file, in messages and in the documentation. The name of the variable is made from it.
    pub name: &'static str,
    /// The documentation, in sentences.
    pub doc: &'static str,
    /// The type, and the place of the value.
    pub kind: Kind,
    /// The flag without its dashes, if the setting has a flag.
    pub flag: Option<&'static str>,
    /// Whether a running server applies a new value on SIGHUP.
    pub reload: bool,
}

/// The type of a setting, together with the place of its value, so that both always match.
#[derive(Debug)]
#[expect(missing_docs, reason = "each variant is named after its type")]
pub enum Kind {
    Listen(Slot<Vec<Listen>>),
    Folder(Slot<PathBuf>),
    File(Slot<Option<PathBuf>>),
    Files(Slot<Vec<PathBuf>>),
    Switch(Slot<bool>),
    Hosts(Slot<Vec<HostName>>),
    Origins(Slot<Vec<Origin>>),
    Additions(Slot<Vec<Addition>>),
    Names(Slot<Vec<Authority>>),
    Name(Slot<Option<Authority>>),
    Mirrors(Slot<Vec<Mirror>>),
    Duration(Slot<Duration>, Duration),
    Size(Slot<u64>, u64, u64),
    Count(Slot<u64>, u64, u64),
    Amount(Slot<DiskAmount>),
    Budget(Slot<Budget>),
    BackupPlace(Slot<Option<BackupPlace>>),
    Keep(Slot<Keep>),
    Text(Slot<String>, &'static str),
    Word(&'static dyn Word),
}

fn show_path(path: &Path) -> String {
    path.display().to_string()
}

/// The place of a value in [`Settings`].
#[derive(Debug)]
pub struct Slot<T> {
    pub(super) get: fn(&Settings) -> &T,
    pub(super) get_mut: fn(&mut Settings) -> &mut T,
}

impl<T: Clone> Slot<T> {
    fn put(&self, settings: &mut Settings, value: Result<T, ValueError>) -> Result<(), ValueError> {
        *(self.get_mut)(settings) = value?;
        Ok(())
    }

    fn copy(&self, from: &Settings, to: &mut Settings) {
        (self.get_mut)(to).clone_from((self.get)(from));
    }
}

/// The place of a value that is one word of a fixed list.
pub trait Word: fmt::Debug + Sync {
    /// Reads a word into its place.
    fn read(&self, settings: &mut Settings, raw: &Raw) -> Result<(), ValueError>;
    /// The current word.
    fn show(&self, settings: &Settings) -> &'static str;
    /// Copies the value from one set of settings to another.
    fn copy(&self, from: &Settings, to: &mut Settings);
    /// All allowed words, for the documentation.
    fn all(&self) -> String;
}

impl<T: Choice + fmt::Debug> Word for Slot<T> {
    fn read(&self, settings: &mut Settings, raw: &Raw) -> Result<(), ValueError> {
        self.put(settings, choice(raw))
    }

    fn show(&self, settings: &Settings) -> &'static str {
        (self.get)(settings).word()
    }

    fn copy(&self, from: &Settings, to: &mut Settings) {
        Slot::copy(self, from, to);
    }

    fn all(&self) -> String {
        T::words()
    }
}

// Shows only the name: function pointers do not help to debug.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Key {
    /// The environment variable of the setting.
    pub fn variable(&self) -> String {
        format!("HYTHE_{}", self.name.replace(['.', '-'], "_").to_ascii_uppercase())
    }
}

impl Kind {
    /// Reads a value into its place.
    pub fn read(&self, settings: &mut Settings, raw: &Raw) -> Result<(), ValueError> {
        match self {
            Self::Listen(slot) => slot.put(settings, some(list(raw))),
            Self::Folder(slot) => slot.put(settings, path(raw)),
            Self::File(slot) => slot.put(settings, file(raw)),
            Self::Files(slot) => slot.put(settings, paths(raw)),
            Self::Switch(slot) => slot.put(settings, switch(raw)),
            Self::Hosts(slot) => slot.put(settings, list(raw)),
            Self::Origins(slot) => slot.put(settings, list(raw)),
            Self::Additions(slot) => slot.put(settings, additions(raw)),
            Self::Names(slot) => slot.put(settings, names(raw)),
            Self::Name(slot) => slot.put(settings, name(raw)),
            Self::Mirrors(slot) => slot.put(settings, list(raw)),
            Self::Duration(slot, least) => slot.put(settings, duration(raw, *least)),
            Self::Size(slot, least, most) => slot.put(settings, size(raw, *least, *most)),
            Self::Count(slot, least, most) => slot.put(settings, count(raw, *least, *most)),
            Self::Amount(slot) => slot.put(settings, amount(raw)),
            Self::Budget(slot) => slot.put(settings, budget(raw)),
            Self::BackupPlace(slot) => slot.put(settings, backup_place(raw)),
            Self::Keep(slot) => slot.put(settings, keep(raw)),
            Self::Text(slot, _) => slot.put(settings, plain(raw)),
            Self::Word(word) => word.read(settings, raw),
        }
    }

    /// The value as JSON. For these types the JSON is also valid TOML.
    pub fn show(&self, settings: &Settings) -> Value {
        match self {
            Self::Listen(slot) => texts((slot.get)(settings)),
            Self::Folder(slot) => (slot.get)(settings).display().to_string().into(),
            // An empty string means no file, because TOML has no null.
            Self::File(slot) => (slot.get)(settings).as_deref().map_or_else(String::new, show_path).into(),
            Self::Files(slot) => (slot.get)(settings).iter().map(|path| show_path(path)).collect(),
            Self::Switch(slot) => (*(slot.get)(settings)).into(),
            Self::Hosts(slot) => texts((slot.get)(settings)),
            Self::Origins(slot) => texts((slot.get)(settings)),
            Self::Additions(slot) => texts((slot.get)(settings)),
            Self::Names(slot) => texts((slot.get)(settings)),
            // An empty string means no upstream, because TOML has no null.
            Self::Name(slot) => {
                (slot.get)(settings).as_ref().map_or_else(String::new, ToString::to_string).into()
            }
            Self::Mirrors(slot) => texts((slot.get)(settings)),
            Self::Duration(slot, _) => show_duration(*(slot.get)(settings)).into(),
            Self::Size(slot, ..) => show_size(*(slot.get)(settings)).into(),
            Self::Count(slot, ..) => (*(slot.get)(settings)).into(),
            Self::Amount(slot) => show_amount(*(slot.get)(settings)).into(),
            Self::Budget(slot) => show_budget(*(slot.get)(settings)).into(),
            Self::BackupPlace(slot) => {
                (slot.get)(settings).as_ref().map_or_else(String::new, ToString::to_string).into()
            }
            Self::Keep(slot) => show_keep(*(slot.get)(settings)).into(),
            Self::Text(slot, _) => (slot.get)(settings).as_str().into(),
            Self::Word(word) => word.show(settings).into(),
        }
    }

    /// Copies this value from one set of settings to another.
    pub fn copy(&self, from: &Settings, to: &mut Settings) {
        match self {
            Self::Listen(slot) => slot.copy(from, to),
            Self::Folder(slot) => slot.copy(from, to),
            Self::File(slot) => slot.copy(from, to),
            Self::Files(slot) => slot.copy(from, to),
            Self::Switch(slot) => slot.copy(from, to),
            Self::Hosts(slot) => slot.copy(from, to),
            Self::Origins(slot) => slot.copy(from, to),
            Self::Additions(slot) => slot.copy(from, to),
            Self::Names(slot) => slot.copy(from, to),
            Self::Name(slot) => slot.copy(from, to),
            Self::Mirrors(slot) => slot.copy(from, to),
            Self::Duration(slot, _) => slot.copy(from, to),
            Self::Size(slot, ..) | Self::Count(slot, ..) => slot.copy(from, to),
            Self::Amount(slot) => slot.copy(from, to),
            Self::Budget(slot) => slot.copy(from, to),
            Self::BackupPlace(slot) => slot.copy(from, to),
            Self::Keep(slot) => slot.copy(from, to),
            Self::Text(slot, _) => slot.copy(from, to),
            Self::Word(word) => word.copy(from, to),
        }
    }

    /// The allowed values, for the documentation.
    pub fn allowed(&self) -> String {
        match self {
            Self::Listen(_) => "a list of ADDRESS:PORT, with http:// or https:// before it or not; `:PORT` means all interfaces".to_owned(),
            Self::Folder(_) => "a path".to_owned(),
            Self::File(_) => "a path, or an empty string for none".to_owned(),
            Self::Files(_) => "a list of paths".to_owned(),
            Self::Switch(_) => "true or false".to_owned(),
            Self::Hosts(_) => "a list of host names without ports".to_owned(),
            Self::Origins(_) => "a list of origins such as https://ui.example, or *".to_owned(),
            Self::Additions(_) => "a list of NAME or NAME=ENDPOINT[,ENDPOINT…]; an endpoint is http:// or https://, host, port, path".to_owned(),
            Self::Names(_) => "a list of upstream names".to_owned(),
            Self::Name(_) => "an upstream's name, or an empty string for none".to_owned(),
            Self::Mirrors(_) => "a list of ADDRESS:PORT=NAME".to_owned(),
            Self::Duration(_, least) => {
                format!("a duration (ms, s, m, h, d), at least {}", show_duration(*least))
            }
            Self::Size(_, least, most) => {
                format!(
                    "a size (plain bytes, KiB, MiB, GiB), from {} to {}",
                    show_size(*least),
                    show_size(*most)
                )
            }
            Self::Count(_, least, most) => format!("a number from {least} to {most}"),
            Self::Amount(_) => "a size, or a share of the file system such as 5%".to_owned(),
            Self::Budget(_) => "`auto`, a size, or a share of the file system such as 60%".to_owned(),
            Self::BackupPlace(_) => {
                "the path of a folder, s3://BUCKET/PREFIX, or an empty string for none".to_owned()
            }
            Self::Keep(_) => "`all`, a number of backups, or a duration such as 90d".to_owned(),
            Self::Text(_, allowed) => (*allowed).to_owned(),
            Self::Word(word) => word.all(),
        }
    }

    /// The placeholder of the value in `--help`.
    pub fn placeholder(&self) -> &'static str {
        match self {
            Self::Listen(_) => "ADDRESS:PORT",
            Self::Folder(_) => "FOLDER",
            Self::File(_) | Self::Files(_) => "FILE",
            Self::Word(_) => "WORD",
            Self::Switch(_) => "BOOL",
            Self::Hosts(_) => "HOST",
            Self::Origins(_) => "ORIGIN",
            Self::Additions(_) => "NAME[=ENDPOINT,…]",
            Self::Names(_) | Self::Name(_) => "NAME",
            Self::Mirrors(_) => "ADDRESS:PORT=NAME",
            Self::Duration(..) => "DURATION",
            Self::Size(..) => "SIZE",
            Self::Amount(_) | Self::Budget(_) => "SIZE|SHARE",
            Self::Count(..) => "NUMBER",
            Self::BackupPlace(_) => "DEST",
            Self::Keep(_) => "N|DURATION",
            Self::Text(..) => "TEXT",
        }
    }

    /// Whether the value is a list.
    pub fn is_list(&self) -> bool {
        matches!(
            self,
            Self::Listen(_)
                | Self::Files(_)
                | Self::Hosts(_)
                | Self::Origins(_)
                | Self::Additions(_)
                | Self::Names(_)
                | Self::Mirrors(_)
        )
    }
}
