//! A client of hythe's admin API: the cache, garbage collection, verification, and deleted content (docs/reference/admin-api.md).

use bytes::Bytes;
use hythe_api::{Lease, RetentionPlan, RetentionRun, Upstream, VerifiedSlice, parameter, path};
use hythe_client::{BlobBody, Client, Error, PageAnswer};
use hythe_oci::ErrorBody;
use serde::Deserialize;
use serde_json::Value;

use super::target::Target;
use crate::args::CollectionArgs;
use crate::failure::{AnswerError, Failure};
use crate::values::show_duration;

/// The largest answer, in bytes. A page of 100 copies with 1,000 tags each has at most about 15 MB.
const LIMIT: usize = 64 << 20;

/// A connection to a registry's admin API.
pub(in crate::commands) struct Admin {
    target: Target,
    client: Client,
}

impl Admin {
    pub(in crate::commands) fn new(target: &Target) -> Result<Self, Failure> {
        Ok(Self { target: target.clone(), client: target.client(false)? })
    }

    /// Every copy that matches a pattern, in the JSON of the registry.
    pub(in crate::commands) async fn copies(&self, pattern: Option<&str>) -> Result<Vec<Value>, Failure> {
        let (mut copies, mut last) = (Vec::new(), None::<String>);
        loop {
            let mut query: Vec<(&str, &str)> =
                pattern.map(|pattern| (parameter::PATTERN, pattern)).into_iter().collect();
            query.extend(last.as_deref().map(|last| (parameter::LAST, last)));
            let mut page = self.answer(self.client.read_page(path::COPIES, &query, LIMIT).await)?;
            copies.extend(list(&mut page, "copies"));
            match page["next"].as_str() {
                // A `next` that does not move on would make an endless loop.
                Some(next) if last.as_deref().is_none_or(|last| last < next) => last = Some(next.to_owned()),
                _ => return Ok(copies),
            }
        }
    }

    /// Every upstream, in the JSON of the registry.
    pub(in crate::commands) async fn upstreams(&self) -> Result<Vec<Value>, Failure> {
        let mut page = self.answer(self.client.read_page(path::UPSTREAMS, &[], LIMIT).await)?;
        Ok(list(&mut page, "upstreams"))
    }

    /// Whether a name or an alias is that of an allowed upstream.
    pub(in crate::commands) async fn is_upstream(&self, name: &str) -> Result<bool, Failure> {
        let answer = self.client.read_page(path::UPSTREAMS, &[(parameter::NAME, name)], LIMIT).await;
        let found = list(&mut self.answer(answer)?, "upstreams");
        let found: Vec<Upstream> = self.understand(&Value::Array(found))?;
        Ok(found.iter().any(|upstream| upstream.allowed))
    }

    /// Clears the copies and tags that match a pattern. Returns the result in the JSON of the registry.
    pub(super) async fn clear(&self, pattern: &str) -> Result<Value, Failure> {
        self.answer(self.client.delete_page(path::COPIES, &[(parameter::PATTERN, pattern)], LIMIT).await)
    }

    /// Runs garbage collection. Returns the result in the JSON of the registry.
    pub(in crate::commands) async fn collect(&self, what: CollectionArgs) -> Result<Value, Failure> {
        let grace = what.grace.map(show_duration);
        let mut query = Vec::new();
        query.extend(what.delete_untagged.then_some((parameter::UNTAGGED, "true")));
        query.extend(what.dry_run.then_some((parameter::DRY_RUN, "true")));
        query.extend(grace.as_deref().map(|grace| (parameter::GRACE, grace)));
        self.answer(self.client.post_page(path::GC, &query, LIMIT).await)
    }

    /// Verifies the slice behind `after`. Returns the result in the JSON of the registry.
    pub(in crate::commands) async fn verify(&self, after: Option<&str>) -> Result<VerifiedSlice, Failure> {
        let query: Vec<(&str, &str)> = after.map(|after| (parameter::AFTER, after)).into_iter().collect();
        let slice = self.answer(self.client.post_page(path::VERIFY, &query, LIMIT).await)?;
        self.understand(&slice)
    }

    /// Takes a lease, and returns its id.
    pub(in crate::commands) async fn take_lease(
        &self,
        purpose: &str,
        holder: &str,
    ) -> Result<String, Failure> {
        let query = [(parameter::PURPOSE, purpose), (parameter::HOLDER, holder)];
        let lease = self.answer(self.client.post_page(path::LEASES, &query, LIMIT).await)?;
        Ok(self.understand::<Lease>(&lease)?.id)
    }

    /// Renews a lease. False if it has ended.
    pub(in crate::commands) async fn renew_lease(&self, id: &str) -> Result<bool, Failure> {
        let answer = self.client.put_page(&format!("{}/{id}", path::LEASES), Bytes::new(), LIMIT).await;
        match answer {
            Ok(answer) if answer.status == 404 => Ok(false),
            answer => self.answer(answer).map(|_| true),
        }
    }

    /// Ends a lease.
    pub(in crate::commands) async fn release_lease(&self, id: &str) -> Result<(), Failure> {
        let answer = self.client.delete_page(&format!("{}/{id}", path::LEASES), &[], LIMIT).await;
        answer.map(drop).map_err(|error| self.target.unreachable(&error))
    }

    /// The records of the catalog, as lines.
    pub(in crate::commands) async fn records(&self, cached: bool) -> Result<BlobBody, Failure> {
        let query: &[_] = if cached { &[(parameter::CACHED, "true")] } else { &[] };
        let body = self.client.stream_page(path::BACKUP_RECORDS, query).await;
        body.map_err(|error| self.target.unreachable(&error))
    }

    /// The part of the retention plan behind `after`.
    pub(in crate::commands) async fn retention_plan(
        &self,
        repository: Option<&str>,
        after: Option<&str>,
    ) -> Result<RetentionPlan, Failure> {
        let mut query = Vec::new();
        query.extend(repository.map(|pattern| (parameter::REPOSITORY, pattern)));
        query.extend(after.map(|after| (parameter::AFTER, after)));
        let plan = self.answer(self.client.read_page(path::RETAIN, &query, LIMIT).await)?;
        self.understand(&plan)
    }

    /// Deletes what the retention rules let go. `confirmed` is the id of the plan that the user confirms.
    pub(in crate::commands) async fn retain(
        &self,
        repository: Option<&str>,
        confirmed: Option<&str>,
    ) -> Result<RetentionRun, Failure> {
        let mut query = Vec::new();
        query.extend(repository.map(|pattern| (parameter::REPOSITORY, pattern)));
        query.extend(confirmed.map(|plan| (parameter::CONFIRM, plan)));
        let run = self.answer(self.client.post_page(path::RETAIN, &query, LIMIT).await)?;
        self.understand(&run)
    }

    /// Reads a page. Returns it in the JSON of the registry.
    pub(in crate::commands) async fn read(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Value, Failure> {
        self.answer(self.client.read_page(path, query, LIMIT).await)
    }

    /// Sends POST to a page. Returns its answer in the JSON of the registry.
    pub(in crate::commands) async fn post(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Value, Failure> {
        self.answer(self.client.post_page(path, query, LIMIT).await)
    }

    /// Sends PUT with a body to a page, and reads its answer.
    pub(in crate::commands) async fn put<T: for<'de> Deserialize<'de>>(
        &self,
        path: &str,
        body: Bytes,
    ) -> Result<T, Failure> {
        let answer = self.answer(self.client.put_page(path, body, LIMIT).await)?;
        self.understand(&answer)
    }

    /// Sends DELETE to a page. A 404 of the page says what does not exist.
    pub(in crate::commands) async fn remove(&self, path: &str) -> Result<(), Failure> {
        let answer = self.client.delete_page(path, &[], LIMIT).await;
        let answer = answer.map_err(|error| self.target.unreachable(&error))?;
        if answer.status == 204 {
            return Ok(());
        }
        match message(&answer) {
            Some(message) => Err(AnswerError::Refused { message }.into()),
            None => Err(self.strange(&format!("status {}", answer.status))),
        }
    }

    /// Reads an answer as the expected type.
    pub(in crate::commands) fn understand<T: for<'de> Deserialize<'de>>(
        &self,
        value: &Value,
    ) -> Result<T, Failure> {
        T::deserialize(value).map_err(|error| self.strange(&error.to_string()))
    }

    fn answer(&self, answer: Result<PageAnswer, Error>) -> Result<Value, Failure> {
        let answer = answer.map_err(|error| self.target.unreachable(&error))?;
        if answer.status == 200 {
            return serde_json::from_slice(&answer.bytes).map_err(|error| self.strange(&error.to_string()));
        }
        match (answer.status, message(&answer)) {
            (404, _) | (_, None) => Err(self.strange(&format!("status {}", answer.status))),
            (_, Some(message)) => Err(AnswerError::Refused { message }.into()),
        }
    }

    fn strange(&self, answer: &str) -> Failure {
        AnswerError::NotHythe { url: self.target.url().to_owned(), answer: answer.to_owned() }.into()
    }
}

/// The message of an answer with an error.
fn message(answer: &PageAnswer) -> Option<String> {
    let body = serde_json::from_slice::<ErrorBody>(&answer.bytes).ok()?;
    body.errors.into_iter().next().map(|error| error.message)
}

fn list(page: &mut Value, name: &str) -> Vec<Value> {
    match page[name].take() {
        Value::Array(items) => items,
        _ => Vec::new(),
    }
}
