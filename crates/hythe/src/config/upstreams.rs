//! Builds the list of allowed upstreams from the settings.

use std::collections::{BTreeMap, BTreeSet};

use hythe_client::{Client, ClientOptions, ConfigError, Credentials};
use hythe_oci::Authority;
use hythe_upstream::{Allowed, Upstream};

use super::nearest::{did_you_mean, nearest};
use crate::settings::{Settings, Upstreams};
use crate::tables::{UpstreamTable, known_name};
use crate::values::{Addition, Endpoint};

/// The allowed upstreams, and what is wrong with their configuration.
#[derive(Debug, Default)]
pub(super) struct Assembled {
    /// The upstreams that hythe may contact.
    pub(super) allowed: Allowed,
    /// Contradictions. `allowed` lacks the upstreams that they concern.
    pub(super) problems: Vec<Finding>,
    /// Warnings.
    pub(super) warnings: Vec<Finding>,
}

/// A problem or warning about a place in the configuration.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) place: FindingPlace,
    pub(super) text: String,
}

/// A place in the configuration.
#[derive(Clone, Debug)]
pub(super) enum FindingPlace {
    Key(&'static str),
    Table(Authority),
    Field(Authority, &'static str),
}

/// The upstreams that the settings allow. `load` already refused settings that contradict each other.
pub fn allowed(settings: &Settings) -> Allowed {
    assemble(&settings.upstream).allowed
}

/// The upstreams that the settings allow, with problems and warnings.
pub(super) fn assemble(settings: &Upstreams) -> Assembled {
    let mut assembled = Assembled::default();
    assembled.allowed.share_others(settings.share);
    if settings.any {
        assembled.allowed.allow_any(settings.ttl);
    }
    if !settings.by_path {
        assembled.allowed.only_by_namespace(settings.fallback.clone());
    }
    let additions = assembled.additions(settings);
    let removed = assembled.removed(settings, &additions);
    let is_named = |name: &Authority| additions.contains_key(name) || settings.tables.contains_key(name);
    let shipped = Allowed::shipped();
    for upstream in shipped.all().iter().filter(|upstream| settings.enabled && !is_named(&upstream.name)) {
        if !removed.contains(&upstream.name) {
            let (ttl, share, load) = (settings.ttl, settings.share, settings.load);
            let upstream = Upstream { ttl, share, load, ..(**upstream).clone() };
            assembled.add(upstream, &[], FindingPlace::Key("upstream.enabled"));
        }
    }
    let none = UpstreamTable::default();
    for (name, addition) in &additions {
        if !settings.tables.contains_key(name) {
            assembled.name(name, &none, Some(addition), settings, &removed);
        }
    }
    for (name, table) in settings.tables.iter() {
        assembled.name(name, table, additions.get(name).copied(), settings, &removed);
    }
    for mirror in &settings.mirror {
        assembled.expect(&mirror.upstream, &removed, "upstream.mirror");
    }
    if let Some(fallback) = &settings.fallback {
        assembled.expect(fallback, &removed, "upstream.fallback");
    }
    assembled
}

impl Assembled {
    fn problem(&mut self, place: FindingPlace, text: impl Into<String>) {
        self.problems.push(Finding { place, text: text.into() });
    }

    /// The additions, by their upstreams' canonical names.
    fn additions<'a>(&mut self, settings: &'a Upstreams) -> BTreeMap<Authority, &'a Addition> {
        let mut additions = BTreeMap::new();
        for addition in &settings.add {
            let name = known_name(addition.name.clone());
            if additions.insert(name, addition).is_some() {
                let text = format!("`{}` is added twice: list all its endpoints in one entry", addition.name);
                self.problem(FindingPlace::Key("upstream.add"), text);
            }
        }
        additions
    }

    /// The names of the removed upstreams. An unknown name is an error, because the user meant to exclude an upstream.
    fn removed(
        &mut self,
        settings: &Upstreams,
        additions: &BTreeMap<Authority, &Addition>,
    ) -> BTreeSet<Authority> {
        let shipped = Allowed::shipped();
        let names = shipped.all().iter().map(|upstream| &upstream.name);
        let names: Vec<&Authority> = names.chain(additions.keys()).chain(settings.tables.keys()).collect();
        let mut removed = BTreeSet::new();
        for text in &settings.remove {
            let name = known_name(text.clone());
            // An upstream with this name counts before an upstream with this alias: the user may have added the alias
            // to replace the upstream that is removed.
            let aliased = || settings.tables.iter().find(|(_, table)| table.aliases.contains(text));
            self.allowed.refuse(name.clone());
            if names.contains(&&name) {
                removed.insert(name);
            } else if let Some((name, _)) = aliased() {
                self.allowed.refuse(name.clone());
                removed.insert(name.clone());
            } else if !settings.any {
                let all: Vec<String> = names.iter().map(ToString::to_string).collect();
                let found = nearest(&name.to_string(), all.iter().map(String::as_str));
                let text = format!("there is no upstream `{name}` to remove{}", did_you_mean(found));
                self.problem(FindingPlace::Key("upstream.remove"), text);
            }
        }
        removed
    }

    /// Allows an upstream that the configuration adds or describes.
    fn name(
        &mut self,
        name: &Authority,
        table: &UpstreamTable,
        addition: Option<&Addition>,
        settings: &Upstreams,
        removed: &BTreeSet<Authority>,
    ) {
        let has_table = settings.tables.contains_key(name);
        let place =
            if has_table { FindingPlace::Table(name.clone()) } else { FindingPlace::Key("upstream.add") };
        if removed.contains(name) {
            let text = format!("hythe does not contact `{name}`: `upstream.remove` names it");
            return self.warnings.push(Finding { place, text });
        }
        let field = |field| FindingPlace::Field(name.clone(), field);
        let credentials = match credentials(table) {
            Ok(credentials) => credentials,
            Err((wrong, text)) => return self.problem(field(wrong), text),
        };
        let added = addition.map_or(&[][..], |addition| &addition.endpoints);
        let endpoints = if added.is_empty() { &table.endpoints } else { added };
        let mut upstream = if endpoints.is_empty() {
            Upstream::at_home(name.clone())
        } else {
            Upstream::new(name.clone(), endpoints.iter().map(Endpoint::to_string).collect())
        };
        upstream.credentials = credentials;
        upstream.ca.clone_from(&table.ca);
        upstream.private_hosts.clone_from(&table.private_hosts);
        upstream.ttl = table.ttl.unwrap_or(settings.ttl);
        upstream.ttl_by_tag = table.ttl_by_tag.iter().map(|of| (of.pattern.clone(), of.ttl)).collect();
        upstream.share = table.share.unwrap_or(settings.share);
        upstream.load = settings.load;
        upstream.pushable = table.pushable;
        match check(&upstream) {
            Ok(()) => self.add(upstream, &table.aliases, place),
            Err(error @ ConfigError::Ca { .. }) => self.problem(field("ca"), error.to_string()),
            Err(error @ ConfigError::Credentials { .. }) => {
                let said = login_field(table).unwrap_or("username");
                self.problem(field(said), error.to_string());
            }
            Err(error @ ConfigError::Endpoint { .. }) => {
                let place =
                    if added.is_empty() { field("endpoints") } else { FindingPlace::Key("upstream.add") };
                self.problem(place, error.to_string());
            }
        }
    }

    fn add(&mut self, upstream: Upstream, aliases: &[Authority], place: FindingPlace) {
        let name = upstream.name.clone();
        if let Err(error) = self.allowed.add(upstream, aliases) {
            use hythe_upstream::ConfigError::{Authority, Reserved, Taken};
            let place = match &error {
                Taken { name: taken, .. } if *taken != name => FindingPlace::Field(name, "aliases"),
                Taken { .. } | Reserved { .. } | Authority(_) => place,
            };
            self.problem(place, error.to_string());
        }
    }

    /// Reports an upstream of a listener that is not allowed.
    fn expect(&mut self, name: &Authority, removed: &BTreeSet<Authority>, key: &'static str) {
        if self.allowed.get(name).is_some() {
            return;
        }
        let why = if removed.contains(&known_name(name.clone())) {
            ": `upstream.remove` names it".to_owned()
        } else {
            let all: Vec<String> =
                self.allowed.all().iter().map(|upstream| upstream.name.to_string()).collect();
            did_you_mean(nearest(&name.to_string(), all.iter().map(String::as_str)))
        };
        self.problem(FindingPlace::Key(key), format!("there is no upstream `{name}`{why}"));
    }
}

/// The first field of the table's login, if it has a login.
pub(super) fn login_field(table: &UpstreamTable) -> Option<&'static str> {
    groups(table).into_iter().flatten().next()
}

/// The first field that is set of each of the three ways to log in.
fn groups(table: &UpstreamTable) -> [Option<&'static str>; 3] {
    let basic = [
        ("username", table.username.is_some()),
        ("password", table.password.is_some()),
        ("password-file", table.password_file.is_some()),
    ];
    [
        basic.into_iter().find(|(_, said)| *said).map(|(name, _)| name),
        table.identity_token_file.is_some().then_some("identity-token-file"),
        table.docker_config.then_some("docker-config"),
    ]
}

/// The credentials, or the field that contradicts another field, with an error message.
fn credentials(table: &UpstreamTable) -> Result<Credentials, (&'static str, String)> {
    let groups: Vec<&str> = groups(table).into_iter().flatten().collect();
    if let [first, second, ..] = groups.as_slice() {
        return Err((second, format!("`{second}` and `{first}` are two different logins: keep only one")));
    }
    if let Some(file) = &table.identity_token_file {
        return Ok(Credentials::IdentityToken(file.secret.reveal().to_owned()));
    }
    if table.docker_config {
        return Ok(table.docker_login.clone());
    }
    let file = table.password_file.as_ref().map(|file| &file.secret);
    match (&table.username, &table.password, file) {
        (None, None, None) => Ok(Credentials::Anonymous),
        (_, Some(_), Some(_)) => {
            Err(("password-file", "`password` and `password-file` are both set: keep only one".to_owned()))
        }
        (Some(_), None, None) => {
            Err(("username", "`username` also needs `password` or `password-file`".to_owned()))
        }
        (None, Some(_), None) => Err(("password", "`password` also needs `username`".to_owned())),
        (None, None, Some(_)) => Err(("password-file", "`password-file` also needs `username`".to_owned())),
        (Some(username), Some(password), None) | (Some(username), None, Some(password)) => {
            Ok(Credentials::Basic { username: username.clone(), password: password.reveal().to_owned() })
        }
    }
}

/// Checks that the client accepts the upstream, so that an error shows at the start and not at the first pull.
fn check(upstream: &Upstream) -> Result<(), ConfigError> {
    upstream.endpoints.iter().try_for_each(|endpoint| {
        let options = ClientOptions {
            credentials: upstream.credentials.clone(),
            ca: upstream.ca.clone(),
            ..ClientOptions::new(endpoint)
        };
        Client::new(options).map(drop)
    })
}
