//! Answers: reads small bodies, and quotes what error bodies and headers say.

use std::future::pending;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use hythe_oci::{Digest, ErrorBody, header, media_type};
use serde::Deserialize;
use tokio::time::{Instant, timeout};

use crate::cause::innermost;
use crate::error::{Error, Subject};
use crate::memory::Memory;
use crate::response::Response;
use crate::room::{Held, Room};

/// How many bytes of an error's body are read, and how many characters of its message are quoted.
const ERROR_BODY: usize = 4 << 10;
const QUOTED: usize = 300;

/// How many bytes one read asks for.
const STEP: usize = 16 << 10;

/// The longest `Retry-After` that is believed. hythe passes on no longer wait, and leaves no registry alone for longer.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// From which number on `Retry-After` is a date: above `DATE` (thirty years) seconds since 1970, above
/// `DATE_IN_MILLISECONDS` milliseconds since 1970.
const DATE: f64 = 1e9;
const DATE_IN_MILLISECONDS: f64 = 1e12;

/// How long to wait for an error's body. Its text only improves the message, so the client must not wait long.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// An answer whose status the request expected.
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

    /// The digest that the answer's header gives.
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

    /// The error for an answer whose status was expected, but which turned out to be unusable.
    pub(crate) async fn refused(self) -> Error {
        let (status, subject) = (self.status().as_u16(), self.subject);
        let said = said(self.response).await.map(|said| format!(": {said}")).unwrap_or_default();
        subject.protocol(format!("status {status}{said}"))
    }

    /// The whole body, if it has no more than `limit` bytes.
    pub(crate) async fn read(self, limit: usize) -> Result<Bytes, Error> {
        self.read_to(None, limit).await
    }

    /// As `read`, but in memory that answers share: returns the body and its hold on that memory.
    pub(crate) async fn read_in(self, room: &Room, limit: usize) -> Result<(Bytes, Held), Error> {
        let mut held = room.enter();
        let bytes = self.read_to(Some(&mut held), limit).await?;
        Ok((bytes, held))
    }

    async fn read_to(mut self, held: Option<&mut Held>, limit: usize) -> Result<Bytes, Error> {
        let progress = self.progress_timeout;
        // A limit for the whole body: a registry that sends a byte now and then must not hold the request forever.
        let whole = self.head_timeout + progress;
        match read_to(held, &mut self.response, limit, progress, whole).await {
            Ok(bytes) => Ok(bytes),
            Err(Cut::TooLong) => {
                Err(self.subject.protocol(format!("the answer has more than {limit} bytes")))
            }
            Err(Cut::Broken(reason)) => Err(self.subject.unavailable(reason)),
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

/// Reads a body of at most `limit` bytes.
pub(crate) async fn read(response: &mut Response, limit: usize, progress: Duration) -> Result<Bytes, Cut> {
    read_to(None, response, limit, progress, Duration::MAX).await
}

/// As `read`, within the time `whole`. Waiting for room in shared memory does not count, since that is not the
/// registry's fault.
async fn read_to(
    mut held: Option<&mut Held>,
    response: &mut Response,
    limit: usize,
    progress: Duration,
    whole: Duration,
) -> Result<Bytes, Cut> {
    let mut left = whole;
    if content_length(response.headers()).is_some_and(|announced| announced > limit as u64) {
        return Err(Cut::TooLong);
    }
    let (mut memory, mut length) = (Memory::default(), 0);
    loop {
        // One byte above the limit, to notice a body that exceeds it.
        let room = (length + STEP).min(limit + 1);
        if let Some(held) = &mut held {
            held.hold(room).await;
        }
        let space = &mut memory.grown(room, limit + 1)[length..room];
        let began = Instant::now();
        let outstayed = async {
            match &mut held {
                Some(held) => held.outstayed(length).await,
                None => pending().await,
            }
        };
        let came = tokio::select! {
            biased;
            came = timeout(progress.min(left), response.read(space)) => came,
            () = outstayed => return Err(Cut::Broken(
                "the answer arrives too slowly, and other long answers wait for its place in memory".to_owned()
            )),
        };
        length += match came {
            Ok(Ok(0)) => break,
            Ok(Ok(more)) => more,
            Ok(Err(error)) => return Err(Cut::Broken(innermost(&error))),
            Err(_) if left < progress => {
                return Err(Cut::Broken("the answer takes too long to arrive".to_owned()));
            }
            Err(_) => return Err(Cut::Broken(format!("no data arrived within {progress:?}"))),
        };
        left = left.saturating_sub(began.elapsed());
        if length > limit {
            return Err(Cut::TooLong);
        }
    }
    Ok(memory.into_bytes(length))
}

/// The message in an error's body, in the specification's form or in that of Docker Hub's token server.
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

/// A registry's text, shortened and without control characters: safe for a log and a terminal.
fn quoted(text: &str) -> Option<String> {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let text: String = text.trim().chars().take(QUOTED).map(clean).collect();
    (!text.is_empty()).then_some(text)
}

/// How long the registry asks to wait before the next request, as far as the value can be believed.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    wait(text(headers, RETRY_AFTER.as_str())?.trim(), SystemTime::now())
}

/// Seconds or a date (RFC 9110, 10.2.3). A number that is too large to be a wait is a date in seconds or milliseconds
/// since 1970, as Docker Hub has sent it. A date in the past means nothing.
fn wait(text: &str, now: SystemTime) -> Option<Duration> {
    let wait = match text.parse::<f64>() {
        Ok(number) if number < DATE => Duration::try_from_secs_f64(number).ok()?,
        Ok(number) => {
            let seconds = if number < DATE_IN_MILLISECONDS { number } else { number / 1000.0 };
            let date = Duration::try_from_secs_f64(seconds).ok()?;
            date.saturating_sub(now.duration_since(UNIX_EPOCH).ok()?)
        }
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default(),
    };
    let is_over = wait.is_zero() && text != "0";
    (!is_over).then(|| wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date_in_any_form_and_is_capped() {
        let now = UNIX_EPOCH + Duration::from_secs(1_796_018_385);
        for (text, seconds) in [
            ("0", Some(0)),
            ("12", Some(12)),
            ("1.5", Some(1)),
            ("3600", Some(3600)),
            ("86400", Some(3600)),
            ("1796018415", Some(30)),
            ("1796018415000", Some(30)),
            ("1796018415.5", Some(30)),
            ("1796099999", Some(3600)),
            ("18446744073709551615", Some(3600)),
            ("Mon, 30 Nov 2026 06:00:30 GMT", Some(45)),
            ("Wed, 21 Oct 2093 07:28:00 GMT", Some(3600)),
            // In the past, or not a time.
            ("1796018000", None),
            ("1796018000000", None),
            ("Mon, 30 Nov 2026 05:59:00 GMT", None),
            ("-5", None),
            ("NaN", None),
            ("inf", None),
            ("1e400", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(wait(text, now).map(|wait| wait.as_secs()), seconds, "{text}");
        }
    }
}
