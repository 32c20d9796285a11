//! Writing a `hosts.toml`, with a first line that says who wrote it.

use std::fmt::Write as _;

use super::{Host, HostsFile};

/// The beginning of the first line of each file that hythe writes.
const MARKER: &str = "# Written by hythe for the registry ";

/// The author of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author<'a> {
    /// hythe, for the registry of this name. `hythe detach` removes the file.
    Hythe(&'a str),
    /// The cluster's owner: hythe only moved the setting here from containerd's configuration, so the file stays.
    Owner,
}

/// The registry for which hythe wrote this file. `None` if hythe did not write it.
pub fn written_by(text: &str) -> Option<&str> {
    text.lines()
        .next()?
        .strip_prefix(MARKER)?
        .strip_prefix('`')?
        .split_once('`')
        .map(|(registry, _)| registry)
}

impl HostsFile {
    /// The file's text, which is the same for every version of containerd.
    pub fn render(&self, author: Author<'_>) -> String {
        let mut text = match author {
            Author::Hythe(registry) => format!("{MARKER}`{registry}`; `hythe detach CLUSTER` removes it.\n"),
            Author::Owner => {
                "# From containerd's own configuration (plugins, registry), moved here by hythe.\n".to_owned()
            }
        };
        // The fields of `server` are fields of the root, which must come before the first table.
        if !self.server.url.is_empty() {
            line(&mut text, "", "server", &quoted(&self.server.url));
        }
        options(&mut text, "", &self.server);
        for host in &self.hosts {
            let _ = write!(text, "\n[host.{}]\n", quoted(&host.url));
            options(&mut text, "  ", host);
        }
        if self.hosts.is_empty() {
            text.push_str(
                "\n# Before 1.7.32 containerd takes a file without this table for a broken one.\n[host]\n",
            );
        }
        text
    }
}

fn options(text: &mut String, indent: &str, host: &Host) {
    if !host.capabilities.is_empty() {
        line(text, indent, "capabilities", &list(host.capabilities.iter().map(|c| quoted(c.word()))));
    }
    if !host.ca.is_empty() {
        line(text, indent, "ca", &list(host.ca.iter().map(|file| quoted(file))));
    }
    if !host.client.is_empty() {
        let pairs = host.client.iter().map(|(certificate, key)| match key {
            Some(key) => list([quoted(certificate), quoted(key)].into_iter()),
            None => quoted(certificate),
        });
        line(text, indent, "client", &list(pairs));
    }
    if let Some(skip) = host.skip_verify {
        line(text, indent, "skip_verify", if skip { "true" } else { "false" });
    }
    if host.override_path {
        line(text, indent, "override_path", "true");
    }
    if let Some(timeout) = &host.dial_timeout {
        line(text, indent, "dial_timeout", &quoted(timeout));
    }
}

fn line(text: &mut String, indent: &str, key: &str, value: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{indent}{key} = {value}");
}

fn list(values: impl Iterator<Item = String>) -> String {
    format!("[{}]", values.collect::<Vec<_>>().join(", "))
}

/// Quotes a text as a basic string of TOML, for a value or for a key that is not a bare word. Many programs read
/// `hosts.toml`, so only the oldest form of strings is used.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
