//! The arguments of `hythe backup` and `hythe restore`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use hythe_backup::Time;
use hythe_oci::Pattern;

use crate::values::{BackupPlace, parse_duration};

pub(super) const BACKUP_EXAMPLES: &str = "\
Examples:
  hythe backup /mnt/backup                     back up the registry on this machine, while it serves
  hythe backup /mnt/backup --registry https://registry.example
  hythe backup list /mnt/backup                list the backups in the folder
  hythe backup verify /mnt/backup              read and hash everything in the folder
  hythe backup prune /mnt/backup --keep 30     remove all backups but the newest 30
  hythe backup s3://backups/hythe              back up into a bucket of an S3 server

For a bucket, hythe reads AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.
A folder whose name is a subcommand needs a path: `hythe backup ./list`. The exit code is 1 if the registry could not give
a blob; the backup then exists without that blob.";

pub(super) const VERIFY_BACKUP_EXAMPLES: &str = "\
Examples:
  hythe backup verify /mnt/backup
  hythe backup verify /mnt/backup --output json | jq '.bad'

hythe sets a blob with wrong bytes aside, in the folder `damaged`, and the next backup copies it again. The exit code is 1
if something is bad.";

pub(super) const PRUNE_EXAMPLES: &str = "\
Examples:
  hythe backup prune /mnt/backup --keep 30     keep the newest 30 backups
  hythe backup prune /mnt/backup --keep-within 90d
  hythe backup prune /mnt/backup --keep 30 --dry-run

The newest backup always stays. A blob that is in no backup any more goes with the first prune a day later.";

pub(super) const RESTORE_EXAMPLES: &str = "\
Examples:
  hythe restore /mnt/backup --data /srv/hythe  make a new data folder from the newest backup
  hythe restore /mnt/backup --data /srv/hythe --snapshot 2026-11-30T02:00:00Z
                                               the newest backup at or before that time
  hythe restore /mnt/backup --registry localhost:5001 --repository team/app
                                               push one repository into a running registry
  hythe restore /mnt/backup --registry localhost:5001 --repository 'team/*' --overwrite
                                               also set tags back that name another image now";

/// The arguments of `hythe backup`.
#[derive(Clone, Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct BackupArgs {
    /// The folder of the backups, which hythe creates, or a bucket: `s3://BUCKET/PREFIX`
    #[arg(value_name = "DEST", required = true)]
    pub destination: Option<BackupPlace>,
    /// The registry: a URL, or HOST:PORT for plain HTTP [default: `HYTHE_REGISTRY`, else `http://localhost:5001` or the
    /// port in `REG_PORT`]
    #[arg(long, value_name = "URL")]
    pub registry: Option<String>,
    /// Also back up content that the registry cached from upstreams
    #[arg(long)]
    pub cached: bool,
    /// Blobs that are copied at the same time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: u8,
    /// The subcommand.
    #[command(subcommand)]
    pub command: Option<BackupCommand>,
}

/// The subcommands of `hythe backup`.
#[derive(Clone, Debug, Subcommand)]
pub enum BackupCommand {
    /// List the backups
    List {
        /// The folder of the backups, or `s3://BUCKET/PREFIX`
        #[arg(value_name = "DEST")]
        destination: BackupPlace,
    },
    /// Read and hash everything in the backups
    #[command(after_help = VERIFY_BACKUP_EXAMPLES)]
    Verify {
        /// The folder of the backups, or `s3://BUCKET/PREFIX`
        #[arg(value_name = "DEST")]
        destination: BackupPlace,
    },
    /// Remove old backups, and the blobs that only they need
    #[command(after_help = PRUNE_EXAMPLES)]
    Prune(PruneArgs),
}

/// The arguments of `hythe backup prune`.
#[derive(Clone, Debug, clap::Args)]
pub struct PruneArgs {
    /// The folder of the backups, or `s3://BUCKET/PREFIX`
    #[arg(value_name = "DEST")]
    pub destination: BackupPlace,
    /// How many of the newest backups to keep
    #[arg(long, value_name = "N", required_unless_present = "keep_within", conflicts_with = "keep_within",
        value_parser = clap::value_parser!(u32).range(1..))]
    pub keep: Option<u32>,
    /// Keep the backups of this last time, such as 90d
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub keep_within: Option<Duration>,
    /// How long to keep a blob that is in no backup any more
    #[arg(long, value_name = "DURATION", default_value = "1d", value_parser = parse_duration)]
    pub grace: Duration,
    /// Remove nothing; only print what would be removed
    #[arg(long, short)]
    pub dry_run: bool,
}

/// The arguments of `hythe restore`.
#[derive(Clone, Debug, clap::Args)]
pub struct RestoreArgs {
    /// The folder of the backups, or `s3://BUCKET/PREFIX`
    #[arg(value_name = "DEST")]
    pub destination: BackupPlace,
    /// The data folder to make; it has no content, and no server uses it
    #[arg(long, value_name = "FOLDER", required_unless_present = "registry", conflicts_with_all = ["registry", "overwrite"])]
    pub data: Option<PathBuf>,
    /// The running registry to push repositories into: a URL, or HOST:PORT for plain HTTP
    #[arg(long, value_name = "URL", requires = "repository")]
    pub registry: Option<String>,
    /// Restore only the repositories with matching names; * matches any text. Can be given several times
    #[arg(long, value_name = "PATTERN")]
    pub repository: Vec<Pattern>,
    /// Restore the newest backup at or before this time, or `latest`
    #[arg(long, value_name = "TIME", default_value = "latest", value_parser = parse_snapshot)]
    pub snapshot: Snapshot,
    /// Set tags back that name another image in the running registry
    #[arg(long)]
    pub overwrite: bool,
    /// Blobs that are copied at the same time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: u8,
}

/// Which backup to restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot(pub Option<Time>);

fn parse_snapshot(text: &str) -> Result<Snapshot, String> {
    match text {
        "latest" => Ok(Snapshot(None)),
        text => text
            .parse()
            .map(|time| Snapshot(Some(time)))
            .map_err(|error: hythe_backup::TimeError| format!("{error}, and not `latest`")),
    }
}
