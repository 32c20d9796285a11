//! The scope of a grant: whose content its client may have.

use std::sync::Arc;

use hythe_oci::Pattern;
use hythe_registry::Visible;
use hythe_upstream::{Allowed, Via};

use super::Judge;

/// The content that a client may have, for lists over several repositories.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    allowed: Arc<Allowed>,
    via: Via,
    /// The repositories that the client may pull from; `None` means all.
    names: Option<Vec<Pattern>>,
}

impl Scope {
    pub(crate) fn new(allowed: Arc<Allowed>, via: Via, judge: Option<Judge<'_>>) -> Self {
        Self { allowed, via, names: judge.and_then(|judge| judge.visible()) }
    }

    /// The way that decides which content the client may have.
    pub(crate) fn via(&self) -> Via {
        self.via
    }

    /// The repositories whose content the client may have, as far as their upstreams decide.
    pub(crate) fn visible(&self) -> Visible {
        self.allowed.visible(self.via)
    }

    /// The repositories that a list of the client has.
    pub(crate) fn listed(&self) -> Visible {
        Visible { names: self.names.clone(), ..self.visible() }
    }
}
