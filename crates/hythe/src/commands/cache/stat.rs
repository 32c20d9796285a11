//! `hythe cache stat`: shows each upstream's requests, savings and state.

use hythe_api::{Budget, Statistics, Upstream};
use serde_json::{Value, json};

use super::admin::Admin;
use crate::console::{Printer, size, table};
use crate::failure::Failure;

const HEADING: [&str; 10] =
    ["UPSTREAM", "REQUESTS", "HITS", "MISSES", "STALE", "FETCHED", "SAVED", "ERRORS", "BUDGET", "STATE"];

/// Prints a row for each upstream.
pub(super) async fn stat(admin: &Admin, printer: Printer) -> Result<(), Failure> {
    let values = admin.upstreams().await?;
    let upstreams: Vec<Upstream> = admin.understand(&Value::Array(values.clone()))?;
    let asked = upstreams.iter().filter_map(|upstream| Some((upstream, upstream.statistics.as_ref()?)));
    let rows: Vec<[String; 10]> = asked.map(|(upstream, statistics)| row(upstream, statistics)).collect();
    printer.data(table(HEADING, &rows), || json!({ "upstreams": values }));
    let quiet = upstreams.iter().filter(|upstream| upstream.statistics.is_none());
    let quiet: Vec<&str> = quiet.map(|upstream| upstream.name.as_str()).collect();
    if !quiet.is_empty() {
        printer.note(format_args!("no requests since the start: {}", quiet.join(", ")));
    }
    printer.note("to list the cache: `hythe cache ls`");
    Ok(())
}

fn row(upstream: &Upstream, statistics: &Statistics) -> [String; 10] {
    let state = match (&statistics.resting, &statistics.failing) {
        (Some(why), _) => format!("resting: {why}"),
        _ if !upstream.allowed => "no longer allowed".to_owned(),
        (None, Some(why)) => format!("failing: {why}"),
        (None, None) => "ok".to_owned(),
    };
    [
        upstream.name.clone(),
        statistics.requests.to_string(),
        // Revalidated content counts as a hit: it was in the cache, and the upstream confirmed it.
        (statistics.hits + statistics.revalidated).to_string(),
        statistics.misses.to_string(),
        statistics.stale.to_string(),
        size(statistics.fetched_bytes),
        size(statistics.saved_bytes),
        statistics.errors.to_string(),
        statistics.budget.as_ref().map_or_else(|| "-".to_owned(), budget),
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
