//! Pushes repositories of a backup into a running registry.

use std::io::{Seek as _, SeekFrom};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use hythe_backup::{Destination, Records, Time};
use hythe_client::{BlobPush, Client, Error as ClientError, PushError, Pushed};
use hythe_oci::{Digest, Reference, RepositoryName, Tag};
use hythe_registry::{Origin, Record};
use serde_json::json;

use super::super::cache::Target;
use super::super::runtime::run;
use super::is_chosen;
use crate::args::RestoreArgs;
use crate::config::Environment;
use crate::console::{Line, Printer, count_of, size};
use crate::failure::Failure;
use crate::values::Output;

/// What the chosen repositories have.
#[derive(Default)]
struct Content {
    repositories: Vec<RepositoryName>,
    blobs: Vec<(RepositoryName, Digest, u64)>,
    manifests: Vec<(RepositoryName, Digest, String)>,
    tags: Vec<(RepositoryName, Tag, Digest, String)>,
}

/// What was pushed.
#[derive(Default)]
struct Done {
    blobs: u64,
    bytes: u64,
    tags: u64,
    /// Tags that name another image in the registry and stayed.
    kept: Vec<String>,
}

pub(super) fn into_registry(
    args: &RestoreArgs,
    destination: &Destination,
    time: Time,
    environment: &Environment,
    printer: Printer,
) -> Result<(), Failure> {
    let target = Target::chosen(args.registry.as_deref(), environment)?;
    let content = Content::read(args, destination, time, printer)?;
    if content.repositories.is_empty() {
        let patterns: Vec<&str> = args.repository.iter().map(hythe_oci::Pattern::as_str).collect();
        return Err(Failure::Images(format!(
            "the backup of {time} has no repository that matches {}",
            patterns.join(" or ")
        )));
    }
    let client = target.client(false)?;
    run(async {
        let done = content.push(args, destination, &client).await?;
        content.report(&done, time, target.url(), printer);
        Ok(())
    })
}

impl Content {
    fn read(
        args: &RestoreArgs,
        destination: &Destination,
        time: Time,
        printer: Printer,
    ) -> Result<Self, Failure> {
        let mut content = Self::default();
        let mut media_types = std::collections::HashMap::new();
        for record in Records::open(destination, time)? {
            match record? {
                Record::Repository { name, origin, .. } if is_chosen(args, &name) => {
                    if origin == Origin::Local {
                        content.repositories.push(name);
                    } else {
                        printer.note(format_args!("{name} is a copy of {origin}: pull it again instead"));
                    }
                }
                Record::Manifest { repository, digest, media_type, .. } if content.has(&repository) => {
                    media_types.insert((repository.clone(), digest), media_type.clone());
                    content.manifests.push((repository, digest, media_type));
                }
                Record::Link { repository, digest, size } if content.has(&repository) => {
                    content.blobs.push((repository, digest, size));
                }
                Record::Tag { repository, name, digest, .. } if content.has(&repository) => {
                    if let Some(media_type) = media_types.get(&(repository.clone(), digest)) {
                        content.tags.push((repository, name, digest, media_type.clone()));
                    }
                }
                _ => {}
            }
        }
        Ok(content)
    }

    /// Records of repositories come first, so the list is complete and sorted by then.
    fn has(&self, repository: &RepositoryName) -> bool {
        self.repositories.contains(repository)
    }

    /// Pushes the blobs, then the manifests in the order in which they were pushed once, then the tags. What is there is not
    /// sent again, so an interrupted restore continues when it is repeated.
    async fn push(
        &self,
        args: &RestoreArgs,
        destination: &Destination,
        client: &Client,
    ) -> Result<Done, Failure> {
        let (mut done, line) = (Done::default(), Line::start());
        let total: u64 = self.blobs.iter().map(|(_, _, size)| size).sum();
        let mut pushes = stream::iter(&self.blobs)
            .map(|(repository, digest, size)| async move {
                let push = BlobPush { size: Some(*size), ..BlobPush::new(repository, digest) };
                let open = |from| async move {
                    let (destination, digest) = (destination.clone(), *digest);
                    let opened = tokio::task::spawn_blocking(move || {
                        let mut file = destination.local_blob(&digest).map_err(std::io::Error::other)?;
                        file.seek(SeekFrom::Start(from)).map(|_| file)
                    });
                    Ok(tokio::fs::File::from_std(opened.await.map_err(std::io::Error::other)??))
                };
                client.push_blob(push, open).await.map(|pushed| (pushed, *size)).map_err(
                    |error| match error {
                        PushError::Registry(error) => Failure::Registry(error),
                        PushError::Content(error) => {
                            Failure::Images(format!(
                                "cannot read blob {digest} of the backup: {error}; `hythe backup verify {}` names everything that is bad",
                                args.destination
                            ))
                        }
                    },
                )
            })
            .buffer_unordered(args.jobs.into());
        let mut seen = 0;
        while let Some((pushed, bytes)) = pushes.try_next().await? {
            seen += bytes;
            if pushed == Pushed::Uploaded {
                done.blobs += 1;
                done.bytes += bytes;
            }
            line.tell(|| format!("restored {} of {}", size(seen), size(total)));
        }
        drop(line);
        for (repository, digest, media_type) in &self.manifests {
            let bytes = read(destination, digest)?;
            client.push_manifest(repository, &Reference::Digest(*digest), media_type, &bytes, &[]).await?;
        }
        for (repository, tag, digest, media_type) in &self.tags {
            let reference = Reference::Tag(tag.clone());
            let found = match client.manifest_head(repository, &reference).await {
                Ok(head) => head.digest,
                Err(ClientError::NotFound { .. }) => None,
                Err(error) => return Err(error.into()),
            };
            match found {
                Some(found) if found == *digest => {}
                Some(_) if !args.overwrite => done.kept.push(format!("{repository}:{tag}")),
                _ => {
                    let bytes = read(destination, digest)?;
                    client.push_manifest(repository, &reference, media_type, &bytes, &[]).await?;
                    done.tags += 1;
                }
            }
        }
        Ok(done)
    }

    fn report(&self, done: &Done, time: Time, url: &str, printer: Printer) {
        let text = format!(
            "restored {} with {} and {} from the backup of {time} into {url}; sent {} ({}), set {}",
            count_of(self.repositories.len() as u64, "repository"),
            count_of(self.manifests.len() as u64, "manifest"),
            count_of(self.tags.len() as u64, "tag"),
            count_of(done.blobs, "blob"),
            size(done.bytes),
            count_of(done.tags, "tag"),
        );
        printer.data(text, || {
            json!({
                "snapshot": time.to_string(), "registry": url, "repositories": self.repositories,
                "manifests": self.manifests.len(), "blobs": done.blobs, "bytes": done.bytes, "tags": done.tags,
                "kept": done.kept,
            })
        });
        if !done.kept.is_empty() && printer.output() == Output::Text {
            let named: Vec<&str> = done.kept.iter().take(10).map(String::as_str).collect();
            printer.note(format_args!(
                "left {} alone, which name another image now ({}); --overwrite sets them back",
                count_of(done.kept.len() as u64, "tag"),
                named.join(", ")
            ));
        }
    }
}

fn read(destination: &Destination, digest: &Digest) -> Result<bytes::Bytes, Failure> {
    let mut bytes = Vec::new();
    let mut file = destination.open_blob(digest)?;
    std::io::Read::read_to_end(&mut file, &mut bytes)
        .map_err(|error| Failure::Images(format!("cannot read manifest {digest} of the backup: {error}")))?;
    if Digest::of(digest.algorithm(), &bytes) != *digest {
        return Err(Failure::Images(format!(
            "manifest {digest} of the backup is damaged; `hythe backup verify {}` names everything that is",
            destination.path().display()
        )));
    }
    Ok(bytes.into())
}
