//! Tags of an upstream.

use hythe_oci::{RepositoryName, Tag, path};
use serde::Deserialize;

use crate::client::Client;
use crate::error::Error;
use crate::link;

/// The longest list that is read: some upstreams answer with all tags, whatever was asked for.
const LIMIT: usize = 16 << 20;

/// A page of a repository's tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagPage {
    /// In the upstream's order.
    pub tags: Vec<Tag>,
    /// Whether there are more behind the last one.
    pub more: bool,
}

#[derive(Deserialize)]
struct List {
    /// `null` where there are none.
    tags: Option<Vec<String>>,
}

impl Client {
    /// No more than `limit` tags, those behind `last`.
    pub async fn tags(
        &self,
        name: &RepositoryName,
        last: Option<&str>,
        limit: usize,
    ) -> Result<TagPage, Error> {
        let mut ask = self.0.get(&path::tags(name), name, "application/json", format!("tags of `{name}`"));
        ask.url.query_pairs_mut().append_pair("n", &limit.to_string());
        if let Some(last) = last {
            ask.url.query_pairs_mut().append_pair("last", last);
        }
        let answer = self.0.ask(ask).await?;
        let linked = link::next(answer.headers()).is_some();
        let subject = answer.subject.clone();
        let body = answer.read(LIMIT).await?;
        let page: List = serde_json::from_slice(&body)
            .map_err(|_| subject.protocol("it is not the JSON of a list of tags"))?;
        let mut texts = page.tags.unwrap_or_default();
        // An upstream without pages sends all tags each time.
        if let Some(at) = last.and_then(|last| texts.iter().position(|text| text == last)) {
            texts.drain(..=at);
        }
        let more = texts.len() > limit || linked && !texts.is_empty();
        texts.truncate(limit);
        // What is no tag cannot be asked for either.
        Ok(TagPage { tags: texts.iter().filter_map(|text| text.parse().ok()).collect(), more })
    }
}
