//! Finds the token server that a challenge names, and decides what it may be sent.

use url::Url;

use crate::challenge::Challenge;
use crate::error::{Error, Subject};
use crate::guard::{Guard, host_of};
use crate::scope::{Scope, wanted, wanted_elsewhere};

/// A token server, and the service and scopes of the token to request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Realm {
    pub(crate) url: Url,
    pub(crate) service: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) trust: Trust,
}

/// Whether a token server may receive the credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// It gets the configured credentials, if there are any.
    Vouched,
    /// It gets none: it belongs to another domain than the endpoint, and `private_hosts` does not name it. hythe still
    /// requests an anonymous token from it: such a token opens only what everybody may read.
    Foreign,
    /// It gets none: it belongs to another registry, which the endpoint redirected to.
    Elsewhere,
}

impl Realm {
    /// Reads a `Bearer` challenge of the endpoint.
    pub(crate) fn of_endpoint(
        challenge: &Challenge,
        endpoint: &Url,
        guard: &Guard,
        needed: &[Scope],
        subject: &Subject,
    ) -> Result<Self, Error> {
        let url = url(challenge, endpoint, subject)?;
        let is_vouched = same_site(&host_of(endpoint), &host_of(&url)) || guard.is_named(&url);
        let trust = if is_vouched { Trust::Vouched } else { Trust::Foreign };
        let service = challenge.parameter("service").map(str::to_owned);
        let scopes = wanted(challenge.parameter("scope"), needed, endpoint);
        Ok(Self { url, service, scopes, trust })
    }

    /// Reads a `Bearer` challenge of another registry, at `from`. That registry may use another name for the
    /// repository.
    pub(crate) fn elsewhere(
        challenge: &Challenge,
        from: &Url,
        needed: &[Scope],
        subject: &Subject,
    ) -> Result<Self, Error> {
        Ok(Self {
            url: url(challenge, from, subject)?,
            service: challenge.parameter("service").map(str::to_owned),
            scopes: wanted_elsewhere(challenge.parameter("scope"), needed),
            trust: Trust::Elsewhere,
        })
    }

    /// Whether this challenge asks for a scope that a token of `other` was not requested for.
    pub(crate) fn asks_more_than(&self, other: &Self) -> bool {
        self.scopes.iter().any(|scope| !other.scopes.contains(scope))
    }
}

/// The address of the token server that the challenge of `from` names. The guard checks the address when it is dialled.
fn url(challenge: &Challenge, from: &Url, subject: &Subject) -> Result<Url, Error> {
    let Some(realm) = challenge.parameter("realm") else {
        return Err(subject.protocol("it requires a token, and its challenge names no token server"));
    };
    let url = realm.parse::<Url>().ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let Some(url) = url.filter(|url| url.username().is_empty() && url.password().is_none()) else {
        return Err(subject
            .protocol("it requires a token, and its challenge names an invalid address of a token server"));
    };
    if from.scheme() == "https" && url.scheme() == "http" {
        let host = host_of(&url);
        let reason = format!(
            "its token server `{host}` uses plain HTTP although the registry uses HTTPS; no setting allows that"
        );
        return Err(subject.refused(reason));
    }
    Ok(url)
}

/// Whether two hosts belong to one registrable domain: its owner answers for both. An address, or a name outside any
/// registrable domain, matches only itself.
fn same_site(one: &str, other: &str) -> bool {
    let is_address = |host: &str| host.parse::<std::net::IpAddr>().is_ok();
    if one == other {
        return true;
    }
    if is_address(one) || is_address(other) {
        return false;
    }
    let domain = |host| psl2::lookup(host)?.registrable_domain();
    domain(one).is_some_and(|one| domain(other) == Some(one))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::challenge::challenges;

    #[test]
    fn hosts_of_one_registrable_domain_are_one_site() {
        for (one, other, same) in [
            ("registry-1.docker.io", "auth.docker.io", true),
            ("registry.gitlab.com", "gitlab.com", true),
            ("quay.io", "quay.io", true),
            ("localhost", "localhost", true),
            ("127.0.0.1", "127.0.0.1", true),
            ("a.registry.co.uk", "b.registry.co.uk", true),
            ("docker.io", "docker.com", false),
            ("auth.docker.io.evil.example", "auth.docker.io", false),
            ("evildocker.io", "docker.io", false),
            // A public suffix, under which anybody may register.
            ("a.co.uk", "b.co.uk", false),
            ("a.github.io", "b.github.io", false),
            ("co.uk", "a.co.uk", false),
            ("registry.lan", "auth.lan", false),
            ("localhost", "auth.localhost", false),
            ("127.0.0.1", "127.0.0.2", false),
            ("1.0.0.1", "2.0.0.1", false),
            ("fd00::1", "fd00::2", false),
            ("", "docker.io", false),
        ] {
            assert_eq!(same_site(one, other), same, "{one} {other}");
            assert_eq!(same_site(other, one), same, "{other} {one}");
        }
    }

    #[test]
    fn credentials_go_only_to_a_token_server_of_the_same_domain_or_a_named_one() {
        let subject = Subject { host: "lscr.io".to_owned(), asked: "a test".to_owned() };
        let trust = |endpoint: &str, realm: &str| {
            let endpoint = endpoint.parse().unwrap();
            let guard = Guard::new(&endpoint, true, vec!["auth.lan".parse().unwrap()]);
            let challenge = &challenges(&format!("Bearer realm=\"{realm}\""))[0];
            Realm::of_endpoint(challenge, &endpoint, &guard, &[], &subject).map(|realm| realm.trust).ok()
        };
        for (endpoint, realm, expected) in [
            ("https://registry-1.docker.io", "https://auth.docker.io/token", Some(Trust::Vouched)),
            ("https://registry.corp", "https://auth.lan/token", Some(Trust::Vouched)),
            ("https://lscr.io", "https://ghcr.io/token", Some(Trust::Foreign)),
            ("http://lscr.io", "http://ghcr.io/token", Some(Trust::Foreign)),
            // A registry on HTTPS cannot send the client to a token server on plain HTTP.
            ("https://lscr.io", "http://ghcr.io/token", None),
            ("https://lscr.io", "http://lscr.io/token", None),
        ] {
            assert_eq!(trust(endpoint, realm), expected, "{endpoint} {realm}");
        }
    }
}
