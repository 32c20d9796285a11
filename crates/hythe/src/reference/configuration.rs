//! The page of the configuration.

use std::fmt::Write as _;

use crate::config::{FIELDS, KEYS, Key, RULES};
use crate::settings::Settings;

const INTRODUCTION: &str = "\
<!-- Written by `hythe docs docs/reference`; change the program's tables instead. -->
# Configuration

hythe needs none. What is configured comes in layers, each over the one before:

1. the defaults below;
2. one file: the one that is named (`hythe serve CONFIG`, `--config FILE`, `HYTHE_CONFIG`), else `hythe/hythe.toml` in
   the user's configuration folder (`$XDG_CONFIG_HOME`, `~/.config`), else `/etc/hythe/hythe.toml`. A `.toml` file is
   hythe's own, a `.yml` or `.yaml` file is one of `registry:2`;
3. `REGISTRY_*` variables, as `registry:2` reads them;
4. `HYTHE_*` variables: the key in capitals, its dots and dashes as `_`. Lists are separated by commas. An empty
   variable counts as unset;
5. flags.

`hythe config` prints what is in effect and where each value came from. A configuration with an error is refused as a
whole, and every error is named with its line and column. SIGHUP makes a running server read its configuration again;
it takes the keys marked so, and says which others wait for a restart.

Durations are whole numbers with units (`ms`, `s`, `m`, `h`, `d`; also `1h30m`). Sizes are bytes, or whole numbers with
units (`KiB`, `MiB`, `GiB`, `TiB`; `kB`, `MB`, `GB`, `TB`).
";

const EXAMPLE: &str = r#"
## A file

```toml
listen = ["127.0.0.1:5001"]

[http]
hosts = ["registry.example"]
idle-timeout = "3m"

[collect]
grace = "24h"

[upstream."docker.io"]
username = "ada"
password-file = "/etc/hythe/docker.io.password"
```
"#;

const TABLES: &str = r#"
## A table for an upstream

`[upstream."NAME"]` describes one upstream: it may be asked, and is asked in this way. The name is a host, with its port
where it has one, and stands in quotes. Any table below `upstream` whose name is no key is an upstream's. SIGHUP takes
what changed in the tables, in files with passwords and tokens, and in Docker's configuration.

One of `username` with `password` or `password-file`, `identity-token-file`, and `docker-config` says who asks; without
them nobody in particular does.
"#;

const REGISTRY2: &str = "
## In the place of a registry:2

`hythe serve CONFIG.yml` reads a `registry:2` configuration, and `REGISTRY_*` variables count with and without one
(`REGISTRY_HTTP_ADDR`, `REGISTRY_STORAGE_DELETE_ENABLED`, …). Three of `registry:2`'s habits come with such a file:
deletes are refused unless `storage.delete.enabled` is true, the folder of `storage.filesystem` is `/var/lib/registry`
unless it is named, and an address open to the network needs no further word, because `registry:2` asks for none
(a note says so; this holds for `REGISTRY_HTTP_ADDR` too). With `proxy.remoteurl` it answers for that upstream behind
what was pushed here; pushes are taken, which `registry:2` refuses then. Nothing is dropped in silence: what has no
effect is named in a warning, and hythe does not start where leaving something out would make the registry less safe.

| registry:2 | here |
|---|---|
";

/// The page. Writing to a string cannot fail, so the results are dropped.
pub(super) fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str(EXAMPLE);
    page.push_str("\n## Keys\n");
    for key in KEYS {
        section(&mut page, key);
    }
    page.push_str(TABLES);
    for field in FIELDS {
        let _ = write!(page, "\n### `upstream.\"NAME\".{}`\n\n{}\n\n", field.name, field.doc);
        let _ = writeln!(page, "- value: {}", field.allowed);
    }
    page.push_str(REGISTRY2);
    for rule in RULES.iter().filter(|rule| rule.meaning.sentence() != "a section") {
        let _ = writeln!(page, "| `{}` | {} |", rule.path, rule.meaning.sentence());
    }
    page
}

fn section(page: &mut String, key: &Key) {
    let default = match key.name {
        // It depends on who starts the server, where.
        "data" => "`/var/lib/hythe` for root; else `hythe` in `$XDG_DATA_HOME` or `~/.local/share`, on macOS in `~/Library/Application Support`".to_owned(),
        _ => format!("`{}`", key.kind.show(&Settings::default())),
    };
    let _ = write!(page, "\n### `{}`\n\n{}\n\n", key.name, key.doc);
    let _ = writeln!(page, "- default: {default}");
    let _ = writeln!(page, "- value: {}", key.kind.allowed());
    let _ = writeln!(page, "- variable: `{}`", key.variable());
    if let Some(flag) = key.flag {
        let _ = writeln!(page, "- flag: `--{flag}`");
    }
    if key.reload {
        let _ = writeln!(page, "- taken by SIGHUP");
    }
}
