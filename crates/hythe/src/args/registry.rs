//! The command line of `registry`, which is this program by another name: as `registry:2` and 3 have it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgAction, Parser, Subcommand};

use crate::failure::EXIT_CODES;
use crate::values::parse_duration;

const ABOUT: &str = "hythe in the place of a registry:2: the same configuration, variables and data folder";

/// The configuration, as both commands take it.
const CONFIG: &str = "The configuration [default: `REGISTRY_CONFIGURATION_PATH`, else /etc/distribution/config.yml or \
    /etc/docker/registry/config.yml; :5000 and /var/lib/registry where there is none]";

/// hythe in the place of a `registry:2`.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "registry", about = ABOUT, long_about = None, after_help = EXIT_CODES,
    version = concat!(env!("CARGO_PKG_VERSION"), " (hythe, in the place of a registry:2)"),
    disable_version_flag = true, arg_required_else_help = true
)]
pub struct RegistryArgs {
    /// Print the version
    #[arg(long, short, action = ArgAction::Version)]
    pub version: Option<bool>,
    /// What to do.
    #[command(subcommand)]
    pub command: RegistryCommand,
}

/// What `registry` can be asked to do.
#[derive(Clone, Debug, Subcommand)]
pub enum RegistryCommand {
    /// Start the registry, open to the network where its configuration says so
    Serve {
        /// The configuration.
        #[arg(help = CONFIG)]
        config: Option<PathBuf>,
    },
    /// Free at once what no manifest needs any more; the registry may run meanwhile
    GarbageCollect {
        /// The configuration.
        #[arg(help = CONFIG)]
        config: Option<PathBuf>,
        /// What goes.
        #[command(flatten)]
        what: CollectionArgs,
        /// Print nothing but errors
        #[arg(long, short)]
        quiet: bool,
    },
}

/// What a round of the collector takes.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct CollectionArgs {
    /// Delete manifests too that no tag, no index and no subject leads to
    #[arg(long, short = 'm')]
    pub delete_untagged: bool,
    /// Remove nothing: only say what would go
    #[arg(long, short)]
    pub dry_run: bool,
    /// The grace period of this round, shorter than `collect.grace`; `0s` frees at once what was deleted. A push that is
    /// under way may be told to send its blobs again
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub grace: Option<Duration>,
}

/// By which name the program was called, with the arguments that it is to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Called {
    /// By its own.
    Hythe(Vec<OsString>),
    /// By that of what it stands for.
    Registry(Vec<OsString>),
}

/// Reads arguments, the program's name first, as the image of `registry:2` does: a configuration alone means `serve`, and
/// a program's name in the first place is the program.
pub fn called(mut arguments: Vec<OsString>) -> Called {
    let base = |argument: Option<&OsString>| {
        let name = argument.and_then(|name| Path::new(name).file_name());
        name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    };
    if base(arguments.first()) != "registry" {
        return Called::Hythe(arguments);
    }
    match base(arguments.get(1)).as_str() {
        "hythe" => {
            arguments.remove(0);
            return Called::Hythe(arguments);
        }
        "registry" => {
            arguments.remove(1);
        }
        name if [".yml", ".yaml"].iter().any(|ending| name.ends_with(ending)) => {
            arguments.insert(1, "serve".into());
        }
        _ => {}
    }
    Called::Registry(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_takes_what_that_of_registry_2_takes() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        let table = [
            (
                "/bin/registry /etc/docker/registry/config.yml",
                Called::Registry(words("/bin/registry serve /etc/docker/registry/config.yml")),
            ),
            ("/bin/registry serve /config.yml", Called::Registry(words("/bin/registry serve /config.yml"))),
            ("/bin/registry /bin/registry serve /x", Called::Registry(words("/bin/registry serve /x"))),
            (
                "/bin/registry registry garbage-collect /c.yaml",
                Called::Registry(words("/bin/registry garbage-collect /c.yaml")),
            ),
            ("/bin/registry --version", Called::Registry(words("/bin/registry --version"))),
            ("/bin/registry hythe cache ls", Called::Hythe(words("hythe cache ls"))),
            ("/bin/hythe serve", Called::Hythe(words("/bin/hythe serve"))),
            ("hythe", Called::Hythe(words("hythe"))),
        ];
        for (given, expected) in table {
            assert_eq!(called(words(given)), expected, "{given}");
        }
    }
}
