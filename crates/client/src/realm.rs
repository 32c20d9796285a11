//! Where a token is to be had, as a challenge says, and whether it may be asked for there.

use hythe_oci::RepositoryName;
use url::Url;

use crate::challenge::Challenge;
use crate::error::{Error, Subject};
use crate::guard::{Guard, host_of};

/// A token server that may be asked, and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Realm {
    pub(crate) url: Url,
    pub(crate) service: Option<String>,
    pub(crate) scope: Option<String>,
}

impl Realm {
    /// Reads a `Bearer` challenge of the endpoint.
    pub(crate) fn read(
        challenge: &Challenge,
        endpoint: &Url,
        guard: &Guard,
        repository: Option<&RepositoryName>,
        subject: &Subject,
    ) -> Result<Self, Error> {
        let Some(realm) = challenge.parameter("realm") else {
            return Err(subject.protocol("it wants a token, and does not say where to get one"));
        };
        let url = realm.parse::<Url>().ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let Some(url) = url.filter(|url| url.username().is_empty() && url.password().is_none()) else {
            return Err(subject.protocol("it wants a token from what is no address of a token server"));
        };
        let host = host_of(&url);
        if endpoint.scheme() == "https" && url.scheme() == "http" {
            let reason = format!("its token server `{host}` speaks plain HTTP; no setting allows that");
            return Err(subject.refused(reason));
        }
        if !same_site(&host_of(endpoint), &host) && !guard.is_named(&url) {
            let reason = format!(
                "its token server `{host}` is of another domain; to allow it, list it in `private_hosts` of this upstream"
            );
            return Err(subject.refused(reason));
        }
        let service = challenge.parameter("service").map(str::to_owned);
        Ok(Self { url, service, scope: scope(challenge, repository) })
    }
}

/// The challenge's own scope where it is one for this repository (some registries put a fixed text there).
fn scope(challenge: &Challenge, repository: Option<&RepositoryName>) -> Option<String> {
    let own = challenge.parameter("scope");
    let Some(repository) = repository else { return own.map(str::to_owned) };
    let prefix = format!("repository:{repository}:");
    match own.filter(|scope| scope.split(' ').all(|part| part.starts_with(&prefix))) {
        Some(own) => Some(own.to_owned()),
        None => Some(format!("{prefix}pull")),
    }
}

/// Whether two hosts belong to one registrable domain: whoever holds the one vouches for the other. Addresses, and
/// names outside any domain, are only the same as themselves.
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
            // One suffix under which anybody may register.
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
    fn the_scope_is_the_challenges_own_only_for_the_repository_that_is_asked_for() {
        let repository: RepositoryName = "library/redis".parse().unwrap();
        for (own, expected) in [
            (Some("repository:library/redis:pull"), "repository:library/redis:pull"),
            (Some("repository:library/redis:pull,push"), "repository:library/redis:pull,push"),
            (Some("repository:user/image:pull"), "repository:library/redis:pull"),
            (Some("repository:library/redis:pull registry:catalog:*"), "repository:library/redis:pull"),
            (Some("repository:library/redis-stack:pull"), "repository:library/redis:pull"),
            (Some("aws"), "repository:library/redis:pull"),
            (Some(""), "repository:library/redis:pull"),
            (None, "repository:library/redis:pull"),
        ] {
            let scope_text = own.map(|own| format!(",scope=\"{own}\"")).unwrap_or_default();
            let challenge = &challenges(&format!("Bearer realm=\"https://a.example\"{scope_text}"))[0];
            assert_eq!(scope(challenge, Some(&repository)).as_deref(), Some(expected), "{own:?}");
            assert_eq!(scope(challenge, None).as_deref(), own);
        }
    }
}
