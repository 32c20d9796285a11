//! `/api/users` and `/api/tokens`: the registry's own users, and the tokens of users and robots.

use std::time::Duration;

use http::{Method, Response, StatusCode};
use hythe_api::{NewToken, Password, Token, Tokens, User, UserSet, Users, parameter, path};
use hythe_auth::{Kind, NewSecret, Subject, hash_password};
use hythe_oci::ErrorCode;
use hythe_registry::{Error, Secret};

use super::leases::written;
use super::{empty, json};
use crate::call::Call;
use crate::plane::{Body, CollectError, RequestBody};
use crate::reject::Rejection;

/// The largest body, in bytes.
const LARGEST: usize = 4096;

/// The shortest password, in bytes.
const SHORTEST_PASSWORD: usize = 8;

/// The longest password, in bytes.
const LONGEST_PASSWORD: usize = 1024;

/// The longest note of a token, in bytes.
const NOTE: usize = 200;

/// Answers a request to the list of users, or to one user.
pub(crate) async fn answer_users(
    call: &Call<'_>,
    path: &str,
    body: RequestBody,
) -> Result<Response<Body>, Rejection> {
    let name = path.strip_prefix(path::USERS).unwrap_or_default().trim_start_matches('/');
    match (name, call.method) {
        ("", &(Method::GET | Method::HEAD)) => user_list(call).await,
        ("", method) => Err(Rejection::method(method, "GET, HEAD")),
        (name, &Method::PUT) => user_set(call, &subject_of(name)?, body).await,
        (name, &Method::DELETE) => user_remove(call, &subject_of(name)?).await,
        (_, method) => Err(Rejection::method(method, "PUT, DELETE")),
    }
}

/// Answers a request to the list of tokens, or to one token.
pub(crate) async fn answer_tokens(call: &Call<'_>, path: &str) -> Result<Response<Body>, Rejection> {
    let id = path.strip_prefix(path::TOKENS).unwrap_or_default().trim_start_matches('/');
    match (id, call.method) {
        ("", &(Method::GET | Method::HEAD)) => token_list(call).await,
        ("", &Method::POST) => token_create(call).await,
        ("", method) => Err(Rejection::method(method, "GET, HEAD, POST")),
        (id, &Method::DELETE) => token_remove(call, id).await,
        (_, method) => Err(Rejection::method(method, "DELETE")),
    }
}

async fn user_list(call: &Call<'_>) -> Result<Response<Body>, Rejection> {
    let users = call.app.registry.users().await.map_err(|error| failed(&error))?;
    let users = users.into_iter().map(|user| User { name: user.name, created: written(user.created) });
    Ok(json(&Users { users: users.collect() }))
}

async fn user_set(call: &Call<'_>, user: &Subject, body: RequestBody) -> Result<Response<Body>, Rejection> {
    let collected = body.collect(LARGEST, &call.app.manifest_room).await;
    let (bytes, _part) = collected.map_err(|error| match error {
        CollectError::TooLong => wrong(format!("the body is larger than the limit of {LARGEST} bytes")),
        CollectError::Body(error) => failed(&Error::Body(error)),
        CollectError::Crowded => Rejection::manifests_crowded(),
    })?;
    // The error of the parser may quote the password.
    let Password { password } = serde_json::from_slice(&bytes)
        .map_err(|_| wrong("the body is not JSON with a `password`".to_owned()))?;
    if !(SHORTEST_PASSWORD..=LONGEST_PASSWORD).contains(&password.len()) {
        return Err(wrong(format!(
            "the password must have {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} bytes, and has {}",
            password.len()
        )));
    }
    let hashed =
        tokio::task::spawn_blocking(move || hash_password(&password).map_err(|error| error.to_string()));
    let hash = hashed.await.map_err(|error| error.to_string()).and_then(|hash| hash);
    let hash = hash.map_err(|error| failed(&Error::Internal(error)))?;
    let set =
        call.app.registry.set_user(user.name().to_owned(), hash).await.map_err(|error| failed(&error))?;
    match set {
        hythe_registry::UserSet::Created => Ok(json(&UserSet { created: true })),
        hythe_registry::UserSet::Changed => Ok(json(&UserSet { created: false })),
        hythe_registry::UserSet::Full => Err(too_many("users")),
    }
}

async fn user_remove(call: &Call<'_>, user: &Subject) -> Result<Response<Body>, Rejection> {
    let removed = call.app.registry.remove_user(user.name(), &user.to_string()).await;
    if removed.map_err(|error| failed(&error))? {
        Ok(empty(StatusCode::NO_CONTENT))
    } else {
        Err(unknown("user"))
    }
}

async fn token_list(call: &Call<'_>) -> Result<Response<Body>, Rejection> {
    let subject = call.query.first(parameter::SUBJECT);
    let tokens = call.app.registry.secrets(subject.as_deref()).await.map_err(|error| failed(&error))?;
    Ok(json(&Tokens { tokens: tokens.into_iter().map(token_of).collect() }))
}

async fn token_create(call: &Call<'_>) -> Result<Response<Body>, Rejection> {
    let named = call.query.first(parameter::SUBJECT).unwrap_or_default();
    let subject: Subject =
        named.parse().map_err(|error| wrong(format!("parameter `{}`: {error}", parameter::SUBJECT)))?;
    match subject.kind() {
        Kind::Robot => {}
        Kind::User => {
            let user = call.app.registry.user(subject.name()).await.map_err(|error| failed(&error))?;
            user.ok_or_else(|| unknown("user"))?;
        }
        Kind::Workload | Kind::Certificate => {
            return Err(wrong(format!("`{subject}` cannot have tokens: only users and robots can")));
        }
    }
    let note = call.query.first(parameter::NOTE).unwrap_or_default();
    if note.len() > NOTE || note.chars().any(char::is_control) {
        return Err(wrong(format!("parameter `{}` must have at most {NOTE} bytes of text", parameter::NOTE)));
    }
    let valid = call.query.first(parameter::VALID).map(|seconds| {
        let read = seconds.parse::<u32>().ok().filter(|seconds| *seconds > 0);
        read.ok_or_else(|| {
            wrong(format!("parameter `{}` must be a number of seconds above 0", parameter::VALID))
        })
    });
    let valid = valid.transpose()?.map(|seconds| Duration::from_secs(seconds.into()));
    let valid = valid.map(|valid| i64::try_from(valid.as_millis()).unwrap_or(i64::MAX));
    let made = NewSecret::generate().map_err(|error| failed(&Error::Internal(error.to_string())))?;
    let NewSecret { id, hash, token } = made;
    let added = call.app.registry.add_secret(id, subject.to_string(), hash, note.into_owned(), valid).await;
    match added.map_err(|error| failed(&error))? {
        Some(secret) => Ok(json(&NewToken { secret: token, token: token_of(secret) })),
        None => Err(too_many("tokens")),
    }
}

async fn token_remove(call: &Call<'_>, id: &str) -> Result<Response<Body>, Rejection> {
    let removed = call.app.registry.remove_secret(id, None).await.map_err(|error| failed(&error))?;
    if removed { Ok(empty(StatusCode::NO_CONTENT)) } else { Err(unknown("token")) }
}

fn token_of(secret: Secret) -> Token {
    let Secret { id, subject, hash: _, note, created, expires, last_use } = secret;
    Token {
        id,
        subject,
        note,
        created: written(created),
        expires: expires.and_then(written),
        last_use: last_use.and_then(written),
    }
}

/// The user with the name in a path.
fn subject_of(name: &str) -> Result<Subject, Rejection> {
    // A name in the path is not percent-decoded, and Basic credentials cannot have a colon in the name.
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte));
    Subject::new(Kind::User, name).ok().filter(|_| is_plain).ok_or_else(|| {
        wrong(format!("`{name}` is not a user's name: write letters, digits, `.`, `_`, `-` or `@`"))
    })
}

fn wrong(message: String) -> Rejection {
    Rejection::parameter(ErrorCode::Unsupported, message)
}

fn failed(error: &Error) -> Rejection {
    Rejection::registry(error, None)
}

fn unknown(what: &str) -> Rejection {
    Rejection::new(StatusCode::NOT_FOUND, ErrorCode::Unsupported, format!("there is no such {what}"))
}

fn too_many(what: &str) -> Rejection {
    let message = format!("the registry has as many {what} as it may have; remove some first");
    Rejection::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::TooManyRequests, message)
}
