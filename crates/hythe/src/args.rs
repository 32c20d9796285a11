//! The command line, as data.

#[cfg(feature = "cluster")]
mod cluster;
#[cfg(feature = "cluster")]
mod deploy;
#[cfg(feature = "cluster")]
mod doctor;
mod registry;

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;
use hythe_oci::Authority;

use crate::commands::Platform;
use crate::config::{Inputs, KEYS, Key};
use crate::failure::EXIT_CODES;
use crate::printer::Output;

#[cfg(feature = "cluster")]
pub use cluster::{
    ATTACH_EXAMPLES, AttachArgs, DETACH_EXAMPLES, DOWN_EXAMPLES, DetachArgs, DownArgs, EngineArgs,
    IMAGE_EXAMPLES, ImageArgs, KIND_CONFIG_EXAMPLES, KindConfigArgs, LOGS_EXAMPLES, LocalClient, LogsArgs,
    NameArgs, STATUS_EXAMPLES, UP_EXAMPLES, UPGRADE_EXAMPLES, UpArgs, UpgradeArgs, WiredArgs,
};
#[cfg(feature = "cluster")]
pub use deploy::{
    DEPLOY_EXAMPLES, DeployArgs, DeployCommand, FORWARD_EXAMPLES, ForwardArgs, OptionArgs, TargetArgs,
    WorkloadKind,
};
#[cfg(feature = "cluster")]
pub use doctor::{DOCTOR_EXAMPLES, DoctorArgs};

pub use registry::{Called, CollectionArgs, RegistryArgs, RegistryCommand, called};

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

const CACHE_EXAMPLES: &str = "\
Examples:
  hythe cache ls                               what is kept
  hythe cache stat                             what it saved, and how upstreams fare
  hythe cache clear 'docker.io/*:*-alpine'     free some tags
  hythe cache warm redis:7 -f compose.yaml     fetch what will be needed";

const LS_EXAMPLES: &str = "\
Examples:
  hythe cache ls                               every copy
  hythe cache ls 'ghcr.io/*'                   those of one upstream
  hythe cache ls '*/redis:7*'                  those that have such a tag
  hythe cache ls --output json | jq '.copies[].name'";

const STAT_EXAMPLES: &str = "\
Examples:
  hythe cache stat
  hythe cache stat --registry build-server:5000";

const CLEAR_EXAMPLES: &str = "\
Examples:
  hythe cache clear                            everything, once it is confirmed
  hythe cache clear docker.io/library/redis    one copy
  hythe cache clear '*:nightly' --yes          one tag of every copy, in a script";

const WARM_EXAMPLES: &str = "\
Examples:
  hythe cache warm redis ghcr.io/x/y:v1        by name, as docker pull takes them
  hythe cache warm -f compose.yaml             what a Compose file needs
  helm template chart | hythe cache warm -f -  what a chart needs
  hythe cache warm -f images.txt --platform linux/amd64 --platform linux/arm64
  hythe cache warm -f images.txt --check       whether all is there, before the network goes

The exit code is 1 where an image failed, or is not there; the others are warmed all the same.";

const GC_EXAMPLES: &str = "\
Examples:
  hythe gc                                     what is free now, and what waits for its grace period
  hythe gc --dry-run                           what would go
  hythe gc --delete-untagged                   manifests that nothing leads to go too";

const IMPORT_EXAMPLES: &str = "\
Examples:
  hythe import /var/lib/registry               into this user's data folder; no server may run on it
  hythe import /srv/old --data /srv/hythe      into another one
  hythe import /srv/hub --upstream docker.io   the folder of a registry:2 with proxy.remoteurl";

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
    /// Run the registry beside this machine's clusters, and wire them to it
    #[cfg(feature = "cluster")]
    #[command(after_help = UP_EXAMPLES)]
    Up(Box<UpArgs>),
    /// Remove the registry that `hythe up` runs; its data stays
    #[cfg(feature = "cluster")]
    #[command(after_help = DOWN_EXAMPLES)]
    Down(DownArgs),
    /// Show the registries of this machine and its clusters, and which clusters are attached
    #[cfg(feature = "cluster")]
    #[command(after_help = STATUS_EXAMPLES)]
    Status(NameArgs),
    /// Print the log of the registry's container
    #[cfg(feature = "cluster")]
    #[command(after_help = LOGS_EXAMPLES)]
    Logs(LogsArgs),
    /// Upgrade the running registry to this version; data is kept
    #[cfg(feature = "cluster")]
    #[command(after_help = UPGRADE_EXAMPLES)]
    Upgrade(UpgradeArgs),
    /// Wire clusters to the registry: nodes, network, and the ConfigMap that names the registry
    #[cfg(feature = "cluster")]
    #[command(after_help = ATTACH_EXAMPLES)]
    Attach(AttachArgs),
    /// Remove the wiring from clusters, until they are attached by name
    #[cfg(feature = "cluster")]
    #[command(after_help = DETACH_EXAMPLES)]
    Detach(DetachArgs),
    /// Find out why an image is not pulled, by cluster, node, image or Pod, and repair what is safe
    #[cfg(feature = "cluster")]
    #[command(after_help = DOCTOR_EXAMPLES)]
    Doctor(DoctorArgs),
    /// Load hythe's own image into the container engine, or write it to a file
    #[cfg(feature = "cluster")]
    #[command(after_help = IMAGE_EXAMPLES)]
    Image(ImageArgs),
    /// Print a configuration of kind's for clusters that need no later change
    #[cfg(feature = "cluster")]
    #[command(name = "kind-config", after_help = KIND_CONFIG_EXAMPLES)]
    KindConfig(KindConfigArgs),
    /// Print the configuration that is in effect, and where each value came from
    #[command(after_help = CONFIG_EXAMPLES)]
    Config(ConfigArgs),
    /// See, fill and free what a running registry keeps of its upstreams
    #[command(after_help = CACHE_EXAMPLES)]
    Cache(CacheArgs),
    /// Run a registry in a cluster
    #[cfg(feature = "cluster")]
    #[command(after_help = DEPLOY_EXAMPLES)]
    Deploy(Box<DeployArgs>),
    /// Forward a local port to the registry in a cluster
    #[cfg(feature = "cluster")]
    #[command(after_help = FORWARD_EXAMPLES)]
    Forward(ForwardArgs),
    /// Run garbage collection now, as the registry does by itself
    #[command(after_help = GC_EXAMPLES)]
    Gc(GcArgs),
    /// Import a registry:2 folder, by hard links where possible
    #[command(after_help = IMPORT_EXAMPLES)]
    Import(ImportArgs),
    /// Print the version
    Version,
    /// Print a shell's completion script
    Completion {
        /// The shell
        shell: Shell,
    },
    /// Make a folder, and give it to a user with all that is in it
    #[cfg(target_os = "linux")]
    #[command(hide = true)]
    Own {
        /// The folder
        folder: PathBuf,
        /// The user
        #[arg(long, value_name = "ID")]
        user: u32,
        /// The group [default: that of the user's number]
        #[arg(long, value_name = "ID")]
        group: Option<u32>,
        /// Import what a registry:2 has there, and give away only what came of it
        #[arg(long)]
        import: bool,
    },
    /// Delete what hythe keeps in a data folder, and nothing else that is in it
    #[cfg(target_os = "linux")]
    #[command(hide = true)]
    Forget {
        /// The folder
        folder: PathBuf,
    },
    /// Take logins from stdin, and tell the server of this container
    #[cfg(target_os = "linux")]
    #[command(hide = true)]
    TakeLogins {
        /// Where the server looks for them
        folder: PathBuf,
    },
    /// Say whether the registry in this container is ready
    #[command(hide = true)]
    Probe {
        /// Its port
        #[arg(long, value_name = "PORT", default_value_t = 5001)]
        port: u16,
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
        Inputs { file: self.file.or(self.config), flags: self.flags.0, in_place: false }
    }
}

/// What is to be freed, and where.
#[derive(Clone, Debug, clap::Args)]
pub struct GcArgs {
    /// The registry: a URL, or HOST:PORT for plain HTTP [default: `http://localhost:5001`, or the port of `REG_PORT`; `HYTHE_REGISTRY`]
    #[arg(long, value_name = "URL")]
    pub registry: Option<String>,
    /// What goes.
    #[command(flatten)]
    pub what: CollectionArgs,
}

/// What is to be taken over, and where to.
#[derive(Clone, Debug, clap::Args)]
pub struct ImportArgs {
    /// The folder: the `rootdirectory` of a registry:2. Nothing in it is changed
    pub folder: PathBuf,
    /// The data folder that it comes to [data; `HYTHE_DATA`]
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// hythe's configuration file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The upstream that all of it is a copy of
    #[arg(long, value_name = "NAME")]
    pub upstream: Option<Authority>,
}

/// What is asked of a registry's cache.
#[derive(Clone, Debug, clap::Args)]
pub struct CacheArgs {
    /// The registry: a URL, or HOST:PORT for plain HTTP [default: `http://localhost:5001`, or the port of `REG_PORT`; `HYTHE_REGISTRY`]
    #[arg(long, global = true, value_name = "URL")]
    pub registry: Option<String>,
    /// What to do with it.
    #[command(subcommand)]
    pub command: CacheCommand,
}

/// What to do with a registry's cache.
#[derive(Clone, Debug, Subcommand)]
pub enum CacheCommand {
    /// List what is kept
    #[command(after_help = LS_EXAMPLES)]
    Ls {
        /// A name, or name:tag, in which * stands for anything
        pattern: Option<String>,
    },
    /// Show what upstreams were asked, what that saved, and how they fare
    #[command(after_help = STAT_EXAMPLES)]
    Stat,
    /// Free what is kept; it is fetched again when somebody wants it
    #[command(after_help = CLEAR_EXAMPLES)]
    Clear {
        /// A name, or name:tag, in which * stands for anything [default: *]
        pattern: Option<String>,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Fetch images before they are needed
    #[command(after_help = WARM_EXAMPLES)]
    Warm(WarmArgs),
}

/// What is to be warmed, and how.
#[derive(Clone, Debug, clap::Args)]
pub struct WarmArgs {
    /// Names of images, as docker pull takes them
    #[arg(value_name = "IMAGE")]
    pub images: Vec<String>,
    /// A file that names images: Kubernetes manifests, Compose files, kustomizations, charts' values, pipelines, Dockerfiles, or a list with one a line; - is stdin. Can be given several times
    #[arg(long, short, value_name = "FILE")]
    pub file: Vec<String>,
    /// A platform to fetch, such as linux/arm64 [default: this machine's]. Can be given several times
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub platform: Vec<Platform>,
    /// Fetch every platform
    #[arg(long, conflicts_with = "platform")]
    pub all_platforms: bool,
    /// Fetch nothing: only say what is not there
    #[arg(long)]
    pub check: bool,
    /// How many requests at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: u8,
}

/// The flags of settings, made from the table of keys so that each is spelt once.
#[derive(Clone, Debug, Default)]
pub struct Flags(Vec<(&'static Key, Vec<String>)>);

impl Flags {
    /// Each flag that was given, without its dashes, and its values.
    pub(crate) fn given(&self) -> impl Iterator<Item = (&'static str, &[String])> {
        self.0.iter().filter_map(|(key, values)| Some((key.flag?, values.as_slice())))
    }
}

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
