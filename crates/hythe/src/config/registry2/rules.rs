//! What each key of `registry:2` means to hythe.

use std::fmt;

use super::convert::{self, Converted};
use super::tree::Node;

/// What one key of `registry:2` means.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Its path, in lower case; `*` at the end is any key.
    pub(crate) path: &'static str,
    /// What it means.
    pub(crate) meaning: Meaning,
}

/// What a key of `registry:2` means.
pub(crate) enum Meaning {
    /// It only has keys below it.
    Section,
    /// The version of the file.
    Version,
    /// It is a key of hythe.
    Sets(&'static str, fn(&Node) -> Converted),
    /// The same, where it is a boolean: `registry:2` takes everything else for false without a word, a text in quotes too.
    SetsIfBoolean(&'static str),
    /// It is read with all of its section; what it sets.
    Together(&'static str),
    /// Without it the server would be less safe, or not the one that was meant. Empty and off are fine.
    Refused(&'static str),
    /// The same, even where all below is empty.
    RefusedIfPresent(&'static str),
    /// The same, but for one value, which is what hythe does.
    RefusedUnless(&'static str, &'static str),
    /// It is not needed or not there; a warning names it.
    Ignored(&'static str),
    /// The same, but for one value, which is what hythe does.
    IgnoredUnless(&'static str, &'static str),
}

impl fmt::Debug for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence())
    }
}

impl Meaning {
    /// For the documentation.
    pub(crate) fn sentence(&self) -> String {
        match self {
            Self::Section => "a section".to_owned(),
            Self::Version => "must be 0.1".to_owned(),
            Self::Sets(key, _) => format!("`{key}`"),
            Self::SetsIfBoolean(key) => {
                format!(
                    "`{key}`; what is no boolean, as `\"true\"` in quotes, has no effect, as in registry:2"
                )
            }
            Self::Together(what) => (*what).to_owned(),
            Self::Refused(why) | Self::RefusedIfPresent(why) => format!("hythe does not start: {why}"),
            Self::RefusedUnless(wanted, why) => format!("hythe does not start, unless `{wanted}`: {why}"),
            Self::Ignored(why) => format!("no effect: {why}"),
            Self::IgnoredUnless(wanted, why) => {
                format!("no effect, unless `{wanted}`, which is what hythe does: {why}")
            }
        }
    }
}

const fn rule(path: &'static str, meaning: Meaning) -> Rule {
    Rule { path, meaning }
}

/// What else is below `storage`: every other key there chooses a driver, by its presence.
pub(super) const NO_DRIVERS: &[&str] = &["cache", "delete", "maintenance", "redirect", "tag"];

pub(super) const OBJECTS: &str =
    "object storage is not there yet; keep the data in a folder (storage.filesystem)";
pub(super) const NO_DRIVER: &str =
    "there is no such storage driver here; keep the data in a folder (storage.filesystem)";
const OPEN: &str = "without it everybody who reaches the registry could push and delete; remove it only if that is what you want";
const PLAIN: &str = "without it credentials and images would cross the network in the clear; end TLS in front of hythe, and remove it here";
const FIELDS: &str = "hythe's log lines have fixed fields";

/// Every key that is known, in `registry:2`'s order.
pub(crate) static RULES: &[Rule] = &[
    rule("version", Meaning::Version),
    rule("log", Meaning::Section),
    rule("log.level", Meaning::Sets("log.level", convert::lower)),
    rule("log.formatter", Meaning::Sets("log.format", convert::formatter)),
    rule("log.fields", Meaning::Ignored(FIELDS)),
    rule("log.accesslog", Meaning::Section),
    rule("log.accesslog.disabled", Meaning::Sets("log.requests", convert::opposite)),
    rule("log.hooks", Meaning::Ignored("hythe sends no mail; watch its log")),
    rule("log.reportcaller", Meaning::Ignored(FIELDS)),
    rule("loglevel", Meaning::Sets("log.level", convert::lower)),
    rule("storage", Meaning::Section),
    rule("storage.filesystem", Meaning::Section),
    rule("storage.filesystem.rootdirectory", Meaning::Sets("data", convert::same)),
    rule("storage.filesystem.maxthreads", Meaning::Ignored("hythe bounds its file operations itself")),
    rule("storage.inmemory", Meaning::Section),
    rule("storage.s3", Meaning::RefusedIfPresent(OBJECTS)),
    rule("storage.s3aws", Meaning::RefusedIfPresent(OBJECTS)),
    rule("storage.azure", Meaning::RefusedIfPresent(OBJECTS)),
    rule("storage.gcs", Meaning::RefusedIfPresent(OBJECTS)),
    rule("storage.oss", Meaning::RefusedIfPresent(OBJECTS)),
    rule("storage.swift", Meaning::RefusedIfPresent(OBJECTS)),
    rule("storage.delete", Meaning::Section),
    rule("storage.delete.enabled", Meaning::SetsIfBoolean("delete.enabled")),
    rule("storage.redirect", Meaning::Section),
    rule("storage.redirect.disable", Meaning::IgnoredUnless("true", "hythe serves every blob itself")),
    rule("storage.cache", Meaning::Ignored("what names blobs is in a database; no cache is needed")),
    rule("storage.tag", Meaning::Ignored("tags are in a database; no lookup limit is needed")),
    rule("storage.maintenance", Meaning::Section),
    rule("storage.maintenance.uploadpurging", Meaning::Section),
    rule(
        "storage.maintenance.uploadpurging.enabled",
        Meaning::IgnoredUnless("true", "abandoned uploads always expire; see `upload.expire`"),
    ),
    rule("storage.maintenance.uploadpurging.age", Meaning::Sets("upload.expire", convert::duration)),
    rule(
        "storage.maintenance.uploadpurging.interval",
        Meaning::Ignored("hythe looks for abandoned uploads by itself"),
    ),
    rule(
        "storage.maintenance.uploadpurging.dryrun",
        Meaning::Ignored("abandoned uploads always expire; see `upload.expire`"),
    ),
    rule("storage.maintenance.readonly", Meaning::Section),
    rule(
        "storage.maintenance.readonly.enabled",
        Meaning::RefusedUnless("false", "without it this registry would accept pushes"),
    ),
    rule("storage.*", Meaning::RefusedIfPresent(NO_DRIVER)),
    rule("auth", Meaning::RefusedUnless("none", OPEN)),
    rule("middleware", Meaning::Ignored("hythe has no plug-ins")),
    rule("reporting", Meaning::Ignored("hythe reports to nobody")),
    rule("http", Meaning::Section),
    rule("http.addr", Meaning::Sets("listen", convert::address)),
    rule("http.net", Meaning::RefusedUnless("tcp", "it listens on TCP only")),
    rule(
        "http.prefix",
        Meaning::RefusedUnless("/", "it answers at /v2/ only; strip the prefix in front of hythe"),
    ),
    rule("http.host", Meaning::Sets("http.hosts", convert::host)),
    rule(
        "http.secret",
        Meaning::Ignored("an upload's state stays on the server, nothing needs to be signed"),
    ),
    rule("http.relativeurls", Meaning::Ignored("hythe decides by the request how it names itself")),
    rule("http.draintimeout", Meaning::Sets("http.drain-timeout", convert::duration)),
    rule("http.tls", Meaning::Refused(PLAIN)),
    rule("http.headers", Meaning::Section),
    rule("http.headers.access-control-allow-origin", Meaning::Sets("http.cors-origins", convert::origins)),
    rule(
        "http.headers.x-content-type-options",
        Meaning::IgnoredUnless("nosniff", "hythe chooses its answers' headers"),
    ),
    rule("http.headers.*", Meaning::Ignored("hythe chooses its answers' headers")),
    rule("http.debug", Meaning::Ignored("there is no second listener for debugging")),
    rule("http.http2", Meaning::Section),
    rule("http.http2.disabled", Meaning::IgnoredUnless("true", "hythe speaks HTTP/1.1")),
    rule("http.h2c", Meaning::Ignored("hythe speaks HTTP/1.1")),
    rule("notifications", Meaning::Ignored("not supported yet, no endpoint is called")),
    rule("redis", Meaning::Ignored("what names blobs is in a database; no cache is needed")),
    rule("health", Meaning::Ignored("hythe checks its own storage")),
    rule("catalog", Meaning::Section),
    rule("catalog.maxentries", Meaning::Sets("catalog.max-page", convert::entries)),
    rule("tags", Meaning::Section),
    rule("tags.maxtags", Meaning::Sets("tags.max-page", convert::entries)),
    rule("proxy", Meaning::Section),
    rule(
        "proxy.remoteurl",
        Meaning::Together(
            "`upstream.fallback`, and that upstream's `endpoints`; `https://registry-1.docker.io` is `docker.io`",
        ),
    ),
    rule(
        "proxy.username",
        Meaning::Together(
            "that upstream's `username`, and its `share`: `all`, unless `upstream.share` is set",
        ),
    ),
    rule("proxy.password", Meaning::Together("that upstream's `password`")),
    rule(
        "proxy.ttl",
        Meaning::IgnoredUnless(
            "0",
            "what was fetched is kept as long as there is space; a tag is asked for again after `upstream.ttl`",
        ),
    ),
    rule(
        "proxy.exec",
        Meaning::Refused(
            "its credential helper is not run, so that the upstream would be asked by nobody in particular; name a user and a password, or `docker-config` in a hythe.toml",
        ),
    ),
    rule("compatibility", Meaning::Ignored("schema 1 manifests are not accepted")),
    rule("validation", Meaning::Ignored("manifests are always checked, in hythe's way")),
    rule("policy", Meaning::Ignored("hythe has no repository classes")),
];

/// The rule of a path: its own, else its parent's `*`.
pub(super) fn find(path: &str) -> Option<&'static Rule> {
    let any = path.rsplit_once('.').map(|(parent, _)| format!("{parent}.*"));
    RULES
        .iter()
        .find(|rule| rule.path == path)
        .or_else(|| RULES.iter().find(|rule| Some(rule.path) == any.as_deref()))
}
