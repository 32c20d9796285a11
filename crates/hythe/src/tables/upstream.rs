//! The tables of upstreams, `[upstream."NAME"]`.

use std::path::PathBuf;
use std::time::Duration;

use hythe_client::Credentials;
use hythe_oci::Authority;
use hythe_upstream::{Allowed, Share};
use serde_json::Value;

use super::table::{Field, Form, Table};
use crate::values::read::{choice, duration, list, names, path, paths, some, switch, text, texts};
use crate::values::{
    Choice, Endpoint, Raw, Secret, SecretFile, TagTtl, ValueError, parse_name, show_duration,
};

/// The table of one upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field's sentence is in `FIELDS`, spelt once")]
pub struct UpstreamTable {
    pub endpoints: Vec<Endpoint>,
    pub aliases: Vec<Authority>,
    pub ttl: Option<Duration>,
    pub ttl_by_tag: Vec<TagTtl>,
    pub share: Option<Share>,
    pub pushable: bool,
    pub username: Option<String>,
    pub password: Option<Secret>,
    pub password_file: Option<SecretFile>,
    pub identity_token_file: Option<SecretFile>,
    pub docker_config: bool,
    pub ca: Vec<PathBuf>,
    pub private_hosts: Vec<Authority>,
    /// The login from Docker's configuration, after it was read; only if `docker_config` is set.
    pub docker_login: Credentials,
}

impl Table for UpstreamTable {
    const WORD: &'static str = "upstream";
    const FORM: Form = Form::ByName;
    const DOC: &'static str = DOC;
    type Name = Authority;

    fn name(text: &str) -> Result<Authority, ValueError> {
        parse_name(text).map(known_name)
    }

    fn fields() -> &'static [Field<Self>] {
        FIELDS
    }
}

/// The canonical name of an upstream. Docker Hub has several names.
pub fn known_name(name: Authority) -> Authority {
    Allowed::shipped().get(&name).map_or(name, |upstream| upstream.name.clone())
}

const DOC: &str = r#"
## A table for an upstream

`[upstream."NAME"]` allows one upstream, and says how hythe contacts it. The name is the upstream's host, with a port if
needed, in quotes. Any table below `upstream` whose name is not a key belongs to an upstream. SIGHUP applies changes to
the tables, to files with passwords and tokens, and to Docker's configuration.

An upstream has at most one login: `username` with `password` or `password-file`, or `identity-token-file`, or
`docker-config`. Without a login hythe pulls anonymously.
"#;

static FIELDS: &[Field<UpstreamTable>] = &[
    Field {
        name: "endpoints",
        doc: "The addresses at which hythe contacts the upstream, in this order. Without this field, hythe connects by HTTPS to the host in the upstream's name.",
        allowed: "a list of addresses: http:// or https://, host, port, path",
        secret: false,
        read: |table, raw| put(&mut table.endpoints, some(list(raw))),
        show: |table| texts(&table.endpoints),
    },
    Field {
        name: "aliases",
        doc: "Additional names of the upstream.",
        allowed: "a list of names",
        secret: false,
        read: |table, raw| put(&mut table.aliases, names(raw)),
        show: |table| texts(&table.aliases),
    },
    Field {
        name: "ttl",
        doc: "The same as `upstream.ttl`, for this upstream.",
        allowed: "a duration (ms, s, m, h, d)",
        secret: false,
        read: |table, raw| put(&mut table.ttl, duration(raw, Duration::ZERO).map(Some)),
        show: |table| table.ttl.map(show_duration).into(),
    },
    Field {
        name: "ttl-by-tag",
        doc: "`ttl` for the tags that match a pattern; the first pattern that matches a tag counts. The names in a pattern are the upstream's own repository names.",
        allowed: "a list of PATTERN=DURATION, such as \"library/redis:7*=1d\"",
        secret: false,
        read: |table, raw| put(&mut table.ttl_by_tag, list(raw)),
        show: |table| texts(&table.ttl_by_tag),
    },
    Field {
        name: "share",
        doc: "The same as `upstream.share`, for this upstream.",
        allowed: "\"loopback\" or \"all\"",
        secret: false,
        read: |table, raw| put(&mut table.share, choice(raw).map(Some)),
        show: |table| table.share.map(Choice::word).into(),
    },
    Field {
        name: "pushable",
        doc: "Whether clients may push under the upstream's names, for example in a network that cannot reach the upstream. A push pins the repository: from then on hythe serves its pushed content, together with content that it fetched before, and does not ask the upstream for that repository. Before a push, clients ask by HEAD which content they can skip; a HEAD by path finds only pinned content.",
        allowed: "true or false",
        secret: false,
        read: |table, raw| put(&mut table.pushable, switch(raw)),
        show: |table| table.pushable.into(),
    },
    Field {
        name: "username",
        doc: "The user name for the upstream; it needs a password. hythe sends both to every endpoint.",
        allowed: "a name",
        secret: false,
        read: |table, raw| put(&mut table.username, username(raw).map(Some)),
        show: |table| table.username.clone().into(),
    },
    Field {
        name: "password",
        doc: "The password, or an access token in its place. Anyone who can read the configuration file can read it; `password-file` keeps it in a separate file.",
        allowed: "a text",
        secret: true,
        read: |table, raw| put(&mut table.password, secret(raw).map(Some)),
        show: |_| Value::Null,
    },
    Field {
        name: "password-file",
        doc: "A file that contains only the password.",
        allowed: "a path",
        secret: false,
        read: |table, raw| put(&mut table.password_file, secret_file(raw).map(Some)),
        show: |table| path_of(table.password_file.as_ref()),
    },
    Field {
        name: "identity-token-file",
        doc: "A file that contains only an identity token, which replaces user name and password.",
        allowed: "a path",
        secret: false,
        read: |table, raw| put(&mut table.identity_token_file, secret_file(raw).map(Some)),
        show: |table| path_of(table.identity_token_file.as_ref()),
    },
    Field {
        name: "docker-config",
        doc: "Whether hythe uses the login in Docker's configuration (`$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`), where `docker login` stores it. If a credential helper keeps the login, hythe runs the helper at the start and at each SIGHUP.",
        allowed: "true or false",
        secret: false,
        read: |table, raw| put(&mut table.docker_config, switch(raw)),
        show: |table| table.docker_config.into(),
    },
    Field {
        name: "ca",
        doc: "PEM files of certificate authorities that hythe trusts in addition to the system's.",
        allowed: "a list of paths",
        secret: false,
        read: |table, raw| put(&mut table.ca, paths(raw)),
        show: |table| table.ca.iter().map(|path| path.display().to_string()).collect(),
    },
    Field {
        name: "private-hosts",
        doc: "Hosts of storage and token servers that may have private addresses, although no endpoint names them. A host without a port means the host with any port.",
        allowed: "a list of hosts, with or without ports",
        secret: false,
        read: |table, raw| put(&mut table.private_hosts, names(raw)),
        show: |table| texts(&table.private_hosts),
    },
];

fn put<T>(place: &mut T, value: Result<T, ValueError>) -> Result<(), ValueError> {
    *place = value?;
    Ok(())
}

fn username(raw: &Raw) -> Result<String, ValueError> {
    let text = text(raw, "write a user name")?;
    if text.is_empty() || text.contains(':') {
        return Err(ValueError::new("a user name must not be empty or contain a colon"));
    }
    Ok(text.to_owned())
}

fn secret(raw: &Raw) -> Result<Secret, ValueError> {
    Secret::new(text(raw, "write a text, in quotes")?)
}

fn secret_file(raw: &Raw) -> Result<SecretFile, ValueError> {
    SecretFile::read(path(raw)?)
}

fn path_of(file: Option<&SecretFile>) -> Value {
    file.map(|file| file.path.display().to_string()).into()
}
