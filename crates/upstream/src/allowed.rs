//! The allowed upstreams, and which of them a request means (DESIGN, decision 6).

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hythe_client::Credentials;
use hythe_oci::{Authority, AuthorityError, ImagePattern, RepositoryName, Tag};
use hythe_registry::{Origin, Origins, Provenance, Visible};

use crate::{Share, Via};

/// Docker Hub's names; images are known by the first.
const HUB: [&str; 4] = ["docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"];

/// The address of Docker Hub's API, which is not at `docker.io`.
const HUB_API: &str = "https://registry-1.docker.io";

/// Public registries that work without configuration.
const SHIPPED: [&str; 12] = [
    "docker.io",
    "ghcr.io",
    "quay.io",
    "gcr.io",
    "registry.k8s.io",
    "k8s.gcr.io",
    "mcr.microsoft.com",
    "public.ecr.aws",
    "registry.gitlab.com",
    "lscr.io",
    "nvcr.io",
    "registry.access.redhat.com",
];

/// A registry that this one may fetch from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// The name that its images are known by, also if a client uses an alias.
    pub name: Authority,
    /// Where it is asked, in this order: addresses with scheme, without a slash at the end.
    pub endpoints: Vec<String>,
    /// The credentials for all endpoints.
    pub credentials: Credentials,
    /// PEM files of certificate authorities to trust beside the system's.
    pub ca: Vec<PathBuf>,
    /// Hosts beside the endpoints that may have private addresses.
    pub private_hosts: Vec<Authority>,
    /// How long a tag is served without asking the upstream again.
    pub ttl: Duration,
    /// As `ttl`, for tags that match a pattern; the first match counts.
    pub ttl_by_tag: Vec<(ImagePattern, Duration)>,
    /// Which clients get content that was fetched with credentials.
    pub share: Share,
    /// Which clients may load content of this upstream into its copies, as `hythe bundle load` does.
    pub load: Share,
    /// Whether clients may push under its names. Pushed content then replaces the upstream's.
    pub pushable: bool,
    /// Whether only a client, and no operator, named it: then it is reached at public addresses only.
    pub unlisted: bool,
}

/// How long a tag is served by default without asking again. Asking costs a HEAD, which counts toward no rate limit.
pub const TTL: Duration = Duration::from_mins(1);

impl Upstream {
    /// The registry `name`, at its own address over HTTPS.
    pub fn at_home(name: Authority) -> Self {
        let hub = HUB.contains(&name.to_string().as_str());
        let endpoint = if hub { HUB_API.to_owned() } else { format!("https://{name}") };
        Self::new(name, vec![endpoint])
    }

    /// The registry `name`, at these endpoints.
    pub fn new(name: Authority, endpoints: Vec<String>) -> Self {
        Self {
            name,
            endpoints,
            credentials: Credentials::Anonymous,
            ca: Vec::new(),
            private_hosts: Vec::new(),
            ttl: TTL,
            ttl_by_tag: Vec::new(),
            share: Share::default(),
            load: Share::default(),
            pushable: false,
            unlisted: false,
        }
    }

    /// The name that stands for all unlisted upstreams in metrics, where one entry for each would be too many; no
    /// upstream may have it.
    pub const OTHERS: &str = "other";

    /// How long this tag is served without asking the upstream again.
    pub fn ttl_of(&self, name: &RepositoryName, tag: &Tag) -> Duration {
        let meant = self.ttl_by_tag.iter().find(|(pattern, _)| pattern.matches(name, tag));
        meant.map_or(self.ttl, |(_, ttl)| *ttl)
    }

    /// Whether credentials are configured for it.
    pub fn has_login(&self) -> bool {
        self.credentials != Credentials::Anonymous
    }

    /// The first component of its repositories' names in this registry.
    pub fn folder(&self) -> String {
        self.name.folder()
    }

    /// Whether a client that connects over `via` gets content of this upstream; `private` tells whether that content was
    /// fetched with credentials.
    pub fn shares(&self, private: bool, via: Via) -> bool {
        self.share.reaches(via) || !(private || self.has_login())
    }

    fn is_hub(&self) -> bool {
        self.name.host() == HUB[0] && self.name.port().is_none()
    }
}

/// What a request's name means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved<'a> {
    /// A repository of this registry itself.
    Local(&'a RepositoryName),
    /// A repository of an upstream, with its name at the upstream.
    Upstream(Arc<Upstream>, RepositoryName),
    /// A registry that is not allowed: 404, so that the client asks it itself, and no image of one registry is ever
    /// served for another's.
    NotAllowed,
}

/// A configuration that contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A name that is not valid.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// A name that no upstream may have.
    #[error("`{name}` cannot be an upstream's name: {reason}")]
    Reserved {
        /// The name.
        name: Authority,
        /// The cause.
        reason: &'static str,
    },
    /// Two upstreams with one name.
    #[error("`{name}` already names upstream `{upstream}`; an alias can name only one")]
    Taken {
        /// The name.
        name: Authority,
        /// The upstream that has it.
        upstream: Authority,
    },
}

/// The upstreams that this registry may fetch from.
#[derive(Clone, Debug, Default)]
pub struct Allowed {
    upstreams: Vec<Arc<Upstream>>,
    /// The index in `upstreams` for each name and alias.
    names: HashMap<Authority, usize>,
    /// If any public registry is allowed: how long tags of unlisted ones are served without asking again.
    any: Option<Duration>,
    /// Registries that are refused even if any public one is allowed.
    refused: HashSet<Authority>,
    /// Which clients get content that was fetched with credentials from an upstream that is no longer listed.
    share: Share,
    paths: Paths,
}

/// Which upstreams the first component of a path may name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Paths {
    #[default]
    All,
    None,
    One(Authority),
}

impl Allowed {
    /// No upstreams.
    pub fn none() -> Self {
        Self::default()
    }

    /// The well-known public registries.
    ///
    /// # Panics
    /// Never: a test covers the shipped names.
    pub fn shipped() -> Self {
        let mut allowed = Self::none();
        for name in SHIPPED {
            let name = name.parse().expect("a shipped name is a host");
            allowed.add(Upstream::at_home(name), &[]).expect("each is shipped once");
        }
        allowed
    }

    /// Adds an upstream, or replaces the one with its name; `aliases` are further names for it.
    pub fn add(&mut self, upstream: Upstream, aliases: &[Authority]) -> Result<(), ConfigError> {
        let reserved = |reason| ConfigError::Reserved { name: upstream.name.clone(), reason };
        if upstream.name.to_string() == "local" {
            return Err(reserved("it is reserved for repositories that clients push"));
        }
        if upstream.name.to_string() == Upstream::OTHERS {
            return Err(reserved("it is reserved for unlisted upstreams"));
        }
        if upstream.folder().parse::<RepositoryName>().is_err() {
            return Err(reserved(
                "it cannot begin a repository's name; choose another name, and set this one as its endpoint",
            ));
        }
        let hub = upstream.is_hub().then(|| HUB.iter().filter_map(|name| name.parse().ok()));
        let names = [upstream.name.clone()]
            .into_iter()
            .chain(aliases.iter().cloned())
            .chain(hub.into_iter().flatten());
        let names: Vec<Authority> = names.collect();
        let at = match self.names.get(&upstream.name) {
            Some(at) if self.upstreams[*at].name == upstream.name => *at,
            _ => self.upstreams.len(),
        };
        let taken = names
            .iter()
            .find_map(|name| self.names.get(name).filter(|owner| **owner != at).map(|owner| (name, owner)));
        if let Some((name, owner)) = taken {
            return Err(ConfigError::Taken {
                name: name.clone(),
                upstream: self.upstreams[*owner].name.clone(),
            });
        }
        let folder = upstream.folder().parse::<Authority>().ok();
        let upstream = Arc::new(upstream);
        match self.upstreams.get_mut(at) {
            Some(known) => *known = upstream,
            None => self.upstreams.push(upstream),
        }
        self.names.retain(|_, owner| *owner != at);
        self.names.extend(names.into_iter().chain(folder).map(|name| (name, at)));
        Ok(())
    }

    /// Removes the upstream with this name or alias; returns whether there was one.
    pub fn remove(&mut self, name: &Authority) -> bool {
        let Some(at) = self.names.get(name).copied() else { return false };
        self.upstreams.remove(at);
        self.names.retain(|_, owner| *owner != at);
        self.names.values_mut().filter(|owner| **owner > at).for_each(|owner| *owner -= 1);
        true
    }

    /// Allows every public registry that a client names by its host in `?ns=`. Their tags are served for `ttl` without
    /// asking again.
    pub fn allow_any(&mut self, ttl: Duration) {
        self.any = Some(ttl);
    }

    /// Whether any public registry is allowed.
    pub fn allows_any(&self) -> bool {
        self.any.is_some()
    }

    /// Refuses a registry, under all of its names, even if any public registry is allowed.
    pub fn refuse(&mut self, name: Authority) {
        self.refused.insert(at_home(name));
    }

    /// Sets which clients get content that was fetched with credentials from an upstream that is no longer listed.
    pub fn share_others(&mut self, share: Share) {
        self.share = share;
    }

    /// Stops paths from naming upstreams, as in `registry:2`, where every repository name is the registry's own. Paths
    /// may still name `except`.
    pub fn only_by_namespace(&mut self, except: Option<Authority>) {
        self.paths = except.map_or(Paths::None, Paths::One);
    }

    /// Whether the content of a repository may be served to a request that arrived over `via`.
    pub fn shares(&self, provenance: &Provenance, via: Via) -> bool {
        let Provenance { origin: Origin::Upstream(name), private } = provenance else { return true };
        match name.parse().ok().and_then(|name| self.get(&name)) {
            Some(upstream) => upstream.shares(*private, via),
            None => self.share.reaches(via) || !*private,
        }
    }

    /// Which repositories a list has for a client that connects over `via`: those that it may [pull](Self::shares).
    pub fn visible(&self, via: Via) -> Visible {
        // The configuration may have changed since a copy's origin was stored: that may now be an alias.
        let origins = |is: &dyn Fn(&Upstream) -> bool| {
            let names = self.names.iter().filter(|(_, at)| is(&self.upstreams[**at]));
            names.map(|(name, _)| Origin::upstream(name)).collect()
        };
        Visible {
            public: Origins::AllBut(origins(&|upstream| !upstream.shares(false, via))),
            private: if self.share.reaches(via) {
                Origins::AllBut(origins(&|upstream| !upstream.shares(true, via)))
            } else {
                Origins::Only(origins(&|upstream| upstream.shares(true, via)))
            },
            names: None,
        }
    }

    /// The upstream that a client names by its host: a listed one, or any if any public registry is allowed.
    pub fn find(&self, registry: &Authority) -> Option<Arc<Upstream>> {
        if let Some(upstream) = self.get(registry) {
            return Some(Arc::clone(upstream));
        }
        let ttl = self.any?;
        let name = at_home(registry.clone());
        if !is_public_name(&name) || self.refused.contains(&name) {
            return None;
        }
        Some(Arc::new(Upstream { ttl, share: self.share, unlisted: true, ..Upstream::at_home(name) }))
    }

    /// The listed upstream with this name or alias.
    pub fn get(&self, name: &Authority) -> Option<&Arc<Upstream>> {
        self.names.get(name).map(|at| &self.upstreams[*at])
    }

    /// All listed upstreams.
    pub fn all(&self) -> &[Arc<Upstream>] {
        &self.upstreams
    }

    /// What `name` means in a request. `namespace` is the request's `?ns=`, unless that names this registry itself.
    pub fn resolve<'a>(&'a self, namespace: Option<&str>, name: &'a RepositoryName) -> Resolved<'a> {
        match namespace {
            None => match self.by_path(name) {
                Some((upstream, rest)) => within(Arc::clone(upstream), rest),
                None => Resolved::Local(name),
            },
            Some(namespace) => match namespace.parse() {
                Ok(registry) => self.resolve_at(&registry, name),
                Err(_) => Resolved::NotAllowed,
            },
        }
    }

    /// What `name` means at `registry`.
    pub fn resolve_at<'a>(&'a self, registry: &Authority, name: &'a RepositoryName) -> Resolved<'a> {
        let Some(upstream) = self.find(registry) else { return Resolved::NotAllowed };
        // Some clients repeat the host in the path.
        let repeated = name.as_str().split_once('/').filter(|(first, _)| {
            let first = first.parse().ok();
            first.and_then(|first| self.find(&first)).is_some_and(|by_path| by_path.name == upstream.name)
        });
        within(upstream, repeated.map_or(name.as_str(), |(_, rest)| rest))
    }

    /// The upstream that the path's first component names, and the rest of the path. A component cannot contain a port:
    /// an upstream with a port is named by its [folder](Upstream::folder) or by an alias.
    fn by_path<'a>(&self, name: &'a RepositoryName) -> Option<(&Arc<Upstream>, &'a str)> {
        let (first, rest) = name.as_str().split_once('/')?;
        let upstream = self.get(&first.parse().ok()?)?;
        let is_named = match &self.paths {
            Paths::All => true,
            Paths::None => false,
            Paths::One(name) => self.get(name).is_some_and(|one| one.name == upstream.name),
        };
        is_named.then_some((upstream, rest))
    }
}

fn within<'a>(upstream: Arc<Upstream>, name: &str) -> Resolved<'a> {
    // Docker Hub's official images have names of one component.
    let name =
        if upstream.is_hub() && !name.contains('/') { format!("library/{name}") } else { name.to_owned() };
    match name.parse() {
        Ok(name) => Resolved::Upstream(upstream, name),
        // `library/` made the name too long: no such repository can exist.
        Err(_) => Resolved::NotAllowed,
    }
}

/// The name that a registry's images are known by, if it has several names.
fn at_home(name: Authority) -> Authority {
    let hub = HUB.contains(&name.to_string().as_str()).then(|| HUB[0].parse().ok());
    hub.flatten().unwrap_or(name)
}

/// Whether a host's name could be public: it has at least two labels, and is not an address in any spelling that URLs
/// accept. The name's addresses are checked when it is dialled.
fn is_public_name(registry: &Authority) -> bool {
    let host = registry.host();
    let Some((_, last)) = host.rsplit_once('.') else { return false };
    // WHATWG URL, 3.5: a host whose last label is a number is an IPv4 address or invalid.
    let is_number = last.bytes().all(|c| c.is_ascii_digit()) || last.starts_with("0x");
    // Public hosts have no underscore; in a repository's name two of them stand for a port's colon.
    !is_number && last != "localhost" && !host.contains([':', '_'])
}
