//! Tables with names, such as `[upstream."NAME"]`: what a file declares to add another kind, and the tables of a kind.

use std::fmt;

use serde_json::Value;

use crate::values::{HIDDEN, Raw, ValueError};

/// The key of a listed table's name.
pub const NAME: &str = "name";

/// A kind of table. The type has the values of one table, and its `Default` those of a table without fields.
pub trait Table: Default + Clone + PartialEq + fmt::Debug + 'static {
    /// The word for the kind in the file.
    const WORD: &'static str;
    /// How the file writes a table of this kind.
    const FORM: Form;
    /// The documentation: a heading, then paragraphs in Markdown.
    const DOC: &'static str;
    /// The name of a table. Two texts that mean the same thing are the same name.
    type Name: Clone + Ord + fmt::Debug + fmt::Display;

    /// Reads a table's name.
    fn name(text: &str) -> Result<Self::Name, ValueError>;

    /// Every field, in the order of the documentation.
    fn fields() -> &'static [Field<Self>];

    /// The field with this name.
    fn field(name: &str) -> Option<&'static Field<Self>> {
        Self::fields().iter().find(|field| field.name == name)
    }
}

/// How the file writes the tables of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `[WORD."NAME"]`. The tables are sorted by name.
    ByName,
    /// `[[WORD]]` with the key `name`. The tables keep the order of the file.
    Listed,
}

/// One field of a table. The file, `hythe config` and the documentation all use this definition.
pub struct Field<T> {
    /// The field's name.
    pub name: &'static str,
    /// The documentation, in sentences.
    pub doc: &'static str,
    /// The allowed values, for the documentation.
    pub allowed: &'static str,
    /// Whether the value is a secret, which must not be printed.
    pub secret: bool,
    /// Reads a value into its place.
    pub read: fn(&mut T, &Raw) -> Result<(), ValueError>,
    /// The value as JSON, which is also valid TOML; null if it is not set.
    pub show: fn(&T) -> Value,
}

// Shows only the name: function pointers do not help to debug.
impl<T> fmt::Debug for Field<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl<T> Field<T> {
    /// The value as JSON; for a secret, a placeholder.
    pub fn shown(&self, table: &T) -> Value {
        if self.secret { HIDDEN.into() } else { (self.show)(table) }
    }
}

/// The tables of one kind, in the order of their form.
#[derive(Clone, Debug, PartialEq)]
pub struct Tables<T: Table>(Vec<(T::Name, T)>);

impl<T: Table> Default for Tables<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Table + Eq> Eq for Tables<T> {}

impl<T: Table> Tables<T> {
    /// The table with this name.
    pub fn get(&self, name: &T::Name) -> Option<&T> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, table)| table)
    }

    /// Whether there is a table with this name.
    pub fn contains_key(&self, name: &T::Name) -> bool {
        self.get(name).is_some()
    }

    /// The table with this name, created if there is none yet.
    pub fn create(&mut self, name: &T::Name) -> &mut T {
        let at = self.0.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            let at = match T::FORM {
                Form::ByName => self.0.partition_point(|(known, _)| known < name),
                Form::Listed => self.0.len(),
            };
            self.0.insert(at, (name.clone(), T::default()));
            at
        });
        &mut self.0[at].1
    }

    /// The names.
    pub fn keys(&self) -> impl Iterator<Item = &T::Name> + Clone {
        self.0.iter().map(|(name, _)| name)
    }

    /// The names with their tables.
    pub fn iter(&self) -> impl Iterator<Item = (&T::Name, &T)> + Clone {
        self.0.iter().map(|(name, table)| (name, table))
    }

    /// The names with their tables, which can be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&T::Name, &mut T)> {
        self.0.iter_mut().map(|(name, table)| (&*name, table))
    }
}

/// A table's full name, in messages and, for tables by name, in the file.
pub fn table_name<T: Table>(name: &T::Name) -> String {
    // As TOML writes it. JSON's escapes are also TOML's.
    format!("{}.{}", T::WORD, Value::from(name.to_string()))
}
