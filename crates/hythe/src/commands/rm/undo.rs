//! How to restore what was deleted, if the registry is a hythe that keeps it for a time.

use hythe_api::{DeletedManifests, PastTags, parameter, path};
use hythe_oci::Reference;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::chosen::Chosen;

/// The most names that a command has; for more the command lists what can be restored.
const NAMES: usize = 10;

/// The largest answer, in bytes.
const LIMIT: usize = 16 << 20;

/// The command that restores what was deleted from a repository.
pub(super) struct Undo {
    /// Between backticks.
    command: String,
    /// Until when it can be restored, in RFC 3339's format.
    until: String,
}

impl Undo {
    pub(super) fn json(&self) -> Value {
        json!({ "command": self.command.trim_matches('`'), "until": self.until })
    }

    pub(super) fn sentence(&self) -> String {
        format!("to undo this until {}: {}", self.until, self.command)
    }
}

/// How to restore what was deleted; `None` if the registry does not keep it.
pub(super) async fn undo(chosen: &Chosen, deleted: &[Reference]) -> Option<Undo> {
    let until = until(chosen, deleted.first()?).await?;
    // The command reaches a registry without a scheme by plain HTTP.
    let at = chosen.client.endpoint();
    let (option, place) = match at.strip_prefix("http://") {
        Some(host) => (String::new(), format!("{host}/{}", chosen.repository)),
        None => (format!(" --registry {at}"), chosen.repository.to_string()),
    };
    let names: Vec<String> = deleted
        .iter()
        .map(|reference| match reference {
            Reference::Tag(tag) => format!("{place}:{tag}"),
            Reference::Digest(digest) => format!("{place}@{digest}"),
        })
        .collect();
    let names = if names.len() > NAMES { format!("--list {place}") } else { names.join(" ") };
    Some(Undo { command: format!("`hythe undelete{option} {names}`"), until })
}

/// Until when a deleted tag or manifest can be restored.
async fn until(chosen: &Chosen, deleted: &Reference) -> Option<String> {
    let repository = (parameter::REPOSITORY, chosen.repository.as_str());
    match deleted {
        Reference::Tag(tag) => {
            let query = [
                repository,
                (parameter::TAG, tag.as_str()),
                (parameter::HISTORY, "true"),
                (parameter::N, "1"),
            ];
            let page: PastTags = read(chosen, path::PAST_TAGS, &query).await?;
            page.tags.into_iter().next().filter(|past| past.current.is_none())?.until
        }
        Reference::Digest(digest) => {
            let page: DeletedManifests = read(chosen, path::DELETED_MANIFESTS, &[repository]).await?;
            page.manifests.into_iter().find(|manifest| manifest.digest == *digest)?.until
        }
    }
}

/// A page of the registry; `None` if the registry is another one than hythe.
async fn read<T: DeserializeOwned>(chosen: &Chosen, path: &str, query: &[(&str, &str)]) -> Option<T> {
    let answer = chosen.client.read_page(path, query, LIMIT).await.ok()?;
    (answer.status == 200).then(|| serde_json::from_slice(&answer.bytes).ok()).flatten()
}
