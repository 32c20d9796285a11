//! The token server of Docker's token protocol: `/token` (distribution, `docs/spec/auth/token.md` and `oauth.md`), and its
//! public keys at `/token/keys`.

use http::header::{self, HeaderValue};
use http::{Method, Response};
use hythe_auth::{Access, Action, Actions, Credentials, Identity, Issued, Scope};
use hythe_oci::{ErrorCode, Query, RepositoryName};
use hythe_registry::Error;
use serde_json::json;

use super::{JSON, content};
use crate::auth::{Auth, Challenge, TOKEN};
use crate::call::Call;
use crate::peer::Peer;
use crate::plane::{Body, CollectError, RequestBody};
use crate::reject::Rejection;

/// The largest form, in bytes.
const LARGEST: usize = 64 << 10;

/// The most scopes of one request that are read.
const MOST_SCOPES: usize = 100;

/// Answers the token server's pages.
pub(crate) async fn answer(
    call: &Call<'_>,
    peer: &Peer,
    path: &str,
    body: RequestBody,
) -> Result<Response<Body>, Rejection> {
    let _ = call.record.page.set("token");
    let auth = call.options.auth.as_ref().ok_or_else(|| Rejection::not_found(path))?;
    let reads = matches!(*call.method, Method::GET | Method::HEAD);
    match path.strip_prefix(TOKEN) {
        Some("") if reads => {
            let identity = auth.identify(call.headers, peer).await.map_err(ask)?;
            issue(auth, &identity, &call.query)
        }
        Some("") if *call.method == Method::POST => {
            let form = form(call, body).await?;
            let form = Query::parse(&form)?;
            let identity = identify_by_form(call, auth, peer, &form).await?;
            issue(auth, &identity, &form)
        }
        Some("/keys") if reads => {
            Ok(content("application/jwk-set+json", auth.authenticator.tokens().public_keys()))
        }
        Some("") => Err(Rejection::method(call.method, "GET, HEAD, POST")),
        Some("/keys") => Err(Rejection::method(call.method, "GET, HEAD")),
        _ => Err(Rejection::not_found(path)),
    }
}

/// Asks for a name and a password: a token server itself takes no tokens.
fn ask(rejection: Rejection) -> Rejection {
    if rejection.status != http::StatusCode::UNAUTHORIZED {
        return rejection;
    }
    let basic = HeaderValue::from_static("Basic realm=\"hythe\"");
    rejection.with_values(&header::WWW_AUTHENTICATE, [basic])
}

/// The body of a POST: a form (RFC 6749, 4.3.2).
async fn form(call: &Call<'_>, body: RequestBody) -> Result<String, Rejection> {
    let refuse = |message: String| Rejection::parameter(ErrorCode::Unsupported, message);
    let collected = body.collect(LARGEST, &call.app.manifest_room).await;
    let (bytes, _part) = collected.map_err(|error| match error {
        CollectError::TooLong => refuse(format!("the form is larger than the limit of {LARGEST} bytes")),
        CollectError::Body(error) => Rejection::registry(&Error::Body(error), None),
        CollectError::Crowded => Rejection::manifests_crowded(),
    })?;
    let text = String::from_utf8(bytes.to_vec()).map_err(|_| refuse("the form is not text".to_owned()))?;
    // A form writes a space as a plus sign, which a query does not.
    Ok(text.replace('+', "%20"))
}

async fn identify_by_form(
    call: &Call<'_>,
    auth: &Auth,
    peer: &Peer,
    form: &Query<'_>,
) -> Result<Identity, Rejection> {
    let refuse = |message: &str| Rejection::parameter(ErrorCode::Unsupported, message);
    match form.first("grant_type").as_deref() {
        Some("password") => {
            let (Some(name), Some(password)) = (form.first("username"), form.first("password")) else {
                return Err(refuse("a grant of type `password` needs `username` and `password`"));
            };
            let credentials = Credentials::Basic { name: name.into_owned(), password: password.into_owned() };
            auth.identify_by(&credentials, peer.address).await.map_err(ask)
        }
        Some(other) => Err(refuse(&format!("grants of type `{other}` are not supported: use `password`"))),
        None => auth.identify(call.headers, peer).await.map_err(ask),
    }
}

/// Issues a token with as much of the asked scopes as the rules allow. A client that asks for more than it may have gets
/// less, not an error: it finds out with its next request.
fn issue(auth: &Auth, identity: &Identity, asked: &Query<'_>) -> Result<Response<Body>, Rejection> {
    // A token cannot be exchanged for one that covers more.
    if identity.limits().is_some() {
        return Err(ask(Rejection::unauthorized(
            "a token cannot be exchanged for another one: log in with a password",
        )));
    }
    if let Challenge::TokenOf { realm, .. } = &auth.challenge {
        let message = format!("this registry takes tokens of {realm}, and issues none");
        return Err(Rejection::parameter(ErrorCode::Unsupported, message));
    }
    let scopes: Vec<String> = asked
        .all("scope")
        // A client may also write several scopes into one parameter (distribution, docs/spec/auth/oauth.md).
        .flat_map(|scopes| scopes.split([' ', '+']).map(str::to_owned).collect::<Vec<_>>())
        .filter(|scope| !scope.is_empty())
        .collect();
    if scopes.len() > MOST_SCOPES {
        let message = format!("the request has {} scopes; at most {MOST_SCOPES} are allowed", scopes.len());
        return Err(Rejection::parameter(ErrorCode::Unsupported, message));
    }
    let accesses = scopes
        .iter()
        .map(|scope| scope.parse::<Scope>().map(|scope| granted(auth, identity, &scope)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| {
            Rejection::parameter(ErrorCode::Unsupported, format!("parameter `scope`: {error}"))
        })?;
    let accesses: Vec<Access> = accesses.into_iter().flatten().collect();
    let issued = auth.authenticator.tokens().issue(identity, accesses).map_err(|error| {
        let internal = hythe_registry::Error::Internal(error.to_string());
        Rejection::registry(&internal, None)
    })?;
    let Issued { token, at, valid } = issued;
    let answer = json!({
        "token": token, "access_token": token,
        "expires_in": valid.as_secs(),
        "issued_at": humantime::format_rfc3339_seconds(at).to_string(),
    });
    let mut response = content(JSON, answer.to_string());
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// As much of a scope as the rules allow; `None` if they allow nothing of it.
fn granted(auth: &Auth, identity: &Identity, scope: &Scope) -> Option<Access> {
    match scope.kind.as_str() {
        "repository" => {
            let name: RepositoryName = scope.name.parse().ok()?;
            let all = scope.actions.iter().any(|action| action == "*");
            let asked = |action: &Action| all || scope.actions.iter().any(|word| word == action.as_str());
            let allowed = Action::ALL
                .into_iter()
                .filter(|action| action.is_in_repository())
                .filter(asked)
                .filter(|action| auth.policy.decide(identity, *action, Some(&name)).is_allowed());
            let actions: Actions = allowed.collect();
            (!actions.is_empty()).then(|| Access::repository(&name, actions))
        }
        // What the list of repositories has is decided when it is read.
        "registry" if scope.name == "catalog" => {
            let actions = vec!["*".to_owned()];
            Some(Access { kind: scope.kind.clone(), name: scope.name.clone(), actions })
        }
        _ => None,
    }
}
