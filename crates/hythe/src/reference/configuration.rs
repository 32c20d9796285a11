//! Generates the reference page of the configuration.

use std::fmt::Write as _;

use crate::config::{KEYS, Key, RULES, document_tables};
use crate::settings::Settings;

const INTRODUCTION: &str = "\
<!-- Written by `hythe docs docs/reference`; change the program's tables instead. -->
# Configuration

hythe needs no configuration. It reads settings from these layers; a later layer overrides an earlier one:

1. the defaults below;
2. one file: the file that you name (`hythe serve CONFIG`, `--config FILE`, `HYTHE_CONFIG`), else `hythe/hythe.toml` in
   the user's configuration folder (`$XDG_CONFIG_HOME`, `~/.config`), else `/etc/hythe/hythe.toml`. A `.toml` file is
   hythe's own configuration, a `.yml` or `.yaml` file is a `registry:2` configuration;
3. `REGISTRY_*` variables, as `registry:2` reads them;
4. `HYTHE_*` variables. A variable's name is the key in capitals, with `_` for dots and dashes. Commas separate the
   items of a list. An empty variable counts as unset;
5. flags.

`hythe config` prints the effective settings and the source of each value. hythe refuses a configuration with an error
as a whole, and reports every error with its line and column. On SIGHUP a running server reads its configuration again.
It applies the keys marked \"applied on SIGHUP\", and logs which other changed keys need a restart.

Durations are whole numbers with units (`ms`, `s`, `m`, `h`, `d`; also `1h30m`). Sizes are bytes, or whole numbers with
units (`KiB`, `MiB`, `GiB`, `TiB`; `kB`, `MB`, `GB`, `TB`).

## Patterns

A pattern is `NAME`, which selects repositories, or `NAME:TAG`, which selects tags of them. `*` matches any characters,
also slashes and none at all; every other character matches itself. `NAME` must match the whole name of a repository, and
`TAG` the whole tag. `NAME` may begin with a registry's address and its port. A pattern has at most 1,024 bytes.
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

const REGISTRY2: &str = "
## In the place of a registry:2

`hythe serve CONFIG.yml` reads a `registry:2` configuration. hythe reads `REGISTRY_*` variables with and without such a
file (`REGISTRY_HTTP_ADDR`, `REGISTRY_STORAGE_DELETE_ENABLED`, …). With such a file, three defaults are those of
`registry:2`: hythe refuses deletes unless `storage.delete.enabled` is true; the folder of `storage.filesystem` is
`/var/lib/registry` unless the file names another; and an address open to the network needs no
`http.allow-anonymous-network`, because `registry:2` has no such key (hythe prints a warning; the same holds for
`REGISTRY_HTTP_ADDR`). With `proxy.remoteurl`, hythe serves pushed content first and that upstream's content otherwise;
unlike `registry:2`, it accepts pushes then. hythe ignores no key silently: it warns about each key without effect, and
does not start if ignoring a key would make the registry less safe.

| registry:2 | here |
|---|---|
";

/// The page's text. Writing to a string cannot fail, so the results are dropped.
pub(super) fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str(EXAMPLE);
    page.push_str("\n## Keys\n");
    for key in KEYS {
        section(&mut page, key);
    }
    document_tables(&mut page);
    page.push_str(REGISTRY2);
    for rule in RULES.iter().filter(|rule| rule.meaning.sentence() != "a section") {
        let _ = writeln!(page, "| `{}` | {} |", rule.path, rule.meaning.sentence());
    }
    page
}

fn section(page: &mut String, key: &Key) {
    let default = match key.name {
        // The default depends on the user and the platform.
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
        let _ = writeln!(page, "- applied on SIGHUP");
    }
}
