//! Sends one request to the endpoint, with everything it needs to succeed: tokens, redirects, a time limit.

use std::sync::Arc;

use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, HeaderValue, WWW_AUTHENTICATE};
use http::{Method, StatusCode};
use hythe_oci::header::HYTHE_LOAD;
use tokio::time::timeout;
use url::Url;

use crate::answer::{Answer, retry_after, said};
use crate::ask::Ask;
use crate::challenge::{Challenge, challenges};
use crate::client::Inner;
use crate::error::{Error, PushError, Subject};
use crate::outgoing::Outgoing;
use crate::redirect::target;
use crate::request::Request;
use crate::response::Response;
use crate::token::Token;
use crate::tokens::Authorization;

const REDIRECTS: usize = 10;

/// How many challenges of the endpoint are answered: the first, and one that asks for another scope.
const CHALLENGES: usize = 2;

/// An answer, and who sent it.
struct Reply {
    response: Response,
    /// Whether the endpoint itself answered: no redirect led to another origin.
    at_home: bool,
    /// The token that was sent to the other registry, if the answer came from another origin.
    token: Option<Arc<Token>>,
}

impl Inner {
    /// Sends the request, and gives up after `head_timeout`.
    pub(crate) async fn ask(&self, ask: Ask) -> Result<Answer, Error> {
        // Boxed: otherwise every caller's future would be as large, and some callers ask in several places.
        let Ok(answer) = timeout(self.head_timeout, Box::pin(self.exchange(&ask))).await else {
            return Err(ask.subject.unavailable(format!("no answer within {:?}", self.head_timeout)));
        };
        Ok(self.answer(answer?, ask.subject))
    }

    fn answer(&self, response: Response, subject: Subject) -> Answer {
        let (head_timeout, progress_timeout) = (self.head_timeout, self.progress_timeout);
        Answer { response, subject, head_timeout, progress_timeout }
    }

    /// Sends the request with a body that is read while it is sent, and follows no redirect. Gives up when the registry
    /// takes no byte and sends no answer for as long as it may. Returns `None` if the registry asked for a token or
    /// password and the client has one now: the caller sends the body again.
    pub(crate) async fn send_body(&self, ask: Ask, body: Outgoing) -> Result<Option<Answer>, PushError> {
        let (watch, patience) = (body.watch(), self.head_timeout.max(self.progress_timeout));
        let late =
            || ask.subject.unavailable(format!("it took no byte and sent no answer within {patience:?}"));
        let authorization = if ask.at_home {
            let known = timeout(self.head_timeout, Box::pin(self.tokens.known(&self.transport, &ask)));
            known.await.map_err(|_| late())??
        } else {
            None
        };
        let authorized = authorization.as_ref().map(|authorization| self.tokens.header(authorization));
        let request = self.request(&ask, ask.url.clone(), authorized);
        let sent = watch.attend(self.transport.send_body(request, body, &ask.subject), patience).await;
        if let Some(failure) = watch.failure() {
            return Err(PushError::Content(failure));
        }
        let reply = Reply { response: sent.ok_or_else(late)??, at_home: ask.at_home, token: None };
        if reply.is_challenge() && reply.at_home {
            let challenges = challenges_of(&reply.response);
            let answered = self.tokens.answer(&self.transport, &ask, &challenges, authorization.as_ref());
            let answered = timeout(self.head_timeout, Box::pin(answered));
            if answered.await.map_err(|_| late())??.is_some() {
                return Ok(None);
            }
        }
        self.remember_budget(reply.response.headers());
        if ask.expects(reply.response.status()) {
            return Ok(Some(self.answer(reply.response, ask.subject)));
        }
        Err(error(reply, &ask, authorization.as_ref()).await.into())
    }

    /// The request as it is sent to `url`.
    fn request(&self, ask: &Ask, url: Url, authorization: Option<HeaderValue>) -> Request {
        let mut request = Request::new(ask.method.clone(), url);
        request.headers.clone_from(&ask.headers);
        request.body = ask.body.clone();
        // Storage that compresses on the way would change the bytes; the digest is of the uncompressed ones.
        request.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if self.only_if_cached {
            request.headers.insert(CACHE_CONTROL, HeaderValue::from_static("only-if-cached"));
        }
        if self.loads {
            request.headers.insert(HYTHE_LOAD, HeaderValue::from_static("1"));
        }
        if let Some(authorization) = authorization {
            request.headers.insert(AUTHORIZATION, authorization);
        }
        request
    }

    async fn exchange(&self, ask: &Ask) -> Result<Response, Error> {
        let mut authorization =
            if ask.at_home { self.tokens.known(&self.transport, ask).await? } else { None };
        let mut reply = self.follow(ask, authorization.as_ref()).await?;
        for attempt in 0..CHALLENGES {
            if !reply.is_challenge() || !reply.at_home {
                break;
            }
            let challenges = challenges_of(&reply.response);
            if attempt > 0 && !self.tokens.asks_more(&self.transport, ask, &challenges).await {
                break;
            }
            let answered =
                self.tokens.answer(&self.transport, ask, &challenges, authorization.as_ref()).await?;
            let Some(fresh) = answered else { break };
            // Dropping the answer frees its connection for the next request.
            drop(reply);
            reply = self.follow(ask, Some(&fresh)).await?;
            authorization = Some(fresh);
        }
        // A registry that the endpoint redirects to, as lscr.io redirects to ghcr.io, gets no credentials: it must have
        // a token for anonymous clients.
        if reply.is_challenge() && reply.response.url().origin() != self.url.origin() {
            let (url, challenges) = (reply.response.url().clone(), challenges_of(&reply.response));
            let refused = reply.token.take();
            if self.tokens.answer_at(&self.transport, ask, &url, &challenges, refused.as_ref()).await? {
                drop(reply);
                reply = self.follow(ask, authorization.as_ref()).await?;
            }
        }
        self.remember_budget(reply.response.headers());
        if ask.expects(reply.response.status()) {
            return Ok(reply.response);
        }
        Err(error(reply, ask, authorization.as_ref()).await)
    }

    /// Sends the request and follows redirects. Credentials are not sent to another host, port or scheme, nor to the
    /// endpoint again when that other host redirects back.
    async fn follow(&self, ask: &Ask, authorization: Option<&Authorization>) -> Result<Reply, Error> {
        let mut url = ask.url.clone();
        let mut at_home = ask.at_home;
        for _ in 0..=REDIRECTS {
            let token = if at_home { None } else { self.tokens.known_at(&url, ask).await };
            let authorized = match authorization.filter(|_| at_home) {
                Some(authorization) => Some(self.tokens.header(authorization)),
                None => token.as_ref().map(|token| token.header.clone()),
            };
            let request = self.request(ask, url.clone(), authorized);
            let response = self.transport.send(request, &ask.subject).await?;
            if !ask.follows_redirects {
                return Ok(Reply { response, at_home, token });
            }
            let Some(next) = target(&url, &response, &ask.subject)? else {
                return Ok(Reply { response, at_home, token });
            };
            at_home &= next.origin() == self.url.origin();
            url = next;
        }
        Err(ask.subject.protocol(format!("more than {REDIRECTS} redirects in a row")))
    }
}

impl Reply {
    fn is_challenge(&self) -> bool {
        self.response.status() == StatusCode::UNAUTHORIZED
    }
}

fn challenges_of(response: &Response) -> Vec<Challenge> {
    let values = response.headers().get_all(WWW_AUTHENTICATE).into_iter();
    values.filter_map(|value| value.to_str().ok()).flat_map(challenges).collect()
}

/// The error for an answer whose status was not expected.
async fn error(reply: Reply, ask: &Ask, authorization: Option<&Authorization>) -> Error {
    let status = reply.response.status();
    let host = reply.response.url().host_str().unwrap_or_default().to_owned();
    let retry_after = retry_after(reply.response.headers());
    let (at_home, token) = (reply.at_home, reply.token);
    // Storage that answers 404 may only lack support for the method, so its 404 is not certain.
    let is_registry = at_home || reply.response.url().path() == ask.url.path();
    let said = if ask.method == Method::HEAD { None } else { said(reply.response).await };
    let subject = &ask.subject;
    // A reason, with the host that answered and the text that it sent.
    let full = |what: String| {
        let whose = if at_home { String::new() } else { format!("`{host}`, which it redirects to: ") };
        let said = said.as_ref().map(|said| format!(": {said}")).unwrap_or_default();
        format!("{whose}{what}{said}")
    };
    let is_anonymous = match token {
        Some(_) => true,
        None => at_home && authorization.is_some_and(Authorization::is_anonymous_token),
    };
    let withheld = authorization.filter(|_| at_home).and_then(Authorization::withheld);
    match status.as_u16() {
        404 | 410 => subject.not_found(is_registry, said),
        // To anonymous clients that read, registries answer 401 or 403 for repositories that do not exist, so as not to
        // reveal which ones do.
        401 | 403 if ask.repository().is_some() && ask.only_reads() && is_anonymous && withheld.is_none() => {
            subject.not_found(false, said)
        }
        401 | 403 => {
            if let Some(withheld) = withheld {
                let reason = full(withheld.to_string());
                return subject.denied(status.as_u16(), reason).with(Some(withheld.remedy()));
            }
            let why = match authorization {
                _ if !at_home => "access refused",
                Some(authorization) if !authorization.is_anonymous_token() => {
                    "the registry does not accept the configured credentials, or they do not allow this request"
                }
                // Without a challenge, other credentials would not help.
                None if status.as_u16() == 403 => "the registry refuses this request",
                _ => "the registry requires credentials, and none that it accepts are configured",
            };
            subject.denied(status.as_u16(), full(why.to_owned()))
        }
        405 if !ask.only_reads() => {
            subject.denied(405, full("the registry does not support this request".to_owned()))
        }
        429 => subject.rate_limited(retry_after, said),
        // The method or the protocol's version is not supported: trying again does not help.
        501 | 505 => subject.protocol(full(format!("status {}", status.as_u16()))),
        408 | 500.. => {
            let reason = full(format!("status {}", status.as_u16()));
            subject.unavailable_for(Some(status.as_u16()), retry_after, reason)
        }
        _ => subject.protocol(full(format!("status {}", status.as_u16()))),
    }
}
