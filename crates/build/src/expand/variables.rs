//! The variables that instructions see.

use std::collections::BTreeMap;

/// The variables that instructions see: of `ARG`, of `ENV`, and of the base image.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables {
    /// `None` as a value means that it depends on a variable of the base image.
    values: BTreeMap<String, Option<String>>,
    /// Whether a base image whose configuration is not known may set more of them.
    is_open: bool,
}

/// The result of looking up a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lookup<'a> {
    Set(&'a str),
    Unset,
    Unknown,
}

impl Variables {
    /// No variables, and none from a base image.
    pub(crate) fn closed() -> Self {
        Self::default()
    }

    /// Variables of a base image that are not known.
    pub(crate) fn open() -> Self {
        Self { values: BTreeMap::new(), is_open: true }
    }

    pub(crate) fn set(&mut self, name: impl Into<String>, value: Option<String>) {
        self.values.insert(name.into(), value);
    }

    pub(crate) fn get(&self, name: &str) -> Lookup<'_> {
        match self.values.get(name) {
            Some(Some(value)) => Lookup::Set(value),
            Some(None) => Lookup::Unknown,
            None if self.is_open => Lookup::Unknown,
            None => Lookup::Unset,
        }
    }

    /// The value, if it is known.
    pub(crate) fn known(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Lookup::Set(value) => Some(value),
            Lookup::Unset | Lookup::Unknown => None,
        }
    }
}
