//! What came back: small bodies, and what is told by errors.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use hythe_oci::{Digest, ErrorBody, header, media_type};
use serde::Deserialize;
use tokio::time::timeout;

use crate::dialler::innermost;
use crate::error::{Error, Subject};
use crate::response::Response;

/// As much of an error's body as is read, and as much of its message as is quoted.
const ERROR_BODY: usize = 4 << 10;
const QUOTED: usize = 300;

/// How much is read at a time.
const STEP: usize = 16 << 10;

/// For an error's body: a courtesy that nobody should wait for.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// An answer with an expected status.
pub(crate) struct Answer {
    pub(crate) response: Response,
    pub(crate) subject: Subject,
    pub(crate) head_timeout: Duration,
    pub(crate) progress_timeout: Duration,
}

impl Answer {
    pub(crate) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The digest as the answer says.
    pub(crate) fn digest(&self) -> Option<Digest> {
        text(self.headers(), header::DOCKER_CONTENT_DIGEST)?.parse().ok()
    }

    pub(crate) fn media_type(&self) -> Option<String> {
        let media_type = media_type::without_parameters(text(self.headers(), CONTENT_TYPE.as_str())?);
        (!media_type.is_empty()).then(|| media_type.to_owned())
    }

    pub(crate) fn content_length(&self) -> Option<u64> {
        content_length(self.headers())
    }

    /// The whole body, if it has no more than `limit` bytes.
    pub(crate) async fn read(mut self, limit: usize) -> Result<Bytes, Error> {
        let progress = self.progress_timeout;
        // However steadily it trickles, it ends.
        let whole = timeout(self.head_timeout + progress, read(&mut self.response, limit, progress)).await;
        match whole {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(Cut::TooLong)) => Err(self.subject.protocol(format!("it has more than {limit} bytes"))),
            Ok(Err(Cut::Broken(reason))) => Err(self.subject.unavailable(reason)),
            Err(_) => Err(self.subject.unavailable("the answer takes too long to arrive")),
        }
    }
}

pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    text(headers, CONTENT_LENGTH.as_str())?.parse().ok()
}

/// Why a body was not read to its end.
pub(crate) enum Cut {
    TooLong,
    Broken(String),
}

/// A body of no more than `limit` bytes.
pub(crate) async fn read(response: &mut Response, limit: usize, progress: Duration) -> Result<Bytes, Cut> {
    if content_length(response.headers()).is_some_and(|announced| announced > limit as u64) {
        return Err(Cut::TooLong);
    }
    let (mut whole, mut length) = (Vec::new(), 0);
    loop {
        // One byte more than it may have, to see that it has.
        whole.resize((length + STEP).min(limit + 1), 0);
        length += match timeout(progress, response.read(&mut whole[length..])).await {
            Ok(Ok(0)) => break,
            Ok(Ok(more)) => more,
            Ok(Err(error)) => return Err(Cut::Broken(innermost(&error))),
            Err(_) => return Err(Cut::Broken(format!("not a byte more came within {progress:?}"))),
        };
        if length > limit {
            return Err(Cut::TooLong);
        }
    }
    whole.truncate(length);
    Ok(whole.into())
}

/// What an error's body says, in the specification's form or that of Docker Hub's token server.
pub(crate) async fn said(mut response: Response) -> Option<String> {
    #[derive(Deserialize)]
    struct Details {
        details: String,
    }

    let read = read(&mut response, ERROR_BODY, ERROR_BODY_TIMEOUT);
    let Ok(Ok(body)) = timeout(ERROR_BODY_TIMEOUT, read).await else { return None };
    if let Ok(body) = serde_json::from_slice::<ErrorBody>(&body) {
        let first = body.errors.into_iter().next()?;
        return quoted(if first.message.is_empty() { &first.code } else { &first.message });
    }
    quoted(&serde_json::from_slice::<Details>(&body).ok()?.details)
}

/// What a stranger says, fit for a log and a terminal.
fn quoted(text: &str) -> Option<String> {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let text: String = text.trim().chars().take(QUOTED).map(clean).collect();
    (!text.is_empty()).then_some(text)
}

/// Seconds or a date (RFC 9110, 10.2.3).
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = text(headers, RETRY_AFTER.as_str())?.trim();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).ok(),
    }
}
