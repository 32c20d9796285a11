//! Requests tokens (distribution's token authentication; OAuth 2, RFC 6749).

use std::fmt;
use std::time::{Duration, Instant};

use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hythe_oci::encode;
use serde_json::{Map, Value};

use crate::Credentials;
use crate::answer::{Cut, read, retry_after, said};
use crate::error::{Error, Subject};
use crate::guard::host_of;
use crate::realm::{Realm, Trust};
use crate::redirect::target;
use crate::remedy::Remedy;
use crate::request::Request;
use crate::transport::Transport;

/// The longest answer of a token server that is read, in bytes. A token travels in a header, and servers limit headers
/// to far less.
const LIMIT: usize = 64 << 10;

/// How many redirects of a token server are followed.
const REDIRECTS: usize = 3;

/// The lifetime of a token whose answer gives none.
const LASTS: Duration = Duration::from_mins(1);

/// The longest lifetime that is believed: the access that a token stands for may be withdrawn.
const LONGEST: Duration = Duration::from_hours(24);

/// A token, which gives access for a while.
pub(crate) struct Token {
    pub(crate) header: HeaderValue,
    pub(crate) anonymous: bool,
    /// Whether it was requested without the configured credentials, if there are any.
    pub(crate) withheld: Option<Withheld>,
    until: Instant,
}

impl Token {
    /// Whether the token is still valid, with some time to spare.
    pub(crate) fn is_fresh(&self) -> bool {
        Instant::now() < self.until
    }

    /// Requests a token.
    pub(crate) async fn request(
        transport: &Transport,
        realm: &Realm,
        credentials: &Credentials,
        basic: Option<&HeaderValue>,
        subject: &Subject,
    ) -> Result<Self, Error> {
        let (credentials, withheld) = sent(credentials, realm);
        let anonymous = *credentials == Credentials::Anonymous;
        let server = Server { transport, realm, subject, anonymous, withheld };
        match credentials {
            Credentials::Anonymous => server.get(None).await?.or_refused(),
            Credentials::IdentityToken(token) => {
                server.post(&[("grant_type", "refresh_token"), ("refresh_token", token)]).await
            }
            // Most token servers know only GET, as Docker Hub did for a long time. Those that know only POST answer GET
            // with 404 or 405.
            Credentials::Basic { username, password } => match server.get(basic).await? {
                Got::Token(token) => Ok(token),
                Got::NoSuchMethod(_) => {
                    let form = [("grant_type", "password"), ("username", username), ("password", password)];
                    server.post(&form).await
                }
            },
        }
    }

    /// Reads a token server's answer. Token servers differ in the names of the fields, and more so in their forms.
    fn read(body: &[u8], anonymous: bool, asked_at: Instant) -> Result<Self, &'static str> {
        let answer: Map<String, Value> = serde_json::from_slice(body)
            .map_err(|_| "the answer of its token server is not a token in JSON")?;
        let text = |key: &str| answer.get(key)?.as_str().map(str::trim).filter(|token| !token.is_empty());
        let token = text("token").or_else(|| text("access_token"));
        let token = token.ok_or("the answer of its token server has no token")?;
        let mut header = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| "the answer of its token server has a token that no header can hold")?;
        header.set_sensitive(true);
        let told = match answer.get("expires_in") {
            Some(Value::String(text)) => text.trim().parse().ok(),
            other => other.and_then(Value::as_f64),
        };
        // A lifetime of 0 is ignored: some servers send 0 without meaning it.
        let told = told.filter(|seconds: &f64| *seconds >= 1.0);
        let lasts = told.map_or(LASTS, |seconds| Duration::from_secs_f64(seconds.min(LONGEST.as_secs_f64())));
        let spare = (lasts / 10).min(Duration::from_secs(10));
        let until = asked_at + lasts.saturating_sub(spare);
        Ok(Self { header, anonymous, withheld: None, until })
    }
}

/// A token server that did not get the configured credentials, because it belongs to another domain than the registry.
#[derive(Clone, Debug)]
pub(crate) struct Withheld {
    server: String,
}

impl Withheld {
    /// What would let the server get them.
    pub(crate) fn remedy(&self) -> Remedy {
        Remedy::PrivateHost(self.server.clone())
    }
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server } = self;
        write!(
            f,
            "hythe did not send the configured credentials to its token server `{server}`, which belongs to another domain"
        )
    }
}

/// The credentials to send to a token server; and whether it gets none although there are some.
fn sent<'a>(credentials: &'a Credentials, realm: &Realm) -> (&'a Credentials, Option<Withheld>) {
    let withheld = match (credentials, realm.trust) {
        (Credentials::Anonymous, _) | (_, Trust::Vouched) => return (credentials, None),
        (_, Trust::Foreign) => Some(Withheld { server: host_of(&realm.url) }),
        (_, Trust::Elsewhere) => None,
    };
    (&Credentials::Anonymous, withheld)
}

/// One exchange with a token server.
struct Server<'a> {
    transport: &'a Transport,
    realm: &'a Realm,
    subject: &'a Subject,
    anonymous: bool,
    withheld: Option<Withheld>,
}

enum Got {
    Token(Token),
    /// 404 or 405, and the error to report if no other method is left to try.
    NoSuchMethod(Error),
}

impl Got {
    fn or_refused(self) -> Result<Token, Error> {
        match self {
            Self::Token(token) => Ok(token),
            Self::NoSuchMethod(error) => Err(error),
        }
    }
}

impl Server<'_> {
    async fn get(&self, basic: Option<&HeaderValue>) -> Result<Got, Error> {
        let mut request = Request::new(Method::GET, self.realm.url.clone());
        let service = self.realm.service.iter().map(|service| ("service", service));
        // One parameter for each scope (distribution, Token Authentication Specification).
        let scopes = self.realm.scopes.iter().map(|scope| ("scope", scope));
        for (key, value) in service.chain(scopes) {
            request.url.query_pairs_mut().append_pair(key, value);
        }
        if let Some(basic) = basic {
            request.headers.insert(AUTHORIZATION, basic.clone());
        }
        self.send(request).await
    }

    async fn post(&self, form: &[(&str, &str)]) -> Result<Token, Error> {
        let service = self.realm.service.as_deref().map(|service| ("service", service));
        // One parameter, in which spaces separate the scopes (RFC 6749, 3.3).
        let scopes = self.realm.scopes.join(" ");
        let scope = (!scopes.is_empty()).then_some(("scope", scopes.as_str()));
        let pairs = form.iter().copied().chain([("client_id", "hythe")]).chain(service).chain(scope);
        let form: Vec<String> = pairs.map(|(key, value)| format!("{key}={}", encode(value))).collect();
        let mut request = Request::new(Method::POST, self.realm.url.clone());
        request.body = form.join("&").into();
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers.insert(CONTENT_TYPE, form_type);
        self.send(request).await?.or_refused()
    }

    async fn send(&self, request: Request) -> Result<Got, Error> {
        let (subject, host) = (self.subject, host_of(&self.realm.url));
        let asked_at = Instant::now();
        let mut response = self.transport.send(request.clone(), subject).await?;
        // The target of a redirect gets an anonymous request, and no credentials: no challenge has named it.
        for _ in 0..REDIRECTS {
            if !self.anonymous {
                break;
            }
            let Some(url) = target(response.url(), &response, subject)? else { break };
            response = self.transport.send(Request { url, ..request.clone() }, subject).await?;
        }
        let status = response.status();
        if status.is_success() {
            // The caller limits the time of the whole exchange.
            let body = read(&mut response, LIMIT, Duration::MAX).await.map_err(|cut| match cut {
                Cut::TooLong => {
                    subject.protocol(format!("the answer of its token server `{host}` is too long"))
                }
                Cut::Broken(reason) => subject.unavailable(format!("its token server `{host}`: {reason}")),
            })?;
            let token = Token::read(&body, self.anonymous, asked_at);
            let token = token.map(|token| Token { withheld: self.withheld.clone(), ..token });
            return token.map(Got::Token).map_err(|reason| subject.protocol(reason));
        }
        let retry_after = retry_after(response.headers());
        let said = said(response).await;
        let told = said.as_ref().map(|said| format!(": {said}")).unwrap_or_default();
        let told = self.withheld.iter().fold(told, |told, withheld| format!("{told}; {withheld}"));
        let remedy = self.withheld.as_ref().map(Withheld::remedy);
        let code = status.as_u16();
        let reason = format!("its token server `{host}` answered with status {code}{told}");
        match code {
            404 | 405 => Ok(Got::NoSuchMethod(subject.denied(code, reason).with(remedy))),
            429 => Err(subject.rate_limited(retry_after, said)),
            400..500 => Err(subject.denied(code, reason).with(remedy)),
            500.. => Err(subject.unavailable_for(Some(code), retry_after, reason).with(remedy)),
            // A redirect is not followed with credentials: it would carry them to a host that no challenge has named.
            _ => Err(subject.protocol(reason)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lasts(body: &str) -> Option<u64> {
        let now = Instant::now();
        Token::read(body.as_bytes(), true, now).ok().map(|token| token.until.duration_since(now).as_secs())
    }

    #[test]
    fn a_token_expires_a_little_before_its_lifetime_ends() {
        for (body, seconds) in [
            (r#"{"token":"a","expires_in":300}"#, Some(290)),
            (r#"{"access_token":"a","expires_in":60}"#, Some(54)),
            (r#"{"token":"","access_token":"a"}"#, Some(54)),
            (r#"{"token":null,"access_token":"a"}"#, Some(54)),
            (r#"{"token":"a","token":"b"}"#, Some(54)),
            (r#"{"token":"a\n","access_token":7}"#, Some(54)),
            (r#"{"token":"a","expires_in":"300"}"#, Some(290)),
            (r#"{"token":"a","expires_in":null}"#, Some(54)),
            (r#"{"token":"a","expires_in":"soon"}"#, Some(54)),
            (r#"{"token":"a","expires_in":{}}"#, Some(54)),
            (r#"{"token":"a","expires_in":300,"issued_at":7}"#, Some(290)),
            (r#"{"token":"","access_token":""}"#, None),
            (r#"{"token":7}"#, None),
            (r#"{"token":"a","access_token":"a","issued_at":"2026-01-01T00:00:00Z"}"#, Some(54)),
            (r#"{"token":"a","expires_in":0}"#, Some(54)),
            (r#"{"token":"a","expires_in":-5}"#, Some(54)),
            (r#"{"token":"a","expires_in":299.5}"#, Some(289)),
            (r#"{"token":"a","expires_in":1e300}"#, Some(86_390)),
            (r#"{"token":"a\nb"}"#, None),
            (r#"{"errors":[]}"#, None),
            ("<html>", None),
            ("", None),
        ] {
            assert_eq!(lasts(body), seconds, "{body}");
        }
    }
}
