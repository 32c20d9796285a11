//! `hythe ls`: lists the repositories of a registry.

use hythe_client::Client;
use hythe_oci::{Authority, RepositoryName};
use serde_json::json;

use super::cache::Target;
use super::registries::Registries;
use super::runtime::run;
use crate::args::LsArgs;
use crate::config::Environment;
use crate::console::Printer;
use crate::failure::Failure;

/// Repositories that are listed at once.
const PAGE: usize = 1000;

/// Lists repositories.
pub(super) fn ls(args: &LsArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    run(list(args, environment, printer))
}

async fn list(args: &LsArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    let client = client(args, environment)?;
    let mut names: Vec<RepositoryName> = Vec::new();
    let mut page = None;
    loop {
        let answer = client.repositories(page, PAGE).await?;
        names.extend(answer.repositories);
        match answer.next {
            Some(next) => page = Some(next),
            None => break,
        }
    }
    let is_wanted =
        |name: &RepositoryName| args.filter.as_ref().is_none_or(|filter| filter.matches(name.as_str()));
    names.retain(is_wanted);
    names.sort();
    names.dedup();
    if names.is_empty() {
        let matching = if args.filter.is_some() { " that matches" } else { "" };
        printer.note(format_args!("{} lists no repository{matching}", client.endpoint()));
    }
    let text: Vec<&str> = names.iter().map(RepositoryName::as_str).collect();
    printer.lines(&text, || json!(names.iter().map(RepositoryName::as_str).collect::<Vec<_>>()));
    Ok(())
}

fn client(args: &LsArgs, environment: &Environment) -> Result<Client, Failure> {
    if let Some(named) = args.registry.as_deref().filter(|named| !named.contains("://")) {
        let host: Authority = named
            .trim_end_matches('/')
            .parse()
            .map_err(|error| Failure::Usage(format!("{error}; write HOST or HOST:PORT")))?;
        return Registries::new(environment, &args.connection).client(&host);
    }
    Target::chosen(args.registry.as_deref(), environment)?.client(true)
}
