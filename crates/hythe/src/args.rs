//! The command line, as data.

mod accounts;
mod backup;
mod build;
mod bundle;
#[cfg(feature = "cluster")]
mod cluster;
#[cfg(feature = "cluster")]
mod deploy;
#[cfg(feature = "cluster")]
mod doctor;
mod du;
mod images;
mod import;
mod policy;
mod promote;
#[cfg(feature = "cluster")]
mod push;
mod recover;
mod registry;
mod retain;
#[cfg(feature = "cluster")]
mod roll_out;
mod test;
mod undelete;
mod verify;

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;
use hythe_oci::Platform;

use crate::config::{Inputs, KEYS, Key};
use crate::failure::EXIT_CODES;
use crate::values::Output;

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

pub use accounts::{TokenArgs, TokenCommand, UserArgs, UserCommand};
pub use backup::{BackupArgs, BackupCommand, PruneArgs, RestoreArgs, Snapshot};
pub use build::{BuildArgs, BuilderName};
pub use bundle::{BundleArgs, BundleCommand, BundleCreateArgs, BundleLoadArgs};
pub use du::DuArgs;
pub use images::{ConnectionArgs, CopyArgs, InspectArgs, LsArgs, RmArgs, TagsArgs};
pub use import::ImportArgs;
pub use policy::{PolicyArgs, PolicyCommand, PolicyTestArgs};
#[cfg(feature = "cluster")]
pub use promote::{ContainerOf, SetImageArgs};
pub use promote::{PromoteArgs, PromotionTarget};
#[cfg(feature = "cluster")]
pub use push::{CompressionChoice, PullArgs, PushArgs, Via};
pub use recover::RecoverArgs;
pub use registry::{Called, CollectionArgs, RegistryArgs, RegistryCommand, called};
pub use retain::RetainArgs;
#[cfg(feature = "cluster")]
pub use roll_out::RollOutArgs;
pub use test::TestArgs;
pub use undelete::UndeleteArgs;
pub use verify::VerifyArgs;

const SERVE_EXAMPLES: &str = "\
Examples:
  hythe serve                                  listen on 127.0.0.1:5001, data in the user's folder
  hythe serve --listen localhost:5000          listen on another port
  hythe serve --listen :5000 --allow-anonymous-network
                                               let the network push and pull without a login
  hythe serve --storage memory                 keep all data in memory, for a test
  hythe serve /etc/docker/registry/config.yml  replace a registry:2, with its configuration";

const CONFIG_EXAMPLES: &str = "\
Examples:
  hythe config                                 show the settings of `hythe serve`
  hythe config --output json                   print them as JSON
  hythe config /etc/docker/registry/config.yml show how hythe reads a registry:2 configuration";

const CACHE_EXAMPLES: &str = "\
Examples:
  hythe cache ls                               list the cached repositories
  hythe cache stat                             show requests, hits and the state of each upstream
  hythe cache clear 'docker.io/*:*-alpine'     remove some tags
  hythe cache warm redis:7 -f compose.yaml     fetch images before they are needed";

const LS_EXAMPLES: &str = "\
Examples:
  hythe cache ls                               list every cached repository
  hythe cache ls 'ghcr.io/*'                   list the repositories of one upstream
  hythe cache ls '*/redis:7*'                  list the repositories with a matching tag
  hythe cache ls --output json | jq '.copies[].name'";

const STAT_EXAMPLES: &str = "\
Examples:
  hythe cache stat
  hythe cache stat --registry build-server:5000";

const CLEAR_EXAMPLES: &str = "\
Examples:
  hythe cache clear                            clear the whole cache, after a question
  hythe cache clear docker.io/library/redis    remove one repository
  hythe cache clear '*:nightly' --yes          remove one tag everywhere, without a question";

const WARM_EXAMPLES: &str = "\
Examples:
  hythe cache warm redis ghcr.io/x/y:v1        fetch images by name
  hythe cache warm -f compose.yaml             fetch the images of a Compose file
  helm template chart | hythe cache warm -f -  fetch the images of a chart
  hythe cache warm -f images.txt --platform linux/amd64 --platform linux/arm64
  hythe cache warm -f images.txt --check       check whether every image is cached

The exit code is 1 if an image could not be fetched or, with --check, is not cached. hythe still tries every other image.";

const GC_EXAMPLES: &str = "\
Examples:
  hythe gc                                     remove unreferenced blobs past their grace period
  hythe gc --dry-run                           print what garbage collection would remove
  hythe gc --delete-untagged                   also delete untagged manifests";

/// A container registry: one binary, no configuration needed.
#[derive(Clone, Debug, Parser)]
#[command(name = "hythe", version, about, arg_required_else_help = true, after_help = EXIT_CODES)]
pub struct Args {
    /// The format of data on stdout; messages go to stderr
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Output,
    /// The subcommand.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands of `hythe`.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Start the registry
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(ConfigArgs),
    /// Run the registry on this machine, and attach the machine's clusters to it
    #[cfg(feature = "cluster")]
    #[command(after_help = UP_EXAMPLES)]
    Up(Box<UpArgs>),
    /// Remove the registry that `hythe up` started; data is kept
    #[cfg(feature = "cluster")]
    #[command(after_help = DOWN_EXAMPLES)]
    Down(DownArgs),
    /// Show the registries on this machine and in its clusters, and which clusters are attached
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
    /// Attach clusters: configure nodes, network and ConfigMap, so that they pull from the registry
    #[cfg(feature = "cluster")]
    #[command(after_help = ATTACH_EXAMPLES)]
    Attach(AttachArgs),
    /// Detach clusters: undo `hythe attach`, and leave them alone until they are attached by name
    #[cfg(feature = "cluster")]
    #[command(after_help = DETACH_EXAMPLES)]
    Detach(DetachArgs),
    /// Find out why an image cannot be pulled, and make safe repairs
    #[cfg(feature = "cluster")]
    #[command(after_help = DOCTOR_EXAMPLES)]
    Doctor(DoctorArgs),
    /// Load hythe's own image into the container engine, or write it to a file
    #[cfg(feature = "cluster")]
    #[command(after_help = IMAGE_EXAMPLES)]
    Image(ImageArgs),
    /// Print a kind configuration that prepares the nodes of new clusters for the registry
    #[cfg(feature = "cluster")]
    #[command(name = "kind-config", after_help = KIND_CONFIG_EXAMPLES)]
    KindConfig(KindConfigArgs),
    /// Print the effective configuration, and the source of each value
    #[command(after_help = CONFIG_EXAMPLES)]
    Config(ConfigArgs),
    /// List, fill and clear the cache of a running registry
    #[command(after_help = CACHE_EXAMPLES)]
    Cache(CacheArgs),
    /// Run the registry in a Kubernetes cluster
    #[cfg(feature = "cluster")]
    #[command(after_help = DEPLOY_EXAMPLES)]
    Deploy(Box<DeployArgs>),
    /// Forward a local port to the registry in a cluster
    #[cfg(feature = "cluster")]
    #[command(after_help = FORWARD_EXAMPLES)]
    Forward(ForwardArgs),
    /// Push images of the container engine to a registry: only the layers that the registry lacks
    #[cfg(feature = "cluster")]
    #[command(after_help = push::PUSH_EXAMPLES)]
    Push(Box<PushArgs>),
    /// Build images whose inputs changed, with Docker, Podman or Buildah, and push them
    #[command(after_help = build::BUILD_EXAMPLES)]
    Build(Box<BuildArgs>),
    /// Pull images from any registry into the container engine
    #[cfg(feature = "cluster")]
    #[command(after_help = push::PULL_EXAMPLES)]
    Pull(Box<PullArgs>),
    /// Copy images between registries, OCI layouts and archives; digests never change
    #[command(after_help = images::COPY_EXAMPLES)]
    Copy(Box<CopyArgs>),
    /// Carry images to another machine in one file, also to one without a network
    #[command(after_help = bundle::BUNDLE_EXAMPLES)]
    Bundle(BundleArgs),
    /// Copy a tested image to another registry by its digest, and deploy it there
    #[command(after_help = promote::PROMOTE_EXAMPLES)]
    Promote(Box<PromoteArgs>),
    /// List the repositories of a registry
    #[command(after_help = images::LIST_EXAMPLES)]
    Ls(LsArgs),
    /// List the tags of a repository
    #[command(after_help = images::TAGS_EXAMPLES)]
    Tags(TagsArgs),
    /// Show an image's platforms, layers, annotations and referrers
    #[command(after_help = images::INSPECT_EXAMPLES)]
    Inspect(InspectArgs),
    /// Show how much space repositories and tags use, and what they share
    #[command(after_help = du::DU_EXAMPLES)]
    Du(DuArgs),
    /// Delete tags and manifests at a registry
    #[command(after_help = images::RM_EXAMPLES)]
    Rm(RmArgs),
    /// Restore deleted tags and manifests, or list them
    #[command(after_help = undelete::UNDELETE_EXAMPLES)]
    Undelete(UndeleteArgs),
    /// Test a registry: what it supports, whether it is right, and how fast it answers
    #[command(after_help = test::TEST_EXAMPLES)]
    Test(Box<TestArgs>),
    /// Verify everything that the registry stores; the registry also does this in the background
    #[command(after_help = verify::VERIFY_EXAMPLES)]
    Verify(VerifyArgs),
    /// Back up a registry into a folder, while it serves; copies only what the folder lacks
    #[command(after_help = backup::BACKUP_EXAMPLES)]
    Backup(BackupArgs),
    /// Restore a backup: make a new data folder, or push repositories into a running registry
    #[command(after_help = backup::RESTORE_EXAMPLES)]
    Restore(RestoreArgs),
    /// Delete the images that the retention rules let go; the registry also does this at intervals
    #[command(after_help = retain::RETAIN_EXAMPLES)]
    Retain(RetainArgs),
    /// Run garbage collection now; the registry also runs it at intervals
    #[command(after_help = GC_EXAMPLES)]
    Gc(GcArgs),
    /// Import all images of another registry, of a registry:2's data folder, or of an OCI layout
    #[command(after_help = import::IMPORT_EXAMPLES)]
    Import(Box<ImportArgs>),
    /// Rebuild the lost or damaged catalog of a data folder from its journal and blobs
    #[command(after_help = recover::RECOVER_EXAMPLES)]
    Recover(RecoverArgs),
    /// Create, list and remove the users of a registry
    #[command(after_help = accounts::USER_EXAMPLES)]
    User(UserArgs),
    /// Create, list and revoke the tokens of users and robots
    #[command(after_help = accounts::TOKEN_EXAMPLES)]
    Token(TokenArgs),
    /// Explain the rules about access
    #[command(after_help = policy::POLICY_EXAMPLES)]
    Policy(PolicyArgs),
    /// Print the version
    Version,
    /// Print the completion script of a shell
    Completion {
        /// The shell
        shell: Shell,
    },
    /// Create a folder, and make a user the owner of it and its content
    #[cfg(target_os = "linux")]
    #[command(hide = true)]
    Own {
        /// The folder
        folder: PathBuf,
        /// The user
        #[arg(long, value_name = "ID")]
        user: u32,
        /// The group [default: the group with the user's number]
        #[arg(long, value_name = "ID")]
        group: Option<u32>,
        /// Import the registry:2 data in the folder, and change the owner of the imported data only
        #[arg(long)]
        import: bool,
    },
    /// Delete hythe's files from a data folder, and no other file
    #[cfg(target_os = "linux")]
    #[command(hide = true)]
    Forget {
        /// The folder
        folder: PathBuf,
    },
    /// Read logins from stdin, and hand them to the server in this container
    #[cfg(target_os = "linux")]
    #[command(hide = true)]
    TakeLogins {
        /// The folder from which the server reads logins
        folder: PathBuf,
    },
    /// Answer questions about the layers in an engine's folder, for `hythe push`
    #[cfg(all(feature = "cluster", target_os = "linux"))]
    #[command(hide = true)]
    ReadLayers {
        /// The engine's folder
        root: PathBuf,
        /// The engine's storage driver
        #[arg(long, value_name = "DRIVER")]
        driver: String,
    },
    /// Check whether the registry in this container is ready
    #[command(hide = true)]
    Probe {
        /// The registry's port
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

/// The configuration file and the settings on the command line.
#[derive(Clone, Debug, clap::Args)]
pub struct ConfigArgs {
    /// The configuration file: hythe's own (.toml), or a registry:2 configuration (.yml, .yaml)
    #[arg(value_name = "CONFIG", conflicts_with = "config")]
    pub file: Option<PathBuf>,
    /// The same as CONFIG; the variable `HYTHE_CONFIG` also names the file [default: hythe/hythe.toml in the user's
    /// configuration folder, else in /etc]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The settings that have flags.
    #[command(flatten)]
    pub flags: Flags,
}

impl ConfigArgs {
    /// The input of [`load`](crate::config::load).
    pub fn inputs(self) -> Inputs {
        Inputs { file: self.file.or(self.config), flags: self.flags.0, in_place: false }
    }
}

/// The options of `hythe gc`.
#[derive(Clone, Debug, clap::Args)]
pub struct GcArgs {
    /// The registry: a URL, or HOST:PORT for plain HTTP [default: `HYTHE_REGISTRY`, else `http://localhost:5001` or the
    /// port in `REG_PORT`]
    #[arg(long, value_name = "URL")]
    pub registry: Option<String>,
    /// The options of the garbage collection.
    #[command(flatten)]
    pub what: CollectionArgs,
}

/// The options of `hythe cache`.
#[derive(Clone, Debug, clap::Args)]
pub struct CacheArgs {
    /// The registry: a URL, or HOST:PORT for plain HTTP [default: `HYTHE_REGISTRY`, else `http://localhost:5001` or the
    /// port in `REG_PORT`]
    #[arg(long, global = true, value_name = "URL")]
    pub registry: Option<String>,
    /// The subcommand.
    #[command(subcommand)]
    pub command: CacheCommand,
}

/// The subcommands of `hythe cache`.
#[derive(Clone, Debug, Subcommand)]
pub enum CacheCommand {
    /// List the cached repositories
    #[command(after_help = LS_EXAMPLES)]
    Ls {
        /// NAME or NAME:TAG; * matches any text
        pattern: Option<String>,
    },
    /// Show requests to upstreams, what the cache saved, and the state of each upstream
    #[command(after_help = STAT_EXAMPLES)]
    Stat,
    /// Remove cached content; the registry fetches it again at the next pull
    #[command(after_help = CLEAR_EXAMPLES)]
    Clear {
        /// NAME or NAME:TAG; * matches any text [default: *]
        pattern: Option<String>,
        /// Do not ask for confirmation
        #[arg(long, short)]
        yes: bool,
    },
    /// Fetch images before they are needed
    #[command(after_help = WARM_EXAMPLES)]
    Warm(WarmArgs),
}

/// The options of `hythe cache warm`.
#[derive(Clone, Debug, clap::Args)]
pub struct WarmArgs {
    /// Names of images, in the form that docker pull takes
    #[arg(value_name = "IMAGE")]
    pub images: Vec<String>,
    /// A file that names images: a Kubernetes manifest, Compose file, kustomization, values file of a chart, pipeline,
    /// Dockerfile, or a list with one image per line; - is stdin. Can be given several times
    #[arg(long, short, value_name = "FILE")]
    pub file: Vec<String>,
    /// A platform to fetch, such as linux/arm64 [default: this machine's]. Can be given several times
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub platform: Vec<Platform>,
    /// Fetch all platforms
    #[arg(long, conflicts_with = "platform")]
    pub all_platforms: bool,
    /// Fetch nothing; only report images that are not cached
    #[arg(long)]
    pub check: bool,
    /// Requests to the registry at the same time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: u8,
}

/// The flags of settings. Their definitions come from [`KEYS`], so that each name is written once.
#[derive(Clone, Debug, Default)]
pub struct Flags(Vec<(&'static Key, Vec<String>)>);

impl Flags {
    /// Each flag on the command line, without its dashes, with its values.
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
                // A switch without a value means true.
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
