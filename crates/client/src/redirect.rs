//! Where an answer's `Location` leads.

use http::header::LOCATION;
use url::Url;

use crate::error::{Error, Subject};
use crate::response::Response;

/// The target of a redirect, if the answer is one.
pub(crate) fn target(from: &Url, response: &Response, subject: &Subject) -> Result<Option<Url>, Error> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    location(from, response, subject, "a redirect").map(Some)
}

/// The address in `Location`, absolute or relative to `from`. `what` names the kind of answer in errors.
pub(crate) fn location(from: &Url, response: &Response, subject: &Subject, what: &str) -> Result<Url, Error> {
    let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
    let Some(location) = location else {
        return Err(subject.protocol(format!("{what} without a usable `Location` header")));
    };
    let target = from.join(location).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let Some(mut target) = target else {
        return Err(subject.protocol(format!("{what} whose `Location` is not an HTTP address")));
    };
    if from.scheme() == "https" && target.scheme() == "http" {
        let host = target.host_str().unwrap_or_default();
        let reason = format!("it redirects from HTTPS to plain HTTP at `{host}`; no setting allows that");
        return Err(subject.refused(reason));
    }
    // Credentials within the target's URL are the other host's, not ours, so they are not sent.
    let _ = target.set_username("");
    let _ = target.set_password(None);
    Ok(target)
}
