//! The command line, as data.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;

use crate::config::{Inputs, KEYS, Key};
use crate::failure::EXIT_CODES;
use crate::printer::Output;

const SERVE_EXAMPLES: &str = "\
Examples:
  hythe serve                                  on 127.0.0.1:5001, data in this user's folder
  hythe serve --listen localhost:5000          on another port
  hythe serve --listen :5000 --allow-anonymous-network
                                               for everybody who reaches this machine
  hythe serve --storage memory                 for one test: nothing is kept
  hythe serve /etc/docker/registry/config.yml  in the place of a registry:2";

const CONFIG_EXAMPLES: &str = "\
Examples:
  hythe config                                 what `hythe serve` would run with, and why
  hythe config --output json                   the same for programs
  hythe config /etc/docker/registry/config.yml what a registry:2 configuration means here";

/// A container registry: one binary, no configuration needed.
#[derive(Clone, Debug, Parser)]
#[command(name = "hythe", version, about, arg_required_else_help = true, after_help = EXIT_CODES)]
pub struct Args {
    /// How data is printed on stdout; prose goes to stderr
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Output,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Start the registry
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(ConfigArgs),
    /// Print the configuration that is in effect, and where each value came from
    #[command(after_help = CONFIG_EXAMPLES)]
    Config(ConfigArgs),
    /// Print the version
    Version,
    /// Print a shell's completion script
    Completion {
        /// The shell
        shell: Shell,
    },
    /// Write the reference pages of the command line and the configuration
    #[command(hide = true)]
    Docs {
        /// The folder to write to
        folder: PathBuf,
    },
}

/// What the command line says about the configuration.
#[derive(Clone, Debug, clap::Args)]
pub struct ConfigArgs {
    /// The configuration file: hythe's (.toml), or one of registry:2 (.yml, .yaml)
    #[arg(value_name = "CONFIG", conflicts_with = "config")]
    pub file: Option<PathBuf>,
    /// The same as CONFIG; `HYTHE_CONFIG` names it too [default: hythe/hythe.toml in the user's configuration folder, else in /etc]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The settings that have flags.
    #[command(flatten)]
    pub flags: Flags,
}

impl ConfigArgs {
    /// As `load` takes it.
    pub fn inputs(self) -> Inputs {
        Inputs { file: self.file.or(self.config), flags: self.flags.0 }
    }
}

/// The flags of settings, made from the table of keys so that each is spelt once.
#[derive(Clone, Debug, Default)]
pub struct Flags(Vec<(&'static Key, Vec<String>)>);

fn flagged() -> impl Iterator<Item = (&'static Key, &'static str)> {
    KEYS.iter().filter_map(|key| Some((key, key.flag?)))
}

impl clap::Args for Flags {
    fn augment_args(command: clap::Command) -> clap::Command {
        flagged().fold(command, |command, (key, flag)| {
            let arg = Arg::new(flag).long(flag).value_name(key.kind.placeholder()).help(help(key));
            command.arg(match key.kind {
                // A switch alone means yes.
                crate::config::Kind::Switch(_) => arg
                    .num_args(0..=1)
                    .require_equals(true)
                    .default_missing_value("true")
                    .action(ArgAction::Set),
                _ if key.kind.is_list() => arg.action(ArgAction::Append),
                _ => arg.action(ArgAction::Set),
            })
        })
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

fn help(key: &Key) -> String {
    let again = if key.kind.is_list() { " Can be given several times." } else { "" };
    format!("{}{again} [{}; {}]", key.doc, key.name, key.variable())
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let given = flagged().filter_map(|(key, flag)| {
            let values: Vec<String> = matches.get_many::<String>(flag)?.cloned().collect();
            Some((key, values))
        });
        self.0 = given.collect();
        Ok(())
    }
}
