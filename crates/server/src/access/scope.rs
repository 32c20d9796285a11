//! The scope of a grant: whose content its client may have.

use std::sync::Arc;

use hythe_registry::Visible;
use hythe_upstream::{Allowed, Via};

/// The content that a client may have, for lists over several repositories.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    allowed: Arc<Allowed>,
    via: Via,
}

impl Scope {
    pub(crate) fn new(allowed: Arc<Allowed>, via: Via) -> Self {
        Self { allowed, via }
    }

    /// The way that decides which content the client may have.
    pub(crate) fn via(&self) -> Via {
        self.via
    }

    /// The repositories whose content the client may have.
    pub(crate) fn visible(&self) -> Visible {
        self.allowed.visible(self.via)
    }
}
