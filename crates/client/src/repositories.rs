//! Lists the repositories of a registry (Docker Registry HTTP API V2, Listing Repositories).

use http::Method;
use http::header::{ACCEPT, HeaderValue};
use hythe_oci::{RepositoryName, path};
use serde::Deserialize;
use url::Url;

use crate::ask::Ask;
use crate::client::Client;
use crate::endpoint::name_from;
use crate::error::Error;
use crate::link::next_page;

/// The largest page that is read, in bytes: some registries answer with all repositories, whatever the request asks
/// for.
const LIMIT: usize = 16 << 20;

/// A page of a registry's repositories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryPage {
    /// The names, in the registry's order. A name that is not valid is left out: no request could use it.
    pub repositories: Vec<RepositoryName>,
    /// The page after this one, if there is one.
    pub next: Option<NextPage>,
}

/// The registry's link to a further page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextPage(Url);

#[derive(Deserialize)]
struct Catalog {
    repositories: Option<Vec<String>>,
}

impl Client {
    /// Lists a page of about `limit` repositories: the first page, or the one that an earlier page links to. Of an
    /// endpoint that stands for one project (`https://registry.example/v2/project`), only that project's repositories.
    /// The list is not part of the OCI specification; registries may lack it, or show only what the credentials allow.
    pub async fn repositories(&self, page: Option<NextPage>, limit: usize) -> Result<RepositoryPage, Error> {
        let url = page.map_or_else(
            || {
                let mut url = self.0.at(&path::catalog());
                url.query_pairs_mut().append_pair("n", &limit.to_string());
                url
            },
            |page| page.0,
        );
        // The challenge names the scope: registries differ in what the list needs.
        let mut ask =
            Ask::new(Method::GET, url.clone(), Vec::new(), self.0.subject("its list of repositories"));
        ask.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let answer = self.0.ask(ask).await?;
        let (subject, next) = (answer.subject.clone(), next_page(&answer, &url)?);
        if next.as_ref() == Some(&url) {
            return Err(subject.protocol("a page of the list links to itself"));
        }
        let (bytes, held) = answer.read_in(&self.0.lists, LIMIT).await?;
        let endpoint = self.0.url.clone();
        let read = tokio::task::spawn_blocking(move || {
            let catalog: Catalog = serde_json::from_slice(&bytes).ok()?;
            drop((bytes, held));
            let names = catalog.repositories.unwrap_or_default();
            let names = names.iter().filter_map(|name| name_from(&endpoint, name)?.parse().ok());
            Some(names.collect())
        });
        let read = read.await.map_err(|_| subject.unavailable("this program is stopping"))?;
        let repositories =
            read.ok_or_else(|| subject.protocol("it is not a list of repositories in JSON"))?;
        Ok(RepositoryPage { repositories, next: next.map(NextPage) })
    }
}
