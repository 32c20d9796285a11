//! The upstreams that may be asked, and which of them a request means (DESIGN, decision 6).

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hythe_client::Credentials;
use hythe_oci::{Authority, AuthorityError, RepositoryName, Tag};
use hythe_registry::{Origin, Pattern, Provenance};

use crate::{Share, Via};

/// Docker Hub's names; the first is the one that images are known by.
const HUB: [&str; 4] = ["docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"];

/// Where Docker Hub's API is, which its name is not.
const HUB_API: &str = "https://registry-1.docker.io";

/// Public registries that work without a word of configuration.
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

/// A registry that may be asked for what is not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// The name that its images are known by, whichever alias was used.
    pub name: Authority,
    /// Where it is asked, in this order: addresses with their scheme, without a slash at the end.
    pub endpoints: Vec<String>,
    /// Who asks; all endpoints are told.
    pub credentials: Credentials,
    /// PEM files of certificate authorities beyond the system's.
    pub ca: Vec<PathBuf>,
    /// Hosts that may have private addresses though no endpoint names them.
    pub private_hosts: Vec<Authority>,
    /// How long what a tag names is taken to be what it still names.
    pub ttl: Duration,
    /// The same for the tags that a pattern means; the first one that does counts.
    pub ttl_by_tag: Vec<(Pattern, Duration)>,
    /// Who gets what it gives to credentials.
    pub share: Share,
    /// Whether what is pushed under its names is taken, and then stands for what it has.
    pub pushable: bool,
    /// Whether only a client names it, and no operator: then it is asked at public addresses alone.
    pub unlisted: bool,
}

/// How long a tag is believed by default: asking again costs a HEAD, which counts nowhere.
pub const TTL: Duration = Duration::from_mins(1);

impl Upstream {
    /// The registry `name`, asked at its own address by HTTPS.
    pub fn at_home(name: Authority) -> Self {
        let hub = HUB.contains(&name.to_string().as_str());
        let endpoint = if hub { HUB_API.to_owned() } else { format!("https://{name}") };
        Self::new(name, vec![endpoint])
    }

    /// The registry `name`, asked at these endpoints.
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
            pushable: false,
            unlisted: false,
        }
    }

    /// What stands for all unlisted ones where each would be one too many; none is called so.
    pub const OTHERS: &str = "other";

    /// How long what this tag names is taken to be what it still names.
    pub fn ttl_of(&self, name: &RepositoryName, tag: &Tag) -> Duration {
        let meant = self.ttl_by_tag.iter().find(|(pattern, _)| pattern.matches(name, tag));
        meant.map_or(self.ttl, |(_, ttl)| *ttl)
    }

    /// Whether it is asked with credentials.
    pub fn has_login(&self) -> bool {
        self.credentials != Credentials::Anonymous
    }

    /// The first component of its repositories' names here.
    pub fn folder(&self) -> String {
        self.name.folder()
    }

    fn is_hub(&self) -> bool {
        self.name.host() == HUB[0] && self.name.port().is_none()
    }
}

/// What a request's name means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved<'a> {
    /// A repository of this registry's own.
    Local(&'a RepositoryName),
    /// A repository of an upstream, by the name that it has there.
    Upstream(Arc<Upstream>, RepositoryName),
    /// A registry that may not be asked: 404, so that the client asks it itself, and no image of one registry is ever
    /// the answer for another's.
    NotAllowed,
}

/// A configuration that contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A name that is none.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// A name that no upstream can have.
    #[error("`{name}` cannot be an upstream's name: {reason}")]
    Reserved {
        /// The name.
        name: Authority,
        /// Why not.
        reason: &'static str,
    },
    /// Two upstreams under one name.
    #[error("`{name}` already means upstream `{upstream}`; an alias can mean one only")]
    Taken {
        /// The name.
        name: Authority,
        /// What it means.
        upstream: Authority,
    },
}

/// The upstreams that may be asked.
#[derive(Clone, Debug, Default)]
pub struct Allowed {
    upstreams: Vec<Arc<Upstream>>,
    /// Names and aliases, and whose they are.
    names: HashMap<Authority, usize>,
    /// Where any public registry may be asked: how long their tags are believed.
    any: Option<Duration>,
    /// Those that may not be asked all the same.
    refused: HashSet<Authority>,
    /// Who gets what was fetched with credentials from an upstream that is not listed any more.
    share: Share,
    paths: Paths,
}

/// Which upstreams a path may name by its first component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Paths {
    #[default]
    All,
    None,
    One(Authority),
}

impl Allowed {
    /// None.
    pub fn none() -> Self {
        Self::default()
    }

    /// The public registries that people use.
    ///
    /// # Panics
    /// Never: what is shipped is tested.
    pub fn shipped() -> Self {
        let mut allowed = Self::none();
        for name in SHIPPED {
            let name = name.parse().expect("a shipped name is a host");
            allowed.add(Upstream::at_home(name), &[]).expect("each is shipped once");
        }
        allowed
    }

    /// Adds an upstream, or replaces the one of its name; `aliases` are further names for it.
    pub fn add(&mut self, upstream: Upstream, aliases: &[Authority]) -> Result<(), ConfigError> {
        let reserved = |reason| ConfigError::Reserved { name: upstream.name.clone(), reason };
        if upstream.name.to_string() == "local" {
            return Err(reserved("it stands for what is pushed here"));
        }
        if upstream.name.to_string() == Upstream::OTHERS {
            return Err(reserved("it stands for those that only clients name"));
        }
        if upstream.folder().parse::<RepositoryName>().is_err() {
            return Err(reserved(
                "repositories could not be named after it; give a name, and this as its endpoint",
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

    /// Forgets the upstream of this name or alias; whether there was one.
    pub fn remove(&mut self, name: &Authority) -> bool {
        let Some(at) = self.names.get(name).copied() else { return false };
        self.upstreams.remove(at);
        self.names.retain(|_, owner| *owner != at);
        self.names.values_mut().filter(|owner| **owner > at).for_each(|owner| *owner -= 1);
        true
    }

    /// Lets every public registry be asked that a client names by its host, in `?ns=`. Their tags are believed for `ttl`.
    pub fn allow_any(&mut self, ttl: Duration) {
        self.any = Some(ttl);
    }

    /// Whether any public registry may be asked.
    pub fn allows_any(&self) -> bool {
        self.any.is_some()
    }

    /// Keeps a registry from being asked where any may be, by whichever of its names.
    pub fn refuse(&mut self, name: Authority) {
        self.refused.insert(at_home(name));
    }

    /// Says who gets what was fetched with credentials from an upstream that is not listed any more.
    pub fn share_others(&mut self, share: Share) {
        self.share = share;
    }

    /// Keeps paths from naming upstreams, as in `registry:2`, whose names of repositories are all its own. Only `except` is
    /// still named so.
    pub fn only_by_namespace(&mut self, except: Option<Authority>) {
        self.paths = except.map_or(Paths::None, Paths::One);
    }

    /// Whether what is in a repository may be the answer to a request that came in this way.
    pub fn shares(&self, provenance: &Provenance, via: Via) -> bool {
        let Provenance { origin: Origin::Upstream(name), private } = provenance else { return true };
        let listed = name.parse().ok().and_then(|name| self.get(&name));
        let share = listed.map_or(self.share, |upstream| upstream.share);
        share.reaches(via) || !(*private || listed.is_some_and(|upstream| upstream.has_login()))
    }

    /// The upstream that a client names by its host: one that is listed, or any, where any may be asked.
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

    /// The listed upstream of this name or alias.
    pub fn get(&self, name: &Authority) -> Option<&Arc<Upstream>> {
        self.names.get(name).map(|at| &self.upstreams[*at])
    }

    /// All of them.
    pub fn all(&self) -> &[Arc<Upstream>] {
        &self.upstreams
    }

    /// What `name` means in a request with this `?ns=`, if it has one that does not name this registry itself.
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

    /// What `name` means where `registry` is known to be meant.
    pub fn resolve_at<'a>(&'a self, registry: &Authority, name: &'a RepositoryName) -> Resolved<'a> {
        let Some(upstream) = self.find(registry) else { return Resolved::NotAllowed };
        // Some say the host twice.
        let repeated = name.as_str().split_once('/').filter(|(first, _)| {
            let first = first.parse().ok();
            first.and_then(|first| self.find(&first)).is_some_and(|by_path| by_path.name == upstream.name)
        });
        within(upstream, repeated.map_or(name.as_str(), |(_, rest)| rest))
    }

    /// The upstream that the path's first component names, and what follows it. A component has no port: an upstream with
    /// one is named by its [folder](Upstream::folder), or by an alias.
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
    // Docker Hub's own images are known by one word.
    let name =
        if upstream.is_hub() && !name.contains('/') { format!("library/{name}") } else { name.to_owned() };
    match name.parse() {
        Ok(name) => Resolved::Upstream(upstream, name),
        // `library/` made it too long for a name: there is no such repository.
        Err(_) => Resolved::NotAllowed,
    }
}

/// The name that a registry's images are known by, where it has several.
fn at_home(name: Authority) -> Authority {
    let hub = HUB.contains(&name.to_string().as_str()).then(|| HUB[0].parse().ok());
    hub.flatten().unwrap_or(name)
}

/// Whether a host could be one of the public network by its name: of two labels at least, and no address in any spelling
/// that a URL takes for one. What the name means is looked at when it is dialled.
fn is_public_name(registry: &Authority) -> bool {
    let host = registry.host();
    let Some((_, last)) = host.rsplit_once('.') else { return false };
    // WHATWG URL, 3.5: a host whose last label is a number is an IPv4 address, or none.
    let is_number = last.bytes().all(|c| c.is_ascii_digit()) || last.starts_with("0x");
    // No host of the public network has an underscore; in a repository's name two of them stand for a port's colon.
    !is_number && last != "localhost" && !host.contains([':', '_'])
}
