//! Lists the tags of a repository at a registry.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use http::StatusCode;
use hythe_oci::{RepositoryName, Tag, path};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use url::Url;

use crate::answer::Answer;
use crate::client::{Client, Inner};
use crate::error::{Error, Subject};
use crate::link::next_page;

/// The largest list that is read, in bytes: some registries answer with all tags, whatever the request asks for.
const LIMIT: usize = 16 << 20;

/// Page sizes to try, in tags, after a registry refuses a larger one: some have a limit and do not say which.
const SIZES: [usize; 2] = [1000, 100];

/// The most pages of a registry's list that are read for one page of ours.
const PAGES: usize = 1000;

/// How long the registry's own links are followed before the client gets the tags found so far and a link to the rest.
const ENOUGH: Duration = Duration::from_secs(3);

/// The longest time that a list's pages may take to arrive; after it the request fails.
const LONGEST: Duration = Duration::from_mins(1);

/// A page of a repository's tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagPage {
    /// The tags, in the registry's order.
    pub tags: Vec<Tag>,
    /// Whether more tags follow the last one.
    pub more: bool,
}

/// Collects up to `limit` tags after `last`, from one page after the other.
struct Wanted {
    last: Option<String>,
    limit: usize,
    /// Whether the tags that arrive now come after `last`, as far as is known.
    is_behind: bool,
    /// Whether `last` itself was in a page.
    met: bool,
    found: Vec<Tag>,
    /// Whether more tags follow than are wanted.
    more: bool,
    /// The last tag of the page.
    end: Option<String>,
}

impl Wanted {
    fn new(last: Option<&str>, limit: usize, is_behind: bool) -> Self {
        let (last, found) = (last.map(str::to_owned), Vec::new());
        Self { last, limit, is_behind, met: false, found, more: false, end: None }
    }

    fn take(&mut self, text: &str) {
        if self.last.as_deref() == Some(text) {
            // The tags before `last` were not after it.
            (self.is_behind, self.met, self.more) = (true, true, false);
            self.found.clear();
        } else if self.is_behind && self.found.len() < self.limit {
            // Skips a text that is not a valid tag: no client could request it.
            self.found.extend(text.parse::<Tag>());
        } else if self.is_behind {
            self.more = true;
        }
        let end = self.end.get_or_insert_default();
        end.clear();
        end.push_str(text);
    }

    /// Whether the link to the next page has this page's last tag as `last`. Such a registry can list the tags after
    /// any tag; at others, only their own links lead on.
    fn is_followed_by(&self, next: &Url) -> bool {
        let last = next.query_pairs().find(|(name, _)| name == "last");
        last.zip(self.end.as_deref()).is_some_and(|((_, last), end)| last == end)
    }
}

impl Client {
    /// Lists at most `limit` tags after `last`. Combines several of the registry's pages if they are smaller.
    pub async fn tags(
        &self,
        name: &RepositoryName,
        last: Option<&str>,
        limit: usize,
    ) -> Result<TagPage, Error> {
        let (inner, asked) = (&*self.0, self.0.at(&path::tags(name)));
        // A registry that does not know `last` answers with its first page.
        let first = match inner.first_tags(name, last, limit).await {
            Err(Error::Protocol { .. }) if last.is_some() => None,
            answer => Some(answer?),
        };
        if let Some(answer) = first {
            let next = next_page(&answer, &asked)?;
            let wanted = read(inner, answer, Wanted::new(last, limit, true)).await?;
            let is_told = |next: &Url| wanted.met || wanted.is_followed_by(next);
            if last.is_none() || next.as_ref().is_none_or(is_told) {
                return inner.more_tags(name, wanted, next).await;
            }
        }
        let answer = inner.first_tags(name, None, limit).await?;
        let next = next_page(&answer, &asked)?;
        let wanted = read(inner, answer, Wanted::new(last, limit, false)).await?;
        inner.more_tags(name, wanted, next).await
    }
}

impl Inner {
    /// The page after `last`, of `limit` tags or as many as the registry gives at once.
    async fn first_tags(
        &self,
        name: &RepositoryName,
        last: Option<&str>,
        limit: usize,
    ) -> Result<Answer, Error> {
        let most = self.tags_at_once.load(Ordering::Relaxed);
        let sizes =
            [limit.min(most)].into_iter().chain(SIZES.into_iter().filter(|size| *size < limit.min(most)));
        // The last attempt sends no page size.
        let sizes = sizes.map(Some).filter(|size| *size != Some(0) || limit == 0).chain([None]);
        let mut refused = None;
        for size in sizes {
            let mut ask = self.get(&path::tags(name), name, "application/json", format!("tags of `{name}`"));
            ask.expected = &[
                StatusCode::OK,
                StatusCode::BAD_REQUEST,
                StatusCode::METHOD_NOT_ALLOWED,
                StatusCode::NOT_ACCEPTABLE,
                StatusCode::PAYLOAD_TOO_LARGE,
                StatusCode::URI_TOO_LONG,
                StatusCode::RANGE_NOT_SATISFIABLE,
                StatusCode::UNPROCESSABLE_ENTITY,
            ];
            let pairs = [("n", size.map(|size| size.to_string())), ("last", last.map(str::to_owned))];
            for (key, value) in pairs.into_iter().filter_map(|(key, value)| Some((key, value?))) {
                ask.url.query_pairs_mut().append_pair(key, &value);
            }
            let answer = self.ask(ask).await?;
            if answer.status() == StatusCode::OK {
                if refused.is_some() {
                    self.tags_at_once.store(size.unwrap_or(0), Ordering::Relaxed);
                }
                return Ok(answer);
            }
            refused = Some(answer);
        }
        match refused {
            Some(answer) => Err(answer.refused().await),
            None => Err(self.subject(format!("tags of `{name}`")).protocol("no request was sent")),
        }
    }

    /// Completes what is wanted from the following pages, along the registry's own links.
    async fn more_tags(
        &self,
        name: &RepositoryName,
        mut wanted: Wanted,
        mut next: Option<Url>,
    ) -> Result<TagPage, Error> {
        let subject = self.subject(format!("tags of `{name}`"));
        let (began, mut visited) = (Instant::now(), HashSet::new());
        while let Some(page) = next.take() {
            let is_enough = wanted.is_followed_by(&page) && began.elapsed() > ENOUGH;
            if wanted.more
                || wanted.is_behind
                    && (wanted.found.len() >= wanted.limit || is_enough)
                    && !wanted.found.is_empty()
            {
                wanted.more = true;
                break;
            }
            if visited.len() == PAGES {
                return Err(subject.protocol(format!("the list has more than {PAGES} pages")));
            }
            if began.elapsed() > LONGEST {
                return Err(subject.unavailable("the pages of the list take too long to arrive"));
            }
            if !visited.insert(page.clone()) {
                return Err(in_a_circle(&subject));
            }
            let mut ask = self.get(&path::tags(name), name, "application/json", subject.asked.clone());
            ask.url.clone_from(&page);
            let answer = self.ask(ask).await?;
            next = next_page(&answer, &page)?;
            let met = std::mem::take(&mut wanted.met);
            wanted = read(self, answer, wanted).await?;
            if met && wanted.met {
                return Err(in_a_circle(&subject));
            }
            wanted.met |= met;
        }
        if !wanted.is_behind {
            let last = wanted.last.unwrap_or_default();
            return Err(subject.protocol(format!("the list has no tag `{last}` to continue after")));
        }
        Ok(TagPage { tags: wanted.found, more: wanted.more })
    }
}

fn in_a_circle(subject: &Subject) -> Error {
    subject.protocol("the pages of the list link to each other in a circle")
}

/// Reads a page, and parses it on a thread that may block.
async fn read(inner: &Inner, answer: Answer, mut wanted: Wanted) -> Result<Wanted, Error> {
    let subject = answer.subject.clone();
    let (bytes, held) = answer.read_in(&inner.lists, LIMIT).await?;
    wanted.end = None;
    let parsed = tokio::task::spawn_blocking(move || {
        let list = List(&mut |text| wanted.take(text));
        let mut json = serde_json::Deserializer::from_slice(&bytes);
        let read = list.deserialize(&mut json).and_then(|()| json.end()).is_ok();
        drop((bytes, held));
        read.then_some(wanted)
    });
    let parsed = parsed.await.map_err(|_| subject.unavailable("this program is stopping"))?;
    parsed.ok_or_else(|| subject.protocol("it is not a list of tags in JSON"))
}

/// Hands on each tag while the list is parsed, because a list may have millions.
struct List<'a>(&'a mut dyn FnMut(&str));

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a repository and its tags")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut is_one = false;
        while let Some(key) = map.next_key::<String>()? {
            if key == "tags" {
                map.next_value_seed(Tags(&mut *self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
            is_one |= key == "tags" || key == "name";
        }
        // An error that a registry sends with status 200 has neither key.
        if is_one { Ok(()) } else { Err(A::Error::missing_field("tags")) }
    }
}

/// The list itself; `null` if it has none.
struct Tags<'a>(&'a mut dyn FnMut(&str));

impl<'de> DeserializeSeed<'de> for Tags<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Tags<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of tags")
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(One(&mut *self.0))?.is_some() {}
        Ok(())
    }
}

/// One tag.
struct One<'a>(&'a mut dyn FnMut(&str));

impl<'de> DeserializeSeed<'de> for One<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for One<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tag")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        (self.0)(text);
        Ok(())
    }
}
