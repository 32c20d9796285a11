//! The page of the upstreams' states.

use serde::{Deserialize, Serialize};

/// The upstreams, sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Upstreams {
    /// The upstreams.
    pub upstreams: Vec<Upstream>,
}

/// An upstream and its state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Fields")]
pub struct Upstream {
    /// The upstream's name; `other` for all upstreams that only clients name.
    pub name: String,
    /// The upstream's endpoints.
    pub endpoints: Vec<String>,
    /// Whether hythe may ask the upstream now.
    pub allowed: bool,
    /// Whether hythe has asked the upstream since the start.
    pub asked: bool,
    /// The upstream's statistics, if hythe has asked it. The page has their fields beside the others.
    #[serde(flatten)]
    pub statistics: Option<Statistics>,
}

/// What hythe counted of an upstream since the start, and the upstream's state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Statistics {
    /// Requests to the upstream.
    pub requests: u64,
    /// Requests that failed.
    pub errors: u64,
    /// The time that all requests took together, in seconds.
    pub waited_seconds: f64,
    /// Answers from kept content.
    pub hits: u64,
    /// Answers that hythe had to fetch.
    pub misses: u64,
    /// Tags that the upstream confirmed.
    pub revalidated: u64,
    /// Answers that the upstream could not confirm.
    pub stale: u64,
    /// Bytes that hythe fetched from the upstream.
    pub fetched_bytes: u64,
    /// Bytes of blobs that hythe served without asking the upstream.
    pub saved_bytes: u64,
    /// Why hythe asks the upstream nothing for now; `None` if hythe asks it.
    pub resting: Option<String>,
    /// The failure, if the last request to each of the upstream's endpoints failed.
    pub failing: Option<String>,
    /// The upstream's rate limit, if it reported one.
    pub budget: Option<Budget>,
}

/// An upstream's rate limit, as the upstream last reported it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// How many pulls the upstream allows in a window.
    pub limit: Option<u64>,
    /// How many pulls are left.
    pub remaining: u64,
    /// The length of a window, in seconds.
    pub window_seconds: Option<u64>,
    /// The address or account for which the upstream counts pulls.
    pub source: Option<String>,
    /// When the upstream reported it, in RFC 3339's format.
    pub seen: Option<String>,
}

/// An [`Upstream`] as it is read. The statistics have defaults, so serde alone cannot tell whether they are there.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields {
    name: String,
    endpoints: Vec<String>,
    allowed: bool,
    asked: bool,
    #[serde(flatten)]
    statistics: Statistics,
}

impl From<Fields> for Upstream {
    fn from(fields: Fields) -> Self {
        let Fields { name, endpoints, allowed, asked, statistics } = fields;
        Self { name, endpoints, allowed, asked, statistics: asked.then_some(statistics) }
    }
}
