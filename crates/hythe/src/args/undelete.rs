//! Arguments of `hythe undelete`.

use hythe_oci::Digest;

pub(super) const UNDELETE_EXAMPLES: &str = "\
Examples:
  hythe undelete                               list what can be restored at the registry on this machine
  hythe undelete app:v1                        restore a deleted tag, and its manifest if that is deleted
  hythe undelete app@sha256:…                  restore a deleted manifest with the tags that it had
  hythe undelete app                           restore everything that was deleted from a repository
  hythe undelete --list app:latest             show which manifests a tag named before
  hythe undelete app:latest --to sha256:…      move a tag back to one of them
  hythe undelete registry.example:5001/app:v1  restore at another registry

The registry keeps what was deleted for its grace period (collect.grace, 1 day by default), unless `hythe gc --grace 0s` or a full
disk ends that earlier. Copies of upstreams are not kept. The exit code is 1 if something could not be restored.";

/// The options of `hythe undelete`.
#[derive(Clone, Debug, clap::Args)]
pub struct UndeleteArgs {
    /// What to restore; without a name, list what can be restored
    #[arg(value_name = "REPOSITORY[:TAG|@DIGEST]")]
    pub names: Vec<String>,
    /// List what can be restored of these repositories, or what these tags named before
    #[arg(long)]
    pub list: bool,
    /// Move an existing tag back to this manifest
    #[arg(long, value_name = "DIGEST", conflicts_with = "list")]
    pub to: Option<Digest>,
    /// The registry: a URL, or HOST:PORT for plain HTTP [default: `HYTHE_REGISTRY`, else `http://localhost:5001` or the
    /// port in `REG_PORT`]
    #[arg(long, value_name = "URL")]
    pub registry: Option<String>,
}
