//! The judge of an access: its client's identity, and the rules.

use hythe_auth::{Action as Right, Identity, Policy, Verdict};
use hythe_oci::{Endpoint, Pattern, RepositoryName};

use super::action::Action;
use super::page::Page;
use super::refusal::{Refusal, Wanted};
use super::target::Target;
use super::{Access, Mount, Subject};

/// What an access needs, beside a permission in its repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing: the answer tells nothing about the registry's content.
    Nothing,
    /// Credentials of a known client.
    Login,
    /// A client that may list repositories.
    Catalog,
    /// The permission for an action that concerns the whole registry.
    Of(Right),
    /// A permission in the repository of the request.
    InRepository,
}

/// The identity of a client, and the rules that decide about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judge<'a> {
    pub(crate) identity: &'a Identity,
    pub(crate) policy: &'a Policy,
}

impl Need {
    /// What a request needs of its client's identity.
    pub(super) fn of(subject: &Subject<'_>) -> Self {
        match subject {
            Subject::Other => Self::Nothing,
            Subject::Page(page) => match page {
                Page::Health | Page::Ready | Page::Token => Self::Nothing,
                Page::Metrics => Self::Of(Right::Metrics),
                Page::Collection
                | Page::Backup
                | Page::Leases
                | Page::Verification
                | Page::Retention
                | Page::Disk
                | Page::Running
                | Page::Cache
                | Page::Users
                | Page::Tokens
                | Page::Deleted => Self::Of(Right::Admin),
            },
            Subject::Endpoint { endpoint, .. } => match endpoint {
                Endpoint::Root => Self::Nothing,
                Endpoint::Base | Endpoint::Extensions => Self::Login,
                Endpoint::Catalog => Self::Catalog,
                Endpoint::Tags { .. }
                | Endpoint::Referrers { .. }
                | Endpoint::Manifest { .. }
                | Endpoint::Blob { .. }
                | Endpoint::Uploads { .. }
                | Endpoint::Upload { .. } => Self::InRepository,
            },
        }
    }
}

/// The permissions of which an action in a repository needs one.
fn rights(action: Action) -> &'static [Right] {
    match action {
        Action::Pull | Action::List => &[Right::Pull],
        // A client that may only push asks by HEAD which blobs it may leave out.
        Action::Check => &[Right::Pull, Right::Push],
        // The rest concerns uploads.
        Action::Push | Action::OtherRead | Action::OtherWrite | Action::ReadPage | Action::WritePage => {
            &[Right::Push]
        }
        Action::Delete => &[Right::Delete],
    }
}

impl Judge<'_> {
    /// Refuses an access that its client's identity does not have.
    pub(super) fn check(&self, access: &Access<'_>) -> Result<(), Refusal> {
        match access.need {
            Need::Login if self.identity.subject().is_none() => {
                Err(Refusal::Unauthenticated(Wanted::default()))
            }
            Need::Nothing | Need::Login => Ok(()),
            Need::Catalog => self.check_catalog(),
            Need::Of(right) => self.check_right(&[right], None),
            Need::InRepository => match &access.target {
                Target::None | Target::Page(_) | Target::NotServed { .. } | Target::TooLong(_) => {
                    self.check(&Access { need: Need::Login, ..access.clone() })
                }
                Target::Here(name) => self.check_right(rights(access.action), Some(name)),
                Target::Copy { copy, .. } => self.check_right(rights(access.action), Some(copy.here())),
                Target::HereOrCopy { name, copy } => {
                    let here = self.check_right(rights(access.action), Some(name));
                    // A read finds content in the one or in the other.
                    let there = || self.check_right(rights(access.action), Some(copy.here()));
                    if here.is_err() && access.action.reads_content() && there().is_ok() {
                        Ok(())
                    } else {
                        here
                    }
                }
            },
        }
    }

    /// Refuses one of these actions in a repository.
    pub(super) fn check_action(&self, action: Action, repository: &RepositoryName) -> Result<(), Refusal> {
        self.check_right(rights(action), Some(repository))
    }

    fn check_right(&self, rights: &[Right], repository: Option<&RepositoryName>) -> Result<(), Refusal> {
        let mut narrow = false;
        for right in rights {
            match self.policy.decide(self.identity, *right, repository) {
                Verdict::Allowed { .. } => return Ok(()),
                Verdict::TooNarrow => narrow = true,
                Verdict::Denied => {}
            }
        }
        // The last one is the weaker claim: a client that checks is about to push.
        let right = rights.last().copied().unwrap_or(Right::Pull);
        if narrow || self.identity.subject().is_none() {
            let scope = repository.map(|name| {
                let actions = if right == Right::Push { "pull,push" } else { right.as_str() };
                format!("repository:{name}:{actions}")
            });
            return Err(Refusal::Unauthenticated(Wanted { scope, narrow }));
        }
        Err(Refusal::NotPermitted { who: self.identity.to_string(), right, repository: repository.cloned() })
    }

    /// A list without a login would make a client with a login content with a shorter list: many clients log in only when
    /// they are asked to. With a token it is clear that the client has been asked.
    fn check_catalog(&self) -> Result<(), Refusal> {
        let limits = self.identity.limits();
        let covered = limits.is_none_or(|limits| limits.iter().any(hythe_auth::Access::lists_repositories));
        if covered && (self.identity.subject().is_some() || limits.is_some()) {
            return Ok(());
        }
        let scope = Some("registry:catalog:*".to_owned());
        Err(Refusal::Unauthenticated(Wanted { scope, narrow: !covered }))
    }

    /// The patterns of the repositories that the client may pull from; `None` means all repositories.
    pub(super) fn visible(&self) -> Option<Vec<Pattern>> {
        self.policy.visible(self.identity)
    }

    /// Whether the client may move tags of the repository.
    pub(crate) fn may_retag(&self, repository: &RepositoryName) -> bool {
        self.policy.decide(self.identity, Right::Retag, Some(repository)).is_allowed()
    }

    /// Whether the client may mount this blob: only from a repository that it may pull from.
    pub(super) fn may_mount(&self, mount: &Mount) -> bool {
        match &mount.from {
            Some(from) => self.check_action(Action::Pull, from).is_ok(),
            None => self.visible().is_none() && self.identity.limits().is_none(),
        }
    }
}
