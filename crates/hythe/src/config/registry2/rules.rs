//! The meaning of each key of `registry:2` in hythe.

use std::fmt;

use super::convert::{self, Converted};
use super::tree::Node;

/// One key of `registry:2` and its meaning.
#[derive(Debug)]
pub(crate) struct Rule {
    /// The key's path, in lower case; `*` at the end matches any key.
    pub(crate) path: &'static str,
    /// The key's meaning.
    pub(crate) meaning: Meaning,
}

/// The meaning of a key of `registry:2`.
pub(crate) enum Meaning {
    /// A section, which only has keys below it.
    Section,
    /// The version of the file.
    Version,
    /// Sets this key of hythe, through this conversion.
    Sets(&'static str, fn(&Node) -> Converted),
    /// Sets this key of hythe if the value is a boolean. `registry:2` silently reads every other value as false, even a
    /// text in quotes.
    SetsIfBoolean(&'static str),
    /// Read together with the other keys of its section. The text says what the key sets.
    Together(&'static str),
    /// Refused, because ignoring the key would make the server less safe, or another server than the user means. An
    /// empty value or one that turns the feature off is accepted. The text says why.
    Refused(&'static str),
    /// Refused even if all keys below it are empty.
    RefusedIfPresent(&'static str),
    /// Refused except for one value, which hythe's behaviour matches.
    RefusedUnless(&'static str, &'static str),
    /// Ignored with a warning, because hythe does not need or not have the feature. The text says why.
    Ignored(&'static str),
    /// Ignored with a warning, except for one value, which hythe's behaviour matches.
    IgnoredUnless(&'static str, &'static str),
}

impl fmt::Debug for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence())
    }
}

impl Meaning {
    /// The meaning in words, for the documentation.
    pub(crate) fn sentence(&self) -> String {
        match self {
            Self::Section => "a section".to_owned(),
            Self::Version => "must be 0.1".to_owned(),
            Self::Sets(key, _) => format!("`{key}`"),
            Self::SetsIfBoolean(key) => {
                format!(
                    "`{key}`; a value that is not a boolean, such as `\"true\"` in quotes, has no effect, as in registry:2"
                )
            }
            Self::Together(what) => (*what).to_owned(),
            Self::Refused(why) | Self::RefusedIfPresent(why) => format!("hythe does not start: {why}"),
            Self::RefusedUnless(wanted, why) => {
                format!("hythe does not start unless the value is `{wanted}`: {why}")
            }
            Self::Ignored(why) => format!("no effect: {why}"),
            Self::IgnoredUnless(wanted, why) => {
                format!("no effect; hythe behaves as with `{wanted}`: {why}")
            }
        }
    }
}

const fn rule(path: &'static str, meaning: Meaning) -> Rule {
    Rule { path, meaning }
}

/// The keys below `storage` that are not drivers. The presence of any other key chooses a driver.
pub(super) const NO_DRIVERS: &[&str] = &["cache", "delete", "maintenance", "redirect", "tag"];

pub(super) const OBJECTS: &str =
    "hythe has no object storage yet; keep the data in a folder (storage.filesystem)";
pub(super) const NO_DRIVER: &str =
    "hythe has no such storage driver; keep the data in a folder (storage.filesystem)";
const OPEN: &str =
    "without it anyone who can reach the registry could push and delete; remove it only if you want that";
const NO_ACME: &str = "hythe requests no certificates yet; let certbot or another ACME client write the files of `http.tls.certificate` and `http.tls.key`";
const SAFE_CIPHERS: &str = "hythe speaks TLS 1.2 and 1.3 with ciphers that are known to be safe";
const FIELDS: &str = "hythe's log lines have fixed fields";

/// Every known key, in `registry:2`'s order.
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
    rule("storage.filesystem.maxthreads", Meaning::Ignored("hythe limits its file operations itself")),
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
    rule("storage.cache", Meaning::Ignored("the catalog database makes a cache of descriptors unnecessary")),
    rule("storage.tag", Meaning::Ignored("tags are in the catalog database; lookups need no limit")),
    rule("storage.maintenance", Meaning::Section),
    rule("storage.maintenance.uploadpurging", Meaning::Section),
    rule(
        "storage.maintenance.uploadpurging.enabled",
        Meaning::IgnoredUnless("true", "abandoned uploads always expire; see `upload.expire`"),
    ),
    rule("storage.maintenance.uploadpurging.age", Meaning::Sets("upload.expire", convert::duration)),
    rule(
        "storage.maintenance.uploadpurging.interval",
        Meaning::Ignored("hythe chooses when it looks for abandoned uploads"),
    ),
    rule(
        "storage.maintenance.uploadpurging.dryrun",
        Meaning::Ignored("abandoned uploads always expire; see `upload.expire`"),
    ),
    rule("storage.maintenance.readonly", Meaning::Section),
    rule(
        "storage.maintenance.readonly.enabled",
        Meaning::RefusedUnless("false", "hythe has no read-only mode, and would accept pushes"),
    ),
    rule("storage.*", Meaning::RefusedIfPresent(NO_DRIVER)),
    rule("auth", Meaning::Section),
    rule("auth.none", Meaning::Together("no authentication, unless hythe's own keys ask for it")),
    rule("auth.htpasswd", Meaning::Section),
    rule("auth.htpasswd.path", Meaning::Sets("auth.htpasswd", convert::same)),
    rule("auth.htpasswd.realm", Meaning::Together("the realm is always `hythe`")),
    rule("auth.*", Meaning::RefusedIfPresent(OPEN)),
    rule("middleware", Meaning::Ignored("hythe has no plug-ins")),
    rule("reporting", Meaning::Ignored("hythe sends no error reports")),
    rule("http", Meaning::Section),
    rule("http.addr", Meaning::Sets("listen", convert::address)),
    rule("http.net", Meaning::RefusedUnless("tcp", "hythe listens on TCP only")),
    rule(
        "http.prefix",
        Meaning::RefusedUnless("/", "hythe serves /v2/ only; strip the prefix in a proxy in front of hythe"),
    ),
    rule("http.host", Meaning::Sets("http.hosts", convert::host)),
    rule("http.secret", Meaning::Ignored("the server keeps the state of uploads, so it has nothing to sign")),
    rule("http.relativeurls", Meaning::Ignored("hythe's URLs are always relative")),
    rule("http.draintimeout", Meaning::Sets("http.drain-timeout", convert::duration)),
    rule("http.tls", Meaning::Section),
    rule("http.tls.certificate", Meaning::Sets("tls.certificate", convert::same)),
    rule("http.tls.key", Meaning::Sets("tls.key", convert::same)),
    rule("http.tls.clientcas", Meaning::Sets("tls.client-ca", convert::texts)),
    rule("http.tls.clientauth", Meaning::Sets("tls.client-auth", convert::client_auth)),
    rule("http.tls.minimumtls", Meaning::Sets("tls.min-version", convert::tls_version)),
    rule("http.tls.ciphersuites", Meaning::Ignored(SAFE_CIPHERS)),
    rule("http.tls.letsencrypt", Meaning::Refused(NO_ACME)),
    rule("http.headers", Meaning::Section),
    rule("http.headers.access-control-allow-origin", Meaning::Sets("http.cors-origins", convert::origins)),
    rule(
        "http.headers.x-content-type-options",
        Meaning::IgnoredUnless("nosniff", "hythe chooses its response headers"),
    ),
    rule("http.headers.*", Meaning::Ignored("hythe chooses its response headers")),
    rule("http.debug", Meaning::Ignored("hythe has no second listener for debugging")),
    rule("http.http2", Meaning::Section),
    rule("http.http2.disabled", Meaning::IgnoredUnless("false", "with TLS, hythe also speaks HTTP/2")),
    rule("http.h2c", Meaning::Ignored("hythe speaks HTTP/2 with TLS only")),
    rule("notifications", Meaning::Ignored("hythe does not send notifications yet")),
    rule("redis", Meaning::Ignored("the catalog database makes a cache of descriptors unnecessary")),
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
            "hythe keeps fetched content while there is space, and checks a tag again after `upstream.ttl`",
        ),
    ),
    rule(
        "proxy.exec",
        Meaning::Refused(
            "hythe does not run this credential helper, and would pull from the upstream anonymously; set `proxy.username` and `proxy.password`, or `docker-config` in a hythe.toml",
        ),
    ),
    rule("compatibility", Meaning::Ignored("hythe accepts no schema 1 manifests")),
    rule("validation", Meaning::Ignored("hythe always checks manifests, by its own rules")),
    rule("policy", Meaning::Ignored("hythe has no repository classes")),
];

/// The rule for a path: the path's own rule, else its parent's `*` rule.
pub(super) fn find(path: &str) -> Option<&'static Rule> {
    let any = path.rsplit_once('.').map(|(parent, _)| format!("{parent}.*"));
    RULES
        .iter()
        .find(|rule| rule.path == path)
        .or_else(|| RULES.iter().find(|rule| Some(rule.path) == any.as_deref()))
}
