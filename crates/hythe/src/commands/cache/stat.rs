//! `hythe cache stat`: shows each upstream's requests, savings and state.

use serde_json::{Value, json};

use super::admin::{Admin, Budget, Upstream};
use super::human::size;
use super::table::table;
use crate::failure::Failure;
use crate::printer::Printer;

const HEADING: [&str; 10] =
    ["UPSTREAM", "REQUESTS", "HITS", "MISSES", "STALE", "FETCHED", "SAVED", "ERRORS", "BUDGET", "STATE"];

/// Prints a row for each upstream.
pub(super) async fn stat(admin: &Admin, printer: Printer) -> Result<(), Failure> {
    let values = admin.upstreams().await?;
    let upstreams: Vec<Upstream> = admin.understand(&Value::Array(values.clone()))?;
    let (asked, quiet): (Vec<&Upstream>, Vec<&Upstream>) =
        upstreams.iter().partition(|upstream| upstream.asked);
    let rows: Vec<[String; 10]> = asked.into_iter().map(row).collect();
    printer.data(table(HEADING, &rows), || json!({ "upstreams": values }));
    if !quiet.is_empty() {
        let names: Vec<&str> = quiet.iter().map(|upstream| upstream.name.as_str()).collect();
        printer.note(format_args!("no requests since the start: {}", names.join(", ")));
    }
    printer.note("to list the cache: `hythe cache ls`");
    Ok(())
}

fn row(upstream: &Upstream) -> [String; 10] {
    let state = match (&upstream.resting, &upstream.failing) {
        (Some(why), _) => format!("resting: {why}"),
        _ if !upstream.allowed => "no longer allowed".to_owned(),
        (None, Some(why)) => format!("failing: {why}"),
        (None, None) => "ok".to_owned(),
    };
    [
        upstream.name.clone(),
        upstream.requests.to_string(),
        // Revalidated content counts as a hit: it was in the cache, and the upstream confirmed it.
        (upstream.hits + upstream.revalidated).to_string(),
        upstream.misses.to_string(),
        upstream.stale.to_string(),
        size(upstream.fetched_bytes),
        size(upstream.saved_bytes),
        upstream.errors.to_string(),
        upstream.budget.as_ref().map_or_else(|| "-".to_owned(), budget),
        state,
    ]
}

fn budget(budget: &Budget) -> String {
    let mut text = budget.remaining.to_string();
    if let Some(limit) = budget.limit {
        text = format!("{text} of {limit}");
    }
    match budget.window_seconds {
        Some(window) => {
            format!("{text} in {}", humantime::format_duration(std::time::Duration::from_secs(window)))
        }
        None => text,
    }
}
