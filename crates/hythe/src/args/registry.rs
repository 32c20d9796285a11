//! The command line of `registry`, another name of this program: the same as that of `registry:2` and 3.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgAction, Parser, Subcommand};

use crate::failure::EXIT_CODES;
use crate::values::parse_duration;

const ABOUT: &str =
    "hythe as a replacement for registry:2, with the same configuration, variables and data folder";

/// The help of the argument CONFIG, which both commands take.
const CONFIG: &str = "The configuration file [default: `REGISTRY_CONFIGURATION_PATH`, else /etc/distribution/config.yml or \
    /etc/docker/registry/config.yml; without a file, port 5000 and the folder /var/lib/registry]";

/// The arguments of `registry`, which replaces a `registry:2`.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "registry", about = ABOUT, long_about = None, after_help = EXIT_CODES,
    version = concat!(env!("CARGO_PKG_VERSION"), " (hythe, as a replacement for registry:2)"),
    disable_version_flag = true, arg_required_else_help = true
)]
pub struct RegistryArgs {
    /// Print the version
    #[arg(long, short, action = ArgAction::Version)]
    pub version: Option<bool>,
    /// The subcommand.
    #[command(subcommand)]
    pub command: RegistryCommand,
}

/// The subcommands of `registry`.
#[derive(Clone, Debug, Subcommand)]
pub enum RegistryCommand {
    /// Start the registry; the configured address may be open to the network
    Serve {
        /// The configuration.
        #[arg(help = CONFIG)]
        config: Option<PathBuf>,
    },
    /// Run garbage collection now; the registry may keep running
    GarbageCollect {
        /// The configuration.
        #[arg(help = CONFIG)]
        config: Option<PathBuf>,
        /// The options of the garbage collection.
        #[command(flatten)]
        what: CollectionArgs,
        /// Print only errors
        #[arg(long, short)]
        quiet: bool,
    },
}

/// The options of a garbage collection.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct CollectionArgs {
    /// Also delete untagged manifests, unless an index lists them or they refer to an existing subject
    #[arg(long, short = 'm')]
    pub delete_untagged: bool,
    /// Remove nothing; only print what would be removed
    #[arg(long, short)]
    pub dry_run: bool,
    /// The grace period of this collection, shorter than `collect.grace`; `0s` removes deleted content at once. A push
    /// in progress may have to send its blobs again
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub grace: Option<Duration>,
}

/// The name by which the program was called, with the arguments to parse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Called {
    /// Called as `hythe`.
    Hythe(Vec<OsString>),
    /// Called as `registry`, in place of a `registry:2`.
    Registry(Vec<OsString>),
}

/// Reads arguments, the program's name first, as the image of `registry:2` does: a configuration file alone means
/// `serve`, and a program's name as the first argument chooses the program.
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
    fn the_image_takes_the_arguments_of_the_registry_2_image() {
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
