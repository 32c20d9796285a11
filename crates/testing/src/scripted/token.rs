//! The tokens of a scripted upstream, and how clients get them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hythe_oci::{ErrorCode, Query};
use serde_json::json;

use super::basic::basic;
use super::reply::Reply;
use crate::Seen;

/// How an upstream issues tokens. Without credentials and identity token, every client gets one.
#[derive(Clone, Debug)]
pub struct TokenRules {
    /// The user name and password that get a token, by `GET` or `POST`.
    pub credentials: Option<(String, String)>,
    /// The refresh token that gets a token, by `POST`.
    pub identity_token: Option<String>,
    /// How long a token is accepted.
    pub expires_in: Duration,
    /// Whether the answer gives that time.
    pub says_expiry: bool,
    /// The token server that its challenges name, instead of its own `/token`. It also accepts tokens of another
    /// [`ScriptedUpstream`].
    ///
    /// [`ScriptedUpstream`]: crate::ScriptedUpstream
    pub realm: Option<String>,
    /// The service that its challenges name.
    pub service: String,
    /// Whether its tokens are for another repository than the requested one.
    pub wrong_scope: bool,
}

impl Default for TokenRules {
    fn default() -> Self {
        Self {
            credentials: None,
            identity_token: None,
            expires_in: Duration::from_mins(5),
            says_expiry: true,
            realm: None,
            service: "scripted".to_owned(),
            wrong_scope: false,
        }
    }
}

/// Shared by all upstreams, so that no two tokens are the same.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// The number that the next token gets.
pub(super) fn next() -> u64 {
    NEXT.load(Ordering::Relaxed)
}

/// A token that contains all of its data, so that one upstream can accept tokens that another issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) number: u64,
    expires: u128,
    scopes: String,
}

fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}

impl Token {
    fn issue(scopes: String, lives: Duration) -> Self {
        Self { number: NEXT.fetch_add(1, Ordering::Relaxed), expires: now() + lives.as_millis(), scopes }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("scripted-token.")?.split('.');
        let number = parts.next()?.parse().ok()?;
        let expires = parts.next()?.parse().ok()?;
        let hex = parts.next()?.as_bytes().chunks(2);
        let bytes = hex.map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok());
        let scopes = String::from_utf8(bytes.collect::<Option<_>>()?).ok()?;
        Some(Self { number, expires, scopes })
    }

    pub(super) fn has_expired(&self) -> bool {
        now() >= self.expires
    }

    /// Whether it allows pulling from the repository.
    pub(super) fn allows(&self, repository: &str) -> bool {
        self.scopes.split(' ').any(|scope| {
            let actions = scope.strip_prefix("repository:").and_then(|rest| rest.strip_prefix(repository));
            let actions = actions.and_then(|actions| actions.strip_prefix(':'));
            actions.is_some_and(|actions| actions.split(',').any(|action| action == "pull"))
        })
    }
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "scripted-token.{}.{}.", self.number, self.expires)?;
        self.scopes.bytes().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl TokenRules {
    fn is_open(&self) -> bool {
        self.credentials.is_none() && self.identity_token.is_none()
    }

    fn takes_basic(&self, seen: &Seen) -> bool {
        let expected = self.credentials.as_ref().map(|(username, password)| basic(username, password));
        expected.is_some_and(|expected| seen.header("authorization") == Some(&expected))
    }

    /// Checks an OAuth 2.0 form (distribution, docs/spec/auth/oauth.md).
    fn takes_form(&self, form: &Query<'_>) -> bool {
        let is = |key: &str, expected: &str| form.first(key).is_some_and(|value| value == expected);
        if is("grant_type", "refresh_token") {
            return self.identity_token.as_ref().is_some_and(|token| is("refresh_token", token));
        }
        let credentials = self.credentials.as_ref().filter(|_| is("grant_type", "password"));
        credentials.is_some_and(|(username, password)| is("username", username) && is("password", password))
    }

    /// Answers a request for a token.
    pub(super) fn answer(&self, seen: &Seen) -> Reply {
        let is_post = seen.method == "POST";
        let form = if is_post { String::from_utf8_lossy(&seen.body) } else { seen.query().into() };
        // In a form a `+` stands for a space.
        let form = form.replace('+', "%20");
        let Ok(form) = Query::parse(&form) else {
            return Reply::error(400, ErrorCode::Unsupported, "the form is malformed");
        };
        let is_known = if is_post { self.takes_form(&form) } else { self.takes_basic(seen) };
        if !is_known && !self.is_open() {
            return Reply::error(401, ErrorCode::Unauthorized, "incorrect username or password");
        }
        let scopes = if self.wrong_scope {
            "repository:some/thing-else:pull".to_owned()
        } else {
            form.all("scope").collect::<Vec<_>>().join(" ")
        };
        let token = Token::issue(scopes, self.expires_in).to_string();
        let mut answer = json!({ "access_token": token });
        if !is_post {
            answer["token"] = token.into();
        }
        if self.says_expiry {
            answer["expires_in"] =
                self.expires_in.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX).into();
        }
        Reply::json("application/json", &answer)
    }
}
