//! `hythe import URL`: imports all repositories of a running registry into another one.

use std::collections::HashMap;
use std::sync::Arc;

use hythe_oci::{Reference, RepositoryName};
use hythe_transfer::{Plan, Source, Watch, copy};

use super::moved::Moved;
use crate::args::ImportArgs;
use crate::commands::bundle::Destination;
use crate::commands::cache::{Admin, Target};
use crate::commands::copy::Shown;
use crate::commands::registries::Registries;
use crate::config::Environment;
use crate::console::{Printer, Progress};
use crate::failure::{AnswerError, Failure};

/// Repositories that are listed at once.
const PAGE: usize = 1000;

/// Imports every repository that the source lists: all its tags, with what refers to their images.
pub(super) async fn import(
    args: &ImportArgs,
    url: &str,
    environment: &Environment,
    printer: Printer,
) -> Result<(), Failure> {
    let mut sources = Registries::new(environment, &args.connection).only_if_cached();
    let from = sources.named(Some(url))?;
    let destination = Destination::new(args.registry.as_deref(), &args.connection, None, environment)?;
    if from == destination.own {
        return Err(Failure::Usage(format!(
            "{from} is the registry to import into: name another source, or --registry"
        )));
    }
    let mut upstreams = Upstreams::new(args, environment)?;
    let names = repositories(args, &sources, &from).await?;
    if names.is_empty() {
        return Err(Failure::Images(format!("{from} lists no repository to import")));
    }
    let plan = Plan { referrers: true, jobs: args.jobs.into(), ..Plan::default() };
    let progress = Arc::new(Progress::start(names.len()));
    let watch: Arc<dyn Watch> = Arc::new(Shown(Arc::clone(&progress)));
    let mut moved = Moved::default();
    for name in names {
        let source: Arc<dyn Source> = Arc::new(sources.repository(&from, &name)?);
        let target = destination.at(&name, upstreams.has(&name).await?)?;
        match source.tags().await {
            Ok(tags) => {
                for tag in tags {
                    let reference = Reference::Tag(tag.clone());
                    match copy(&source, &reference, &target, &[tag], &plan, &watch).await {
                        Ok(copied) => moved.add(&copied, 1),
                        Err(error) => moved.failed(format!("{name}:{reference}"), error),
                    }
                }
            }
            Err(error) => moved.failed(name.to_string(), error),
        }
        progress.ended();
        moved.repository();
    }
    moved.conclude(&destination.own.to_string(), &progress, printer)
}

/// The repositories that the source lists and the command line chooses.
async fn repositories(
    args: &ImportArgs,
    sources: &Registries<'_>,
    from: &hythe_oci::Authority,
) -> Result<Vec<RepositoryName>, Failure> {
    let client = sources.client(from)?;
    let (mut names, mut page) = (Vec::new(), None);
    loop {
        let answer = match client.repositories(page, PAGE).await {
            Err(hythe_client::Error::NotFound { .. }) => {
                return Err(Failure::Images(format!(
                    "{from} does not list its repositories: copy each of them, as in `hythe copy {from}/app localhost:5001/app --tag '*'`"
                )));
            }
            answer => answer?,
        };
        names.extend(answer.repositories);
        match answer.next {
            Some(next) => page = Some(next),
            None => break,
        }
    }
    let is_chosen = |name: &RepositoryName| {
        args.repository.is_empty() || args.repository.iter().any(|pattern| pattern.matches(name.as_str()))
    };
    names.retain(is_chosen);
    names.sort();
    names.dedup();
    Ok(names)
}

/// Which names mean copies of upstreams at the registry to import into.
struct Upstreams {
    admin: Admin,
    /// For each first component of a name, whether it is an upstream's.
    known: HashMap<String, bool>,
}

impl Upstreams {
    fn new(args: &ImportArgs, environment: &Environment) -> Result<Self, Failure> {
        let admin = Admin::new(&Target::chosen(args.registry.as_deref(), environment)?)?;
        Ok(Self { admin, known: HashMap::new() })
    }

    async fn has(&mut self, name: &RepositoryName) -> Result<bool, Failure> {
        let Some((first, _)) = name.as_str().split_once('/').filter(|(first, _)| first.contains('.')) else {
            return Ok(false);
        };
        if let Some(known) = self.known.get(first) {
            return Ok(*known);
        }
        let is_upstream = match self.admin.is_upstream(first).await {
            // Another registry has no copies.
            Err(Failure::Answer(AnswerError::NotHythe { .. })) => false,
            answer => answer?,
        };
        self.known.insert(first.to_owned(), is_upstream);
        Ok(is_upstream)
    }
}
