//! Which repositories a listing has: those whose content the client may pull.

use hythe_oci::Pattern;

use crate::{Origin, Provenance};

/// A set of origins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// These origins.
    Only(Vec<Origin>),
    /// All origins but these.
    AllBut(Vec<Origin>),
}

impl Origins {
    /// Every origin.
    pub fn all() -> Self {
        Self::AllBut(Vec::new())
    }

    /// No origin.
    pub fn none() -> Self {
        Self::Only(Vec::new())
    }

    /// Whether the set has this origin.
    pub fn contains(&self, origin: &Origin) -> bool {
        match self {
            Self::Only(origins) => origins.contains(origin),
            Self::AllBut(origins) => !origins.contains(origin),
        }
    }
}

/// Which repositories a listing has. The origins do not restrict local ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visible {
    /// The origins whose copies are listed if they were fetched without credentials.
    pub public: Origins,
    /// The origins whose copies are listed if some of their content was fetched with credentials.
    pub private: Origins,
    /// The patterns of which a repository's name matches one; `None` means every name.
    pub names: Option<Vec<Pattern>>,
}

impl Visible {
    /// All repositories.
    pub fn all() -> Self {
        Self { public: Origins::all(), private: Origins::all(), names: None }
    }

    /// Whether the listing has a repository of this provenance.
    pub fn shows(&self, provenance: &Provenance) -> bool {
        let Provenance { origin, private } = provenance;
        let origins = if *private { &self.private } else { &self.public };
        *origin == Origin::Local || origins.contains(origin)
    }
}
