//! Access: decides once, before any handler, whether a request is allowed (DESIGN, decision 14).
//!
//! [`Access::of`] parses a request into who comes by which way, with which action, for which repository or page.
//! [`Facts::read`] looks up the few facts that this access needs. [`decide`] turns both into a [`Grant`] or a
//! [`Refusal`]. Only `Facts::read` does I/O. Handlers check nothing: they do what the grant says.
//!
//! One check cannot be made here: whether the *answer* of an upstream may be passed on. It depends on what a fetch, of
//! this or another client, has brought meanwhile; see `admission.rs` of the crate `hythe-upstream`.

mod action;
mod client;
mod decision;
mod facts;
mod host;
mod judge;
mod page;
mod refusal;
mod scope;
mod site;
mod target;

use http::{HeaderMap, Method};
use hythe_oci::header::HYTHE_LOAD;
use hythe_oci::{Digest, Endpoint, RepositoryName};
use hythe_upstream::Allowed;

use action::Action;
use client::Client;
pub(crate) use decision::{Grant, Resource, Silence, decide};
pub(crate) use facts::Facts;
pub(crate) use judge::Judge;
use judge::Need;
pub(crate) use page::Page;
pub(crate) use refusal::{Refusal, Wanted};
pub(crate) use scope::Scope;
use target::{Naming, Target};

use crate::options::ServerOptions;
use crate::peer::Peer;

/// One request, as far as its access is concerned.
#[derive(Clone, Debug)]
pub(crate) struct Access<'a> {
    client: Client<'a>,
    action: Action,
    target: Target<'a>,
    /// The blob that a push wants to mount.
    mount: Option<&'a Mount>,
    /// Whether the client forbids asking an upstream (RFC 9111, 5.2.1.7).
    only_if_cached: bool,
    /// Whether the client loads content of an upstream into this registry's copy.
    loads: bool,
    /// What the access needs of its client's identity.
    need: Need,
    /// The client's identity and the rules; `None` if the registry does not authenticate clients.
    judge: Option<Judge<'a>>,
}

/// A blob that a push wants to mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) digest: Digest,
    /// The repository that has the blob, if the client names one.
    pub(crate) from: Option<RepositoryName>,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subject<'a> {
    /// An endpoint of the API, with the request's `?ns=` and the blob to mount.
    Endpoint { endpoint: &'a Endpoint, namespace: Option<&'a str>, mount: Option<&'a Mount> },
    /// A page outside the API.
    Page(Page),
    /// Neither: a preflight, or a request that cannot be answered.
    Other,
}

/// The inputs of [`Access::of`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) peer: &'a Peer,
    pub(crate) method: &'a Method,
    /// The host that the request names in its target or in its `Host` header.
    pub(crate) host: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) subject: Subject<'a>,
    /// Whether the client forbids asking an upstream.
    pub(crate) only_if_cached: bool,
}

impl<'a> Access<'a> {
    /// Parses a request.
    pub(crate) fn of(asked: &Asked<'a>, options: &ServerOptions, allowed: &Allowed) -> Self {
        let client = Client::of(asked.peer, asked.host, asked.headers, options);
        let need = Need::of(&asked.subject);
        let (action, target, mount) = match asked.subject {
            Subject::Endpoint { endpoint, namespace, mount } => {
                let mirror = asked.peer.door.mirror.as_ref();
                let naming = Naming { allowed, hosts: &options.hosts, namespace, mirror };
                (Action::on(asked.method, endpoint), Target::of(endpoint, &naming), mount)
            }
            Subject::Page(page) => (Action::on_page(asked.method, page), Target::Page(page), None),
            Subject::Other => (Action::other(asked.method), Target::None, None),
        };
        let loads = asked.headers.contains_key(HYTHE_LOAD);
        let only_if_cached = asked.only_if_cached;
        Self { client, action, target, mount, only_if_cached, loads, need, judge: None }
    }

    /// Whether the decision depends on the client's identity.
    pub(crate) fn needs_identity(&self) -> bool {
        self.need != Need::Nothing && self.refused_at_the_door().is_none()
    }

    /// Adds who makes the request. A blob that they may not mount is pushed instead.
    pub(crate) fn judged(mut self, judge: Option<Judge<'a>>) -> Self {
        self.mount = self.mount.filter(|mount| judge.is_none_or(|judge| judge.may_mount(mount)));
        Self { judge, ..self }
    }
}
