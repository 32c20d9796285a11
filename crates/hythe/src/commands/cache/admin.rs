//! A client of hythe's admin API: the cache, and garbage collection (docs/reference/admin-api.md).

use hythe_client::{Client, Error, PageAnswer};
use hythe_oci::ErrorBody;
use serde::Deserialize;
use serde_json::Value;

use super::target::Target;
use crate::args::CollectionArgs;
use crate::failure::Failure;
use crate::values::show_duration;

const COPIES: &str = "/api/cache/copies";
const UPSTREAMS: &str = "/api/cache/upstreams";
const COLLECTION: &str = "/api/gc";

/// The largest answer, in bytes. A page of 100 copies with 1,000 tags each has at most about 15 MB.
const LIMIT: usize = 64 << 20;

/// A connection to a registry's admin API.
pub(in crate::commands) struct Admin {
    target: Target,
    client: Client,
}

/// A copy of an upstream's repository.
#[derive(Debug, Deserialize)]
pub(super) struct Copy {
    pub(super) name: String,
    pub(super) tags: Vec<String>,
    pub(super) tag_count: u64,
    pub(super) bytes: u64,
    pub(super) last_use: String,
}

/// The result of clearing.
#[derive(Debug, Deserialize)]
pub(super) struct Cleared {
    pub(super) copies: u64,
    pub(super) tags: u64,
    pub(super) blobs: u64,
    pub(super) bytes: u64,
}

/// An upstream and its statistics.
#[derive(Debug, Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(super) struct Upstream {
    pub(super) name: String,
    pub(super) asked: bool,
    pub(super) allowed: bool,
    pub(super) requests: u64,
    pub(super) errors: u64,
    pub(super) hits: u64,
    pub(super) revalidated: u64,
    pub(super) misses: u64,
    pub(super) stale: u64,
    pub(super) fetched_bytes: u64,
    pub(super) saved_bytes: u64,
    pub(super) resting: Option<String>,
    pub(super) failing: Option<String>,
    pub(super) budget: Option<Budget>,
}

/// The requests that are left of an upstream's rate limit.
#[derive(Debug, Deserialize)]
pub(super) struct Budget {
    pub(super) limit: Option<u64>,
    pub(super) remaining: u64,
    pub(super) window_seconds: Option<u64>,
}

impl Admin {
    pub(in crate::commands) fn new(target: &Target) -> Result<Self, Failure> {
        Ok(Self { target: target.clone(), client: target.client(false)? })
    }

    /// Every copy that matches a pattern, in the JSON of the registry.
    pub(super) async fn copies(&self, pattern: Option<&str>) -> Result<Vec<Value>, Failure> {
        let (mut copies, mut last) = (Vec::new(), None::<String>);
        loop {
            let mut query: Vec<(&str, &str)> =
                pattern.map(|pattern| ("pattern", pattern)).into_iter().collect();
            query.extend(last.as_deref().map(|last| ("last", last)));
            let mut page = self.answer(self.client.read_page(COPIES, &query, LIMIT).await)?;
            copies.extend(list(&mut page, "copies"));
            match page["next"].as_str() {
                // A `next` that does not move on would make an endless loop.
                Some(next) if last.as_deref().is_none_or(|last| last < next) => last = Some(next.to_owned()),
                _ => return Ok(copies),
            }
        }
    }

    /// Every upstream, in the JSON of the registry.
    pub(super) async fn upstreams(&self) -> Result<Vec<Value>, Failure> {
        let mut page = self.answer(self.client.read_page(UPSTREAMS, &[], LIMIT).await)?;
        Ok(list(&mut page, "upstreams"))
    }

    /// Whether a name or an alias is that of an allowed upstream.
    pub(super) async fn is_upstream(&self, name: &str) -> Result<bool, Failure> {
        let answer = self.client.read_page(UPSTREAMS, &[("name", name)], LIMIT).await;
        let found = list(&mut self.answer(answer)?, "upstreams");
        let found: Vec<Upstream> = self.understand(&Value::Array(found))?;
        Ok(found.iter().any(|upstream| upstream.allowed))
    }

    /// Clears the copies and tags that match a pattern. Returns the result in the JSON of the registry.
    pub(super) async fn clear(&self, pattern: &str) -> Result<Value, Failure> {
        self.answer(self.client.delete_page(COPIES, &[("pattern", pattern)], LIMIT).await)
    }

    /// Runs garbage collection. Returns the result in the JSON of the registry.
    pub(in crate::commands) async fn collect(&self, what: CollectionArgs) -> Result<Value, Failure> {
        let grace = what.grace.map(show_duration);
        let mut query = Vec::new();
        query.extend(what.delete_untagged.then_some(("untagged", "true")));
        query.extend(what.dry_run.then_some(("dry-run", "true")));
        query.extend(grace.as_deref().map(|grace| ("grace", grace)));
        self.answer(self.client.post_page(COLLECTION, &query, LIMIT).await)
    }

    /// Reads an answer as the expected type.
    pub(super) fn understand<T: for<'de> Deserialize<'de>>(&self, value: &Value) -> Result<T, Failure> {
        T::deserialize(value).map_err(|error| self.strange(&error.to_string()))
    }

    fn answer(&self, answer: Result<PageAnswer, Error>) -> Result<Value, Failure> {
        let answer = answer.map_err(|error| self.target.unreachable(&error))?;
        if answer.status == 200 {
            return serde_json::from_slice(&answer.bytes).map_err(|error| self.strange(&error.to_string()));
        }
        let said = serde_json::from_slice::<ErrorBody>(&answer.bytes).ok();
        let said = said.and_then(|body| body.errors.into_iter().next()).map(|error| error.message);
        match (answer.status, said) {
            (404, _) | (_, None) => Err(self.strange(&format!("status {}", answer.status))),
            (_, Some(said)) => Err(Failure::Other(format!("the registry refuses: {said}"))),
        }
    }

    fn strange(&self, what: &str) -> Failure {
        let url = self.target.url();
        Failure::Other(format!(
            "{url} does not serve hythe's admin API ({what}): it may be another registry or an older version. Name \
             your registry with --registry URL or HYTHE_REGISTRY, or upgrade it"
        ))
    }
}

fn list(page: &mut Value, name: &str) -> Vec<Value> {
    match page[name].take() {
        Value::Array(items) => items,
        _ => Vec::new(),
    }
}
