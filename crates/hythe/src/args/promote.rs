//! The arguments of `hythe promote`.

use std::fmt;
use std::str::FromStr;

#[cfg(feature = "cluster")]
use hythe_kube::workload::WorkloadName;
use hythe_oci::{Authority, RepositoryName, Tag};

use super::ConnectionArgs;
use crate::values::ValueError;
#[cfg(feature = "cluster")]
use crate::values::parse_duration;

pub(super) const PROMOTE_EXAMPLES: &str = "\
Examples:
  hythe promote app:v1 --to registry.example   copy an image from the registry on this machine, and print its digest
  hythe promote build:5000/app:v1 --to registry.example/team --name shop --tag 1.4.0
                                               give it another name and tag
  hythe promote app:v1 --to registry.example --dry-run
                                               show what would be copied
  hythe promote app:v1 --to registry.example --context prod --set-image deployment/app
                                               also deploy it by its digest, and wait until it is rolled out
  PROD_REGISTRY=registry.example PROD_CONTEXT=prod IMAGE_TAG=v1 hythe promote app --set-image deployment/app

stdout has the reference to deploy: REGISTRY/NAME@sha256:… The copy has all platforms and referrers, such as signatures.";

/// The registry to promote to, and the beginning of names there: `REGISTRY[/PREFIX]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromotionTarget {
    /// The registry.
    pub host: Authority,
    /// The path before the names of repositories.
    pub prefix: Option<RepositoryName>,
}

impl FromStr for PromotionTarget {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = |reason: String| ValueError::new(format!("{reason}; write REGISTRY or REGISTRY/PREFIX"));
        let (host, prefix) = match text.trim_end_matches('/').split_once('/') {
            Some((host, prefix)) => (host, Some(prefix)),
            None => (text.trim_end_matches('/'), None),
        };
        let host = host.parse().map_err(|error| wrong(format!("{error}")))?;
        let prefix = prefix.map(str::parse).transpose().map_err(|error| wrong(format!("{error}")))?;
        Ok(Self { host, prefix })
    }
}

impl fmt::Display for PromotionTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.host.fmt(f)?;
        self.prefix.as_ref().map_or(Ok(()), |prefix| write!(f, "/{}", prefix.as_str()))
    }
}

/// The options of `hythe promote`.
#[derive(Clone, Debug, clap::Args)]
pub struct PromoteArgs {
    /// The image: NAME:TAG. A name without a registry is in the registry on this machine (`HYTHE_REGISTRY`, else
    /// `localhost:5001` or the port in `REG_PORT`). A name without a tag has that of `IMAGE_TAG`
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// The registry to copy to, and a path before the image's name [default: `PROD_REGISTRY`]
    #[arg(long, value_name = "REGISTRY[/PREFIX]")]
    pub to: Option<PromotionTarget>,
    /// The image's name there, without its tag [default: the name that it has]
    #[arg(long, value_name = "NAME")]
    pub name: Option<RepositoryName>,
    /// The image's tag there [default: the tag that it has]
    #[arg(long, value_name = "TAG")]
    pub tag: Option<Tag>,
    /// Accept the tag `latest`, which does not say what is promoted
    #[arg(long)]
    pub allow_latest: bool,
    /// Copy nothing and change nothing; show what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Blobs that are copied at the same time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: u8,
    /// The workloads that get the image.
    #[cfg(feature = "cluster")]
    #[command(flatten)]
    pub deploy: SetImageArgs,
    /// How to reach the registries.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// The workloads that get an image.
#[cfg(feature = "cluster")]
#[derive(Clone, Debug, clap::Args)]
pub struct SetImageArgs {
    /// A workload that gets the image by its digest: deployment/NAME, statefulset/NAME or daemonset/NAME. hythe waits until it
    /// is rolled out. Can be given several times
    #[arg(long, value_name = "[NAMESPACE/]KIND/NAME[=CONTAINER]")]
    pub set_image: Vec<ContainerOf>,
    /// The context of the workloads' cluster in the kubeconfig [default: `PROD_CONTEXT`, else the current context]
    #[arg(long, value_name = "CONTEXT", requires = "set_image")]
    pub context: Option<String>,
    /// The namespace of the workloads [default: the context's]
    #[arg(long, short, value_name = "NAMESPACE", requires = "set_image")]
    pub namespace: Option<String>,
    /// How long to wait until a workload is rolled out
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = parse_duration)]
    pub timeout: std::time::Duration,
}

/// A workload, and the container in it that is meant.
#[cfg(feature = "cluster")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerOf {
    /// The workload.
    pub workload: WorkloadName,
    /// The container; none if the workload has only one for the image.
    pub container: Option<String>,
}

#[cfg(feature = "cluster")]
impl FromStr for ContainerOf {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (workload, container) = match text.split_once('=') {
            Some((_, "")) => {
                return Err(ValueError::new(format!("`{text}` names no container after the `=`")));
            }
            Some((workload, container)) => (workload, Some(container.to_owned())),
            None => (text, None),
        };
        let workload = workload.parse().map_err(|error| ValueError::new(format!("{error}")))?;
        Ok(Self { workload, container })
    }
}
