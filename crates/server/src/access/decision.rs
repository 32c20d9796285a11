//! The decision about one access: a pure function of the request and of the facts that it needs.

#[cfg(test)]
mod tests;

use hythe_oci::RepositoryName;
use hythe_registry::{MountFrom, Origin, Provenance};
use hythe_upstream::{CopyName, Upstream, Via};

use super::action::Action;
use super::refusal::Refusal;
use super::target::Target;
use super::{Access, Facts};

/// What a request may do, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) resource: Resource,
    /// The way that decides which content the client may have.
    pub(crate) via: Via,
    /// Why no upstream is asked for this request, if so. The response quotes it.
    pub(crate) silent: Option<Silence>,
    /// Where the blob to mount may come from.
    pub(crate) mount: Option<MountFrom>,
}

/// The repository that a request reads or changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    /// What the path names: a page, or a repository if it names one.
    Here,
    /// The repository of this name, under an upstream's name.
    Named(RepositoryName),
    /// A copy that becomes the registry's own repository, because the client pushes to it.
    Pushed(CopyName),
    /// A copy that the client loads content into, or whose stored content it reads to learn what it need not load. The
    /// copy stays the upstream's.
    Loaded(CopyName),
    /// A copy of an upstream's repository. `before_push`: the client may be about to push, because it asks by HEAD for
    /// something that its path, not `?ns=` or the listener, says is the upstream's.
    Copy { copy: CopyName, before_push: bool },
    /// The repository that the path names if it `is_here`, and the copy for content that the former does not have.
    HereOrCopy { is_here: bool, copy: Result<CopyName, Refusal> },
}

/// Why no upstream is asked for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// The client forbids it.
    OnlyIfCached,
    /// A web page of a foreign origin makes the request.
    ForeignPage,
}

impl Resource {
    /// The provenance of what the request writes.
    pub(crate) fn provenance_of_writes(&self) -> Provenance {
        match self {
            Self::Loaded(copy) => {
                let upstream = copy.upstream();
                // A bundle does not tell whether its content was fetched with credentials, so it counts as what this
                // registry would fetch itself.
                Provenance { origin: Origin::upstream(&upstream.name), private: upstream.has_login() }
            }
            Self::Here | Self::Named(_) | Self::Pushed(_) | Self::Copy { .. } | Self::HereOrCopy { .. } => {
                Provenance { origin: Origin::Local, private: false }
            }
        }
    }
}

impl Silence {
    /// The reason, as a part of a message.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::OnlyIfCached => "the request says only-if-cached",
            Self::ForeignPage => {
                "nothing is fetched for a web page of another origin; to allow it, add the page's origin by \
                            name to http.cors-origins (`*` lets pages read only what is in the cache)"
            }
        }
    }
}

impl Access<'_> {
    /// Why the request is refused for its client alone, if so.
    pub(super) fn refused_at_the_door(&self) -> Option<Refusal> {
        let Self { client, action, .. } = self;
        if let Some(host) = client.refused_host() {
            return Some(Refusal::ForeignHost { host: host.to_owned() });
        }
        // On every listener. A browser sends some writes without a preflight, such as a simple POST, and a user who can
        // reach the registry may open any page.
        let page = client.foreign_page.filter(|_| action.writes())?;
        Some(Refusal::ForeignPage { origin: page.origin.map(str::to_owned) })
    }
}

/// Decides about an access.
pub(crate) fn decide(access: Access<'_>, facts: &Facts<'_>) -> Result<Grant, Refusal> {
    if let Some(refusal) = access.refused_at_the_door() {
        return Err(refusal);
    }
    if let Some(judge) = access.judge {
        judge.check(&access)?;
    }
    let Access { client, action, target, mount, only_if_cached, loads, need: _, judge } = access;
    let via = client.via();
    let loads_here = |name: &RepositoryName| match (loads, action) {
        (true, Action::Push) => Err(Refusal::NoUpstream { name: name.clone() }),
        _ => Ok(()),
    };
    let resource = match target {
        Target::None | Target::Page(_) => Resource::Here,
        Target::NotServed { registry } => return Err(Refusal::NotServed { registry }),
        Target::TooLong(too_long) => return Err(Refusal::TooLong(too_long)),
        Target::Here(name) => {
            check_here(facts, via)?;
            loads_here(name)?;
            Resource::Here
        }
        Target::Copy { name, copy, by_path } => {
            let way = Way { by_path, only_if_cached, loads, via };
            decide_copy(action, name, copy, way, facts)?
        }
        Target::HereOrCopy { name, copy } => {
            check_here(facts, via)?;
            loads_here(name)?;
            if action.reads_content() {
                let may =
                    |name: &RepositoryName| judge.map_or(Ok(()), |judge| judge.check_action(action, name));
                let is_here = facts.here.as_ref().is_some_and(is_local) && may(name).is_ok();
                let copy =
                    check_copy(copy.upstream(), facts, via).and_then(|()| may(copy.here())).map(|()| copy);
                Resource::HereOrCopy { is_here, copy }
            } else {
                Resource::Here
            }
        }
    };
    if action == Action::Delete && !facts.deletes {
        return Err(Refusal::DeletesOff);
    }
    let silent = if only_if_cached {
        Some(Silence::OnlyIfCached)
    } else {
        client.foreign_page.map(|_| Silence::ForeignPage)
    };
    let mount = mount.map(|mount| match (&mount.from, via) {
        (Some(from), _) if shares(facts, facts.source.as_ref(), via) => MountFrom::Repository(from.clone()),
        (None, Via::Loopback) => MountFrom::Any,
        // A client that may not read a repository may not mount from it either.
        (Some(_), _) | (None, Via::Network) => MountFrom::AnyPublic,
    });
    Ok(Grant { resource, via, silent, mount })
}

/// How a request reaches a copy.
#[derive(Clone, Copy)]
struct Way {
    /// Whether the path names the upstream.
    by_path: bool,
    only_if_cached: bool,
    loads: bool,
    via: Via,
}

/// Decides about a copy.
fn decide_copy(
    action: Action,
    name: &RepositoryName,
    copy: CopyName,
    way: Way,
    facts: &Facts<'_>,
) -> Result<Resource, Refusal> {
    let Way { by_path, only_if_cached, loads, via } = way;
    let (upstream, found) = (copy.upstream(), facts.copy.as_ref());
    if upstream.pushable && found.is_some_and(is_local) {
        // Pushed content is shared with every client, and is served instead of the upstream's.
        return Ok(Resource::Named(copy.here().clone()));
    }
    check_copy(upstream, facts, via)?;
    match action {
        // Loaded content is served as the upstream's, to clients that trust its name. Reads show what is stored.
        Action::Push if loads && !upstream.load.reaches(via) => {
            Err(Refusal::NotLoadable { upstream: upstream.name.clone() })
        }
        Action::Push | Action::Check | Action::Pull if loads => Ok(Resource::Loaded(copy)),
        // From the upstream's answer a client would leave out content that is not here, and its push would pin the rest.
        Action::Check if by_path && upstream.pushable && !only_if_cached => {
            Err(Refusal::NotPushedYet { copy: copy.here().clone() })
        }
        Action::Check => Ok(Resource::Copy { copy, before_push: by_path }),
        Action::Pull | Action::List => Ok(Resource::Copy { copy, before_push: false }),
        Action::Push if !upstream.pushable => {
            Err(Refusal::NotPushable { name: name.clone(), upstream: upstream.name.clone() })
        }
        Action::Push if found.is_some_and(|found| found.private) => Err(Refusal::FetchedWithCredentials {
            name: name.clone(),
            upstream: upstream.name.clone(),
            copy: copy.here().clone(),
        }),
        Action::Push => Ok(Resource::Pushed(copy)),
        Action::Delete => Ok(Resource::Named(copy.here().clone())),
        Action::ReadPage | Action::WritePage | Action::OtherRead | Action::OtherWrite => Ok(Resource::Here),
    }
}

/// Refuses content of a repository of this registry that was fetched with credentials and is not shared with the
/// client. A copy whose upstream is no longer listed is such a repository.
fn check_here(facts: &Facts<'_>, via: Via) -> Result<(), Refusal> {
    match &facts.here {
        Some(found) if !facts.allowed.shares(found, via) => {
            Err(Refusal::NotShared { upstream: found.origin.as_str().to_owned() })
        }
        _ => Ok(()),
    }
}

/// Refuses content of a copy that was fetched with credentials, or would be, and is not shared with the client.
fn check_copy(upstream: &Upstream, facts: &Facts<'_>, via: Via) -> Result<(), Refusal> {
    let private = facts.copy.as_ref().is_some_and(|found| found.private);
    if upstream.shares(private, via) {
        return Ok(());
    }
    Err(Refusal::NotShared { upstream: upstream.name.to_string() })
}

fn shares(facts: &Facts<'_>, found: Option<&Provenance>, via: Via) -> bool {
    found.is_none_or(|found| facts.allowed.shares(found, via))
}

fn is_local(found: &Provenance) -> bool {
    found.origin == Origin::Local
}
