//! Requests to pages that hythe serves beside the API of the specification.

use bytes::Bytes;
use http::{Method, StatusCode};
use hythe_oci::encode;

use crate::ask::Ask;
use crate::body::BlobBody;
use crate::client::{Client, Inner};
use crate::error::Error;

/// The answer of a page. It may be a refusal: its meaning depends on the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageAnswer {
    /// The status.
    pub status: u16,
    /// The body.
    pub bytes: Bytes,
}

/// The statuses that a page may answer with on purpose. Others are errors that any request can meet.
const ANSWERS: &[StatusCode] = &[
    StatusCode::OK,
    StatusCode::NO_CONTENT,
    StatusCode::BAD_REQUEST,
    StatusCode::FORBIDDEN,
    StatusCode::NOT_FOUND,
    StatusCode::METHOD_NOT_ALLOWED,
    StatusCode::INSUFFICIENT_STORAGE,
];

impl Client {
    /// Reads a page of no more than `limit` bytes.
    pub async fn read_page(
        &self,
        path: &str,
        query: &[(&str, &str)],
        limit: usize,
    ) -> Result<PageAnswer, Error> {
        self.page(Method::GET, path, query, Bytes::new(), limit).await
    }

    /// Sends DELETE to a page; its answer has no more than `limit` bytes.
    pub async fn delete_page(
        &self,
        path: &str,
        query: &[(&str, &str)],
        limit: usize,
    ) -> Result<PageAnswer, Error> {
        self.page(Method::DELETE, path, query, Bytes::new(), limit).await
    }

    /// Sends POST to a page; its answer has no more than `limit` bytes.
    pub async fn post_page(
        &self,
        path: &str,
        query: &[(&str, &str)],
        limit: usize,
    ) -> Result<PageAnswer, Error> {
        self.page(Method::POST, path, query, Bytes::new(), limit).await
    }

    /// Sends PUT with a body to a page; its answer has no more than `limit` bytes.
    pub async fn put_page(&self, path: &str, body: Bytes, limit: usize) -> Result<PageAnswer, Error> {
        self.page(Method::PUT, path, &[], body, limit).await
    }

    /// Reads a page of any length as it arrives. Its only expected status is 200.
    pub async fn stream_page(&self, path: &str, query: &[(&str, &str)]) -> Result<BlobBody, Error> {
        let mut ask = self.0.page(Method::GET, path, query);
        ask.expected = &[StatusCode::OK];
        let answer = self.0.ask(ask).await?;
        let length = answer.content_length();
        Ok(BlobBody::new(answer, 0..0, length, length))
    }

    async fn page(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Bytes,
        limit: usize,
    ) -> Result<PageAnswer, Error> {
        let mut ask = self.0.page(method, path, query);
        ask.body = body;
        ask.expected = ANSWERS;
        let answer = self.0.ask(ask).await?;
        Ok(PageAnswer { status: answer.status().as_u16(), bytes: answer.read(limit).await? })
    }
}

impl Inner {
    fn page(&self, method: Method, path: &str, query: &[(&str, &str)]) -> Ask {
        let mut url = self.at(path);
        let query: Vec<String> =
            query.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        url.set_query((!query.is_empty()).then(|| query.join("&")).as_deref());
        let subject = self.subject(format!("`{path}`"));
        Ask::new(method, url, Vec::new(), subject)
    }
}
