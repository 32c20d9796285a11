//! Deletes what the suite made.

use http::Method;
use http::header::ACCEPT;
use hythe_client::{Access, Error, RawAnswer, RawRequest};
use hythe_oci::{RepositoryName, media_type};

use super::ledger::Made;
use super::repository::Repository;
use super::verdict::said;
use super::wire::Wire;

/// What the cleanup did.
#[derive(Debug, Default)]
pub(super) struct Cleanup {
    pub(super) deleted: usize,
    /// What is still at the registry.
    pub(super) left: Vec<String>,
    /// How the registry refused the first deletion that it refused.
    pub(super) refusal: Option<String>,
}

/// Deletes everything in the ledger: sessions, tags, manifests, blobs.
pub(super) async fn clean(wire: &Wire, progress: &mut Cleanup) {
    let mut refused_tags = Vec::new();
    for made in wire.ledger.in_order() {
        match wire.send_always(&deletion(wire, &made)).await {
            Ok(answer) if answer.status.is_success() => progress.deleted += 1,
            // A check deleted it, the registry did not take it, or it went with another deletion.
            Ok(answer) if matches!(answer.status.as_u16(), 404 | 410) => {}
            refused => {
                let why = why(&refused);
                if matches!(made, Made::Tag { .. }) {
                    refused_tags.push((made, why));
                    continue;
                }
                if is_gone(wire, &made).await {
                    continue;
                }
                progress.left.push(name(&made));
                progress.refusal.get_or_insert(why);
                continue;
            }
        }
        wire.ledger.remove(&made);
    }
    // A registry that deletes no tag alone deletes it with its manifest.
    for (tag, why) in refused_tags {
        if !is_gone(wire, &tag).await {
            progress.left.push(name(&tag));
            progress.refusal.get_or_insert(why);
        }
    }
}

fn repository_of(made: &Made) -> &RepositoryName {
    match made {
        Made::Session { repository, .. }
        | Made::Tag { repository, .. }
        | Made::Manifest { repository, .. }
        | Made::Blob { repository, .. } => repository,
    }
}

fn deletion(wire: &Wire, made: &Made) -> RawRequest {
    let repository = Repository::new(wire, repository_of(made));
    match made {
        Made::Session { repository, place, .. } => {
            let mut request = RawRequest::new(Method::DELETE, place.clone());
            request.scopes.push((repository.clone(), Access::Push));
            request
        }
        Made::Tag { tag, .. } => repository.deletion(&format!("manifests/{tag}")),
        Made::Manifest { digest, .. } => repository.deletion(&format!("manifests/{digest}")),
        Made::Blob { digest, .. } => repository.deletion(&format!("blobs/{digest}")),
    }
}

/// Whether the registry says that it does not have it.
async fn is_gone(wire: &Wire, made: &Made) -> bool {
    let mut request = deletion(wire, made);
    request.method = if matches!(made, Made::Session { .. }) { Method::GET } else { Method::HEAD };
    // registry:2 answers 404 for a manifest whose type the client does not accept.
    let request = request.header(ACCEPT, &media_type::MANIFESTS.join(", "));
    wire.send_always(&request).await.is_ok_and(|answer| matches!(answer.status.as_u16(), 404 | 410))
}

fn why(refused: &Result<RawAnswer, Error>) -> String {
    match refused {
        Ok(answer) => said(answer),
        Err(error) => error.to_string(),
    }
}

pub(super) fn name(made: &Made) -> String {
    match made {
        Made::Session { repository, .. } => format!("an upload session of {repository}"),
        Made::Tag { repository, tag } => format!("{repository}:{tag}"),
        Made::Manifest { repository, digest } => format!("{repository}@{digest}"),
        Made::Blob { repository, digest } => format!("blob {digest} of {repository}"),
    }
}
