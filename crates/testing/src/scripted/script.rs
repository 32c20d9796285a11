//! The state of a scripted upstream: its content, its rules, and the requests it received.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hythe_oci::media_type::OCI_INDEX;
use hythe_oci::{
    ByteRanges, Digest, Endpoint, ErrorCode, Query, Reference, RepositoryName, Selection, encode, path,
};
use parking_lot::Mutex;
use serde_json::json;

use super::access::Access;
use super::budget::Budget;
use super::content::Content;
use super::pace::Pace;
use super::reply::Reply;
use super::rule::{Fault, Rule};
use crate::Seen;

/// The path of blobs that need no credentials, as on a CDN.
const STORAGE: &str = "/storage/";
const TOKEN: &str = "/token";

#[derive(Debug)]
pub(super) struct Script {
    /// `http://127.0.0.1:PORT`
    pub(super) endpoint: String,
    pub(super) content: Mutex<Content>,
    pub(super) rules: Mutex<Vec<Rule>>,
    pub(super) seen: Mutex<Vec<Seen>>,
    pub(super) access: Mutex<Access>,
    pub(super) budget: Mutex<Option<Budget>>,
    pub(super) pace: Pace,
    pub(super) lists_referrers: AtomicBool,
    sent: AtomicU64,
}

impl Script {
    pub(super) fn new(endpoint: String) -> Self {
        Self {
            endpoint,
            content: Mutex::default(),
            rules: Mutex::default(),
            seen: Mutex::default(),
            access: Mutex::default(),
            budget: Mutex::default(),
            pace: Pace::default(),
            lists_referrers: AtomicBool::new(true),
            sent: AtomicU64::new(0),
        }
    }

    pub(super) fn count_sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// The refusal of a request that lacks the right credentials.
    pub(super) fn refuse(&self, seen: &Seen) -> Option<Reply> {
        if !seen.path().starts_with("/v2") {
            return None;
        }
        let endpoint = Endpoint::parse(seen.path());
        let repository = endpoint.as_ref().ok().and_then(Endpoint::name).map(RepositoryName::as_str);
        self.access.lock().refuse(seen, repository, &format!("{}{TOKEN}", self.endpoint))
    }

    /// The fault for this request; uses up one of its rule's times.
    pub(super) fn fault(&self, seen: &Seen) -> Option<Fault> {
        let mut rules = self.rules.lock();
        let rule = rules.iter_mut().find(|rule| rule.matches(seen))?;
        rule.times = rule.times.map(|times| times - 1);
        Some(rule.fault.clone())
    }

    /// The answer, with the status and headers that the fault gives.
    pub(super) fn reply(&self, seen: &Seen, fault: Option<&Fault>) -> Reply {
        let Some(fault) = fault else { return self.route(seen, seen.header("range")) };
        if let Some(reply) = Reply::scripted(fault, &seen.target, seen.digest()) {
            return reply;
        }
        let range = seen.header("range").filter(|_| !matches!(fault, Fault::IgnoreRange));
        self.route(seen, range).spoilt(fault)
    }

    fn route(&self, seen: &Seen, range: Option<&str>) -> Reply {
        let path = seen.path();
        if path == TOKEN {
            let rules = self.access.lock().rules();
            return rules.answer(seen);
        }
        let is_get = seen.method == "GET";
        if !is_get && seen.method != "HEAD" {
            return Reply::error(405, ErrorCode::Unsupported, "a scripted upstream is for pulling only");
        }
        let range = range.filter(|_| is_get);
        if let Some(hex) = path.strip_prefix(STORAGE) {
            let found = self.content.lock().blob_by_hex(hex);
            return blob(found, range);
        }
        match Endpoint::parse(path) {
            Ok(Endpoint::Base) => Reply::json("application/json", &json!({})),
            Ok(Endpoint::Tags { name }) => self.tags(&name, seen.query()),
            Ok(Endpoint::Manifest { name, reference }) => self.manifest(name.as_str(), &reference, is_get),
            Ok(Endpoint::Blob { name, digest }) => {
                let found = self.content.lock().blob(name.as_str(), digest);
                blob(found.map(|content| (digest, content)), range)
            }
            Ok(Endpoint::Referrers { name, digest }) => self.referrers(name.as_str(), digest),
            Ok(
                Endpoint::Root
                | Endpoint::Catalog
                | Endpoint::Extensions
                | Endpoint::Uploads { .. }
                | Endpoint::Upload { .. },
            ) => Reply::error(404, ErrorCode::Unsupported, "a scripted upstream has no such endpoint"),
            Err(error) => Reply::error(404, error.code(), &error.to_string()),
        }
    }

    fn manifest(&self, repository: &str, reference: &Reference, is_get: bool) -> Reply {
        let found = self.content.lock().manifest(repository, reference);
        let mut budget = self.budget.lock();
        // Docker Hub counts pulled manifests; `HEAD` is free.
        let is_counted = is_get && found.is_some();
        let is_spent = budget.as_mut().is_some_and(|budget| is_counted && !budget.spend());
        let reply = match found {
            _ if is_spent => {
                let message =
                    "You have reached your pull rate limit. You may increase the limit by upgrading.";
                Reply::error(429, ErrorCode::TooManyRequests, message)
            }
            Some((digest, stored)) => Reply::content(&stored.media_type, digest, stored.bytes),
            None => Reply::error(404, ErrorCode::ManifestUnknown, "manifest unknown"),
        };
        budget.map_or(reply.clone(), |budget| budget.tell(reply))
    }

    fn tags(&self, name: &RepositoryName, raw: &str) -> Reply {
        let query = Query::parse(raw).unwrap_or_default();
        let Some(page) = self.content.lock().tags(name.as_str(), &query) else {
            return Reply::error(404, ErrorCode::NameUnknown, "repository name not known to registry");
        };
        let reply = Reply::json("application/json", &json!({ "name": name, "tags": page.tags }));
        match (page.tags.last(), query.first("n")) {
            (Some(last), Some(n)) if !page.is_last => {
                let (next, n) = (path::tags(name), encode(&n));
                reply.header("link", format!("<{next}?last={}&n={n}>; rel=\"next\"", encode(last)))
            }
            _ => reply,
        }
    }

    fn referrers(&self, repository: &str, subject: Digest) -> Reply {
        if !self.lists_referrers.load(Ordering::Relaxed) {
            return Reply::error(404, ErrorCode::Unsupported, "404 page not found");
        }
        let manifests = self.content.lock().referrers(repository, subject);
        let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests });
        Reply::json(OCI_INDEX, &index)
    }
}

fn blob(found: Option<(Digest, std::sync::Arc<[u8]>)>, range: Option<&str>) -> Reply {
    let Some((digest, content)) = found else {
        return Reply::error(404, ErrorCode::BlobUnknown, "blob unknown to registry");
    };
    let size = content.len() as u64;
    let reply = Reply::content("application/octet-stream", digest, content).header("accept-ranges", "bytes");
    match range.map_or(Selection::Whole, |range| ByteRanges::parse(range).select(size)) {
        // Many registries ignore a request for several ranges.
        Selection::Whole | Selection::Parts(_) => reply,
        Selection::Part(part) => reply.part(part.start, part.end_inclusive),
        Selection::Unsatisfiable => {
            let reply = Reply::error(416, ErrorCode::RangeInvalid, "the blob is not that long");
            reply.header("content-range", format!("bytes */{size}"))
        }
    }
}
