//! Every field that an upstream's table can have.

use std::time::Duration;

use serde_json::Value;

use super::field::Field;
use super::raw::Raw;
use super::read::{choice, duration, list, names, path, paths, some, switch, text, texts};
use crate::values::{Choice, Secret, SecretFile, ValueError, show_duration};

/// Every field, in the order of the documentation.
pub static FIELDS: &[Field] = &[
    Field {
        name: "endpoints",
        doc: "Where it is asked, in this order. Without it, by HTTPS at the host that it is named after.",
        allowed: "a list of addresses: http:// or https://, host, port, path",
        secret: false,
        read: |table, raw| put(&mut table.endpoints, some(list(raw))),
        show: |table| texts(&table.endpoints),
    },
    Field {
        name: "aliases",
        doc: "Further names for it.",
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
        doc: "How long the tags that a pattern means are believed; the first one that means a tag counts. A pattern is `NAME` or `NAME:TAG` as the upstream has them, in which `*` stands for anything.",
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
        doc: "Whether pushes under its names are taken, as in a network that it cannot be reached from. A repository that was pushed into is pinned: it is answered as it was pushed, whoever means it, and its upstream is not asked for more of it. What of it was fetched before is kept with it. A HEAD by path, by which clients find out what they need not push, tells of what is pinned alone.",
        allowed: "true or false",
        secret: false,
        read: |table, raw| put(&mut table.pushable, switch(raw)),
        show: |table| table.pushable.into(),
    },
    Field {
        name: "username",
        doc: "Who asks; a password belongs to it. All endpoints are told.",
        allowed: "a name",
        secret: false,
        read: |table, raw| put(&mut table.username, username(raw).map(Some)),
        show: |table| table.username.clone().into(),
    },
    Field {
        name: "password",
        doc: "The password, or an access token in its place. Whoever reads the file reads it too; `password-file` keeps them apart.",
        allowed: "a text",
        secret: true,
        read: |table, raw| put(&mut table.password, secret(raw).map(Some)),
        show: |_| Value::Null,
    },
    Field {
        name: "password-file",
        doc: "A file with the password and nothing else.",
        allowed: "a path",
        secret: false,
        read: |table, raw| put(&mut table.password_file, secret_file(raw).map(Some)),
        show: |table| path_of(table.password_file.as_ref()),
    },
    Field {
        name: "identity-token-file",
        doc: "A file with an identity token, which stands for user and password.",
        allowed: "a path",
        secret: false,
        read: |table, raw| put(&mut table.identity_token_file, secret_file(raw).map(Some)),
        show: |table| path_of(table.identity_token_file.as_ref()),
    },
    Field {
        name: "docker-config",
        doc: "Whether Docker's configuration (`$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`) says who asks: what `docker login` keeps there, or gives to a credential helper, which is run at the start and at each SIGHUP.",
        allowed: "true or false",
        secret: false,
        read: |table, raw| put(&mut table.docker_config, switch(raw)),
        show: |table| table.docker_config.into(),
    },
    Field {
        name: "ca",
        doc: "PEM files of certificate authorities that are trusted beside the system's.",
        allowed: "a list of paths",
        secret: false,
        read: |table, raw| put(&mut table.ca, paths(raw)),
        show: |table| table.ca.iter().map(|path| path.display().to_string()).collect(),
    },
    Field {
        name: "private-hosts",
        doc: "Hosts of storage and token servers that may have private addresses although no endpoint names them. One without a port is meant with any.",
        allowed: "a list of hosts, with or without ports",
        secret: false,
        read: |table, raw| put(&mut table.private_hosts, names(raw)),
        show: |table| texts(&table.private_hosts),
    },
];

/// The field of a name.
pub(super) fn field(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.name == name)
}

fn put<T>(place: &mut T, value: Result<T, ValueError>) -> Result<(), ValueError> {
    *place = value?;
    Ok(())
}

fn username(raw: &Raw) -> Result<String, ValueError> {
    let text = text(raw, "write a user's name")?;
    if text.is_empty() || text.contains(':') {
        return Err(ValueError::new("a user's name is not empty, and has no colon"));
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
