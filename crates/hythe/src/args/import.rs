//! Arguments of `hythe import`.

use std::path::PathBuf;

use hythe_oci::{Authority, Pattern, RepositoryName};

use super::ConnectionArgs;

pub(super) const IMPORT_EXAMPLES: &str = "\
Examples:
  hythe import http://old:5000                 import every repository of a running registry
  hythe import https://old.example --repository 'team/*'
                                               import some repositories
  hythe import oci:./layout                    import the images of an OCI layout
  hythe import ./image.tar --as team/app       import an archive whose images have only tags
  hythe import /var/lib/registry               import a registry:2's folder into the user's data folder; stop hythe first
  hythe import /srv/old --data /srv/hythe      import it into another data folder
  hythe import /srv/hub --upstream docker.io   import it from a registry:2 with proxy.remoteurl

A folder of a registry:2 is imported into a data folder that no server uses, by hard links where possible. Everything else is
imported into a running registry. Digests never change. Run an interrupted import again: what is there is skipped.";

/// The options of `hythe import`.
#[derive(Clone, Debug, clap::Args)]
pub struct ImportArgs {
    /// The URL of a running registry; the `rootdirectory` of a registry:2; or an OCI layout or archive. hythe changes nothing
    /// in it
    #[arg(value_name = "SOURCE")]
    pub source: PathBuf,
    /// Of a running registry, import only repositories that match; * matches any text. Can be given several times
    #[arg(long, value_name = "PATTERN")]
    pub repository: Vec<Pattern>,
    /// The repository for images of a layout or archive that have only a tag
    #[arg(long = "as", value_name = "REPOSITORY")]
    pub name: Option<RepositoryName>,
    /// The running registry to import into: a URL, or HOST[:PORT] [default: `HYTHE_REGISTRY`, else `localhost:5001` or the
    /// port in `REG_PORT`]
    #[arg(long, value_name = "URL", conflicts_with_all = ["data", "config", "upstream"])]
    pub registry: Option<String>,
    /// Blobs that are imported at the same time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: u8,
    /// The data folder to import a registry:2's folder into [data; `HYTHE_DATA`]
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// hythe's configuration file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The upstream that the registry:2 was a proxy of; all imported repositories become copies of it
    #[arg(long, value_name = "NAME")]
    pub upstream: Option<Authority>,
    /// How to reach the registries.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}
