//! `hythe du`: shows how much space repositories and tags use at a registry, and what they share.

mod disk;
mod read;
mod report;

use futures_util::stream::{self, StreamExt as _};
use hythe_api::{DeletedManifests, Restorable, parameter, path};
use hythe_client::Client;
use hythe_oci::{Authority, ImageName, RepositoryName};
use parking_lot::Mutex;

use super::registries::Registries;
use super::runtime::run;
use crate::args::DuArgs;
use crate::config::Environment;
use crate::console::{Printer, Tally, count_of};
use crate::failure::Failure;
use read::{Reading, Seen};
use report::{Registry, Repository};

pub(super) use read::digests;

/// Repositories that are listed at once.
const PAGE: usize = 1000;

/// The largest answer about deleted content, in bytes.
const PAGE_BYTES: usize = 1 << 20;

/// The most repositories of a registry.
const NAMES: usize = 1_000_000;

/// Repositories that are read at the same time.
const REPOSITORIES: usize = 4;

/// Shows sizes.
pub(super) fn du(args: &DuArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    run(show(args, environment, printer))
}

/// What to read of one registry.
struct Scope {
    host: Authority,
    /// Whether the whole registry is meant.
    is_whole: bool,
    /// The repositories whose tags are shown.
    named: Vec<RepositoryName>,
}

async fn show(args: &DuArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    let mut registries = Registries::new(environment, &args.connection).only_if_cached();
    let scopes = scopes(args, &mut registries)?;
    let (mut all, mut failed) = (Vec::new(), Vec::new());
    for scope in &scopes {
        let (registry, errors) = measure(scope, &registries, args.jobs.into()).await?;
        all.push(registry);
        failed.extend(errors);
    }
    report::print(&all, &failed, printer);
    if failed.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = failed.iter().map(|(name, error)| format!("  {name}: {error}")).collect();
    let count = count_of(failed.len() as u64, "repository");
    Err(Failure::Images(format!("{count} could not be read:\n{}", list.join("\n"))))
}

fn scopes(args: &DuArgs, registries: &mut Registries<'_>) -> Result<Vec<Scope>, Failure> {
    let mut scopes: Vec<Scope> = Vec::new();
    let targets = args.targets.iter().map(|target| Some(target.as_str()));
    let targets: Vec<Option<&str>> = if args.targets.is_empty() { vec![None] } else { targets.collect() };
    for target in targets {
        let is_repository =
            |target: &&str| !target.contains("://") && target.trim_end_matches('/').contains('/');
        let (host, repository) = match target.filter(is_repository) {
            Some(target) => {
                let name: ImageName = target.parse().map_err(|error| Failure::Usage(format!("{error}")))?;
                if name.tag().is_some() || name.digest().is_some() {
                    let problem =
                        format!("`{target}` names one image: name its repository, without a tag or digest");
                    return Err(Failure::Usage(problem));
                }
                (name.registry().clone(), Some(name.repository().clone()))
            }
            None => (registries.named(target)?, None),
        };
        let at = scopes.iter().position(|scope| scope.host == host).unwrap_or_else(|| {
            scopes.push(Scope { host, is_whole: false, named: Vec::new() });
            scopes.len() - 1
        });
        match repository {
            None => scopes[at].is_whole = true,
            Some(name) if scopes[at].named.contains(&name) => {}
            Some(name) => scopes[at].named.push(name),
        }
    }
    Ok(scopes)
}

/// Reads what the scope names, some repositories at the same time. Returns also the repositories that could not be read.
async fn measure(
    scope: &Scope,
    registries: &Registries<'_>,
    jobs: usize,
) -> Result<(Registry, Vec<(String, String)>), Failure> {
    let (mut names, mut disk, mut restorable) = (scope.named.clone(), None, None);
    if scope.is_whole {
        let client = registries.client(&scope.host)?;
        disk = disk::read(&client).await;
        names.extend(repositories(&client).await?);
        names.sort();
        names.dedup();
        restorable = deleted(&client).await;
    }
    let at_once = REPOSITORIES.min(jobs);
    let (seen, tally) = (Mutex::new(Seen::default()), Tally::start());
    let reading = Reading { seen: &seen, tally: &tally, at_once: jobs / at_once };
    let read = stream::iter(names.into_iter().enumerate()).map(|(number, name)| {
        let reading = &reading;
        async move {
            let remote = registries.repository(&scope.host, &name)?;
            let with_tags = scope.named.contains(&name);
            let number = u32::try_from(number).unwrap_or(u32::MAX - 1);
            match reading.repository(number, &remote, with_tags).await {
                Ok(Some(read)) => Ok(Ok(Some(Repository { name, with_tags, unique: 0, read, number }))),
                Ok(None) => Ok(Ok(None)),
                Err(error) => Ok(Err((format!("{}/{name}", scope.host), error))),
            }
        }
    });
    let read: Vec<Result<_, Failure>> = read.buffered(at_once).collect().await;
    drop(tally);
    let (mut found, mut failed) = (Vec::new(), Vec::new());
    for outcome in read {
        match outcome? {
            Ok(Some(repository)) => found.push(repository),
            Ok(None) => {}
            // A limit of hythe's own: figures without the rest would be wrong for every repository.
            Err((_, error @ hythe_transfer::Error::TooMuch { .. })) => return Err(error.into()),
            Err((name, error)) => failed.push((name, error.to_string())),
        }
    }
    let seen = seen.into_inner();
    let registry = Registry::of(scope.host.clone(), scope.is_whole, restorable, found, &seen);
    Ok((registry.with_disk(disk), failed))
}

/// The deleted content of a hythe that can be restored; `None` for another registry.
async fn deleted(client: &Client) -> Option<Restorable> {
    let answer = client.read_page(path::DELETED_MANIFESTS, &[(parameter::N, "1")], PAGE_BYTES).await.ok()?;
    let page: Option<DeletedManifests> = serde_json::from_slice(&answer.bytes).ok();
    page.filter(|_| answer.status == 200)?.total
}

async fn repositories(client: &Client) -> Result<Vec<RepositoryName>, Failure> {
    let (mut names, mut page) = (Vec::new(), None);
    loop {
        let answer = client.repositories(page, PAGE).await?;
        names.extend(answer.repositories);
        match answer.next {
            Some(next) => page = Some(next),
            None => return Ok(names),
        }
        if names.len() > NAMES {
            let problem = format!("the registry lists more than {NAMES} repositories: name some of them");
            return Err(Failure::Images(problem));
        }
    }
}
