//! Lists the referrers of a manifest at a registry.

use std::borrow::Cow;
use std::fmt;

use http::StatusCode;
use hythe_oci::{Digest, RepositoryName, media_type, path};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::answer::Answer;
use crate::ask::Ask;
use crate::client::{Client, Inner};
use crate::error::Error;
use crate::link::next_page;

/// The most pages of referrers that are read: each costs a round trip while a client waits.
const PAGES: usize = 10;

/// A referrer, as the registry's list describes it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry<'a> {
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    #[serde(borrow)]
    pub media_type: Cow<'a, str>,
    /// Its length in bytes.
    pub size: u64,
    /// Its artifact type.
    #[serde(borrow, default)]
    pub artifact_type: Option<Cow<'a, str>>,
    /// Its annotations, as unchecked JSON.
    #[serde(borrow, default)]
    pub annotations: Option<&'a RawValue>,
}

impl Client {
    /// Calls `take` for each referrer of a manifest, and returns what it made of `state`. The lists may have `limit`
    /// bytes in all. Returns `None` if the registry has no referrers API; a tag may then hold the list instead
    /// (distribution-spec, Unavailable Referrers API). Entries that cannot be parsed are skipped.
    pub async fn referrers<S: Send + 'static>(
        &self,
        name: &RepositoryName,
        digest: &Digest,
        limit: usize,
        mut state: S,
        take: fn(&mut S, Entry<'_>),
    ) -> Result<Option<S>, Error> {
        let mut ask = self.0.referrers(name, digest);
        let (mut pages, mut left) = (0, limit);
        loop {
            let asked = ask.url.clone();
            let answer = match self.0.ask(ask).await {
                Ok(answer) if answer.status() == StatusCode::OK => answer,
                // The registry lacks the API only if the first page fails. A later page that fails is an error: without
                // it the list would be incomplete.
                Ok(_) | Err(Error::NotFound { .. }) if pages == 0 => return Ok(None),
                Ok(answer) => return Err(answer.refused().await),
                Err(Error::NotFound { host, asked, .. }) => {
                    let reason = "one of the pages of the list is missing".to_owned();
                    return Err(Error::Protocol { host, asked, reason });
                }
                Err(error) => return Err(error),
            };
            // An answer of another media type may still be an index; or it is a web page that the server shows for
            // every path.
            let is_index = answer.media_type().as_deref() == Some(media_type::OCI_INDEX);
            let next = next_page(&answer, &asked)?;
            let subject = answer.subject.clone();
            let (length, read) = self.0.read(answer, left, state, take).await?;
            state = match read {
                Some(state) => state,
                None if is_index || pages > 0 => {
                    return Err(subject.protocol("it is not an index in JSON"));
                }
                None => return Ok(None),
            };
            (pages, left) = (pages + 1, left - length);
            ask = match next {
                None => return Ok(Some(state)),
                Some(_) if pages == PAGES => {
                    return Err(subject.protocol(format!("the list has more than {PAGES} pages")));
                }
                Some(url) => Ask { url, ..self.0.referrers(name, digest) },
            };
        }
    }
}

impl Inner {
    fn referrers(&self, name: &RepositoryName, digest: &Digest) -> Ask {
        let asked = format!("referrers of `{digest}` of `{name}`");
        let mut ask = self.get(&path::referrers(name, digest), name, media_type::OCI_INDEX, asked);
        // Registries without the API do not all answer 404: some reject the path, the method or the function.
        ask.expected = &[
            StatusCode::OK,
            StatusCode::BAD_REQUEST,
            StatusCode::METHOD_NOT_ALLOWED,
            StatusCode::NOT_ACCEPTABLE,
            StatusCode::NOT_IMPLEMENTED,
        ];
        ask
    }

    /// Reads a page, and parses it on a thread that may block. Returns the page's size in bytes, and the state if the
    /// page is an index.
    async fn read<S: Send + 'static>(
        &self,
        answer: Answer,
        limit: usize,
        mut state: S,
        take: fn(&mut S, Entry<'_>),
    ) -> Result<(usize, Option<S>), Error> {
        let subject = answer.subject.clone();
        let (bytes, held) = answer.read_in(&self.lists, limit).await?;
        let read = tokio::task::spawn_blocking(move || {
            let is_index = entries(&bytes, |entry| take(&mut state, entry));
            let length = bytes.len();
            drop((bytes, held));
            (length, is_index.then_some(state))
        });
        read.await.map_err(|_| subject.unavailable("this program is stopping"))
    }
}

/// Calls `take` for each entry of an index that can be parsed; returns whether the bytes are an index.
pub fn entries(index: &[u8], mut take: impl FnMut(Entry<'_>)) -> bool {
    let mut json = serde_json::Deserializer::from_slice(index);
    let is_index = json.deserialize_map(Index(&mut take));
    is_index.is_ok_and(|is_index| is_index) && json.end().is_ok()
}

/// Reads an index entry by entry, because a list may have millions of them.
struct Index<'a>(&'a mut dyn FnMut(Entry<'_>));

impl<'de> Visitor<'de> for Index<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an index")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let mut is_index = false;
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            if key == "manifests" {
                map.next_value_seed(Manifests(&mut *self.0))?;
                is_index = true;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(is_index)
    }
}

/// The list of manifests; `null` if it has none.
struct Manifests<'a>(&'a mut dyn FnMut(Entry<'_>));

impl<'de> DeserializeSeed<'de> for Manifests<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Manifests<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of manifests")
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(entry) = list.next_element::<&RawValue>()? {
            if let Ok(entry) = serde_json::from_str(entry.get()) {
                (self.0)(entry);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    #[test]
    fn entries_of_an_index_that_cannot_be_parsed_are_skipped() {
        let entry = format!(
            r#"{{"mediaType":"a\/b","digest":"{DIGEST}","size":1,"annotations":{{"x":[]}},"odd":0}}"#
        );
        let index = format!(r#"{{"odd":1,"manifests":[{{}},7,{entry},{{"size":-1}}]}}"#);
        let mut found = Vec::new();
        let take = |entry: Entry<'_>| {
            let annotations = entry.annotations.map(|raw| raw.get().to_owned());
            found.push((entry.digest.to_string(), entry.media_type.into_owned(), annotations));
        };
        assert!(entries(index.as_bytes(), take));
        assert_eq!(found, [(DIGEST.to_owned(), "a/b".to_owned(), Some(r#"{"x":[]}"#.to_owned()))]);
        for none in [r#"{"manifests":[]}"#, r#"{"manifests":null}"#] {
            assert!(entries(none.as_bytes(), |_| panic!("there is none")));
        }
        for other in ["", "<html>", "[]", "7", r#"{"errors":[]}"#, r#"{"manifests":7}"#, "{} {}"] {
            assert!(!entries(other.as_bytes(), |_| panic!("there is none")), "{other}");
        }
    }
}
