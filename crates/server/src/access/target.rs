//! The target of a request: the repository or the registry that its path, its `?ns=` and its listener name together
//! (distribution-spec, Registry proxying).

use hythe_oci::{Endpoint, RepositoryName};
use hythe_upstream::{Allowed, CopyName, Resolved, TooLong};

use super::host;
use super::page::Page;
use crate::listener::Mirror;

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target<'a> {
    /// No repository: a ping, the list of repositories, or a request that cannot be answered.
    None,
    /// A page outside the API.
    Page(Page),
    /// A repository of another registry, which this one does not answer for.
    NotServed {
        /// The name of that registry.
        registry: String,
    },
    /// A repository of this registry.
    Here(&'a RepositoryName),
    /// A copy of an upstream's repository.
    Copy {
        /// The name in the request's path.
        name: &'a RepositoryName,
        copy: CopyName,
        /// Whether the path names the upstream, not `?ns=` or the listener.
        by_path: bool,
    },
    /// A repository of this registry, and a copy of an upstream's for content that the former does not have.
    HereOrCopy { name: &'a RepositoryName, copy: CopyName },
    /// A repository of an upstream whose name in this registry would be too long.
    TooLong(TooLong),
}

/// What decides the target of a request beside its endpoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct Naming<'a> {
    /// The upstreams of this registry.
    pub(super) allowed: &'a Allowed,
    /// Further host names of this registry.
    pub(super) hosts: &'a [String],
    /// The request's `?ns=`.
    pub(super) namespace: Option<&'a str>,
    /// The upstream that the request's listener stands for.
    pub(super) mirror: Option<&'a Mirror>,
}

impl<'a> Target<'a> {
    /// The target of a request to an endpoint. A `?ns=` that names this registry, and no upstream, counts as absent.
    pub(super) fn of(endpoint: &'a Endpoint, naming: &Naming<'_>) -> Self {
        let Naming { allowed, hosts, namespace, mirror } = *naming;
        let is_ours = |ns: &&str| !is_listed(allowed, ns) && host::is_this_registry(ns, hosts);
        let elsewhere = namespace.filter(|ns| !is_ours(ns));
        let Some(name) = endpoint.name() else {
            // The request names no repository. The server does not know another registry's repositories, so a `?ns=`
            // that is allowed changes nothing.
            return match elsewhere {
                Some(registry) if !may_be_asked(allowed, registry) => Self::not_served(registry),
                _ => Self::None,
            };
        };
        let of_upstream = |upstream, there, by_path| match CopyName::new(upstream, there) {
            Ok(copy) => Self::Copy { name, copy, by_path },
            Err(too_long) => Self::TooLong(too_long),
        };
        match allowed.resolve(elsewhere, name) {
            Resolved::Upstream(upstream, there) => of_upstream(upstream, there, elsewhere.is_none()),
            Resolved::NotAllowed => Self::not_served(elsewhere.unwrap_or_default()),
            Resolved::Local(_) => match mirror {
                // A client that names this registry in `?ns=` does not mean the mirrored upstream.
                Some(mirror) if mirror.local_first || namespace.is_none() => {
                    match allowed.resolve_at(&mirror.upstream, name) {
                        Resolved::Upstream(upstream, there) if mirror.local_first => {
                            match CopyName::new(upstream, there) {
                                Ok(copy) => Self::HereOrCopy { name, copy },
                                Err(too_long) => Self::TooLong(too_long),
                            }
                        }
                        Resolved::Upstream(upstream, there) => of_upstream(upstream, there, false),
                        Resolved::Local(_) | Resolved::NotAllowed => {
                            Self::not_served(&mirror.upstream.to_string())
                        }
                    }
                }
                _ => Self::Here(name),
            },
        }
    }

    fn not_served(registry: &str) -> Self {
        Self::NotServed { registry: registry.to_owned() }
    }
}

fn is_listed(allowed: &Allowed, namespace: &str) -> bool {
    namespace.parse().is_ok_and(|namespace| allowed.get(&namespace).is_some())
}

fn may_be_asked(allowed: &Allowed, namespace: &str) -> bool {
    namespace.parse().is_ok_and(|namespace| allowed.find(&namespace).is_some())
}

#[cfg(test)]
mod tests {
    use hythe_upstream::Upstream;

    use super::*;

    fn allowed() -> Allowed {
        let mut allowed = Allowed::none();
        for name in ["up.example", "own"] {
            allowed.add(Upstream::at_home(name.parse().unwrap()), &[]).unwrap();
        }
        allowed
    }

    fn target(path: &str, namespace: Option<&str>, mirror: Option<bool>) -> String {
        let hosts = ["registry.example".to_owned()];
        let mirror =
            mirror.map(|local_first| Mirror { upstream: "up.example".parse().unwrap(), local_first });
        let allowed = allowed();
        let naming = Naming { allowed: &allowed, hosts: &hosts, namespace, mirror: mirror.as_ref() };
        match Target::of(&Endpoint::parse(path).unwrap(), &naming) {
            Target::None => "none".to_owned(),
            Target::Page(page) => format!("page {}", page.kind()),
            Target::NotServed { registry } => format!("not {registry}"),
            Target::Here(name) => format!("here {name}"),
            Target::Copy { name, copy, by_path } => {
                let by = if by_path { "path" } else { "name" };
                format!(
                    "copy {name} = {} ({} of {}) by {by}",
                    copy.here(),
                    copy.there(),
                    copy.upstream().name
                )
            }
            Target::HereOrCopy { name, copy } => format!("here {name}, else {}", copy.here()),
            Target::TooLong(TooLong { upstream, .. }) => format!("too long for {upstream}"),
        }
    }

    #[test]
    fn the_path_the_namespace_and_the_listener_decide_the_target() {
        let by_path = "copy up.example/app = up.example/app (app of up.example) by path";
        let by_name = "copy app = up.example/app (app of up.example) by name";
        let own = "copy app = own/app (app of own) by name";
        for (name, namespace, main, mirror, local_first) in [
            ("app", None, "here app", by_name, "here app, else up.example/app"),
            ("app", Some("localhost:5000"), "here app", "here app", "here app, else up.example/app"),
            ("app", Some("registry.example"), "here app", "here app", "here app, else up.example/app"),
            ("app", Some("kind-registry:5000"), "here app", "here app", "here app, else up.example/app"),
            ("app", Some("up.example"), by_name, by_name, by_name),
            ("app", Some("own"), own, own, own),
            ("app", Some("other.example"), "not other.example", "not other.example", "not other.example"),
            ("app", Some(""), "not ", "not ", "not "),
            ("up.example/app", None, by_path, by_path, by_path),
            ("up.example/app", Some("localhost"), by_path, by_path, by_path),
        ] {
            let path = format!("/v2/{name}/manifests/v1");
            for (listener, meant) in [(None, main), (Some(false), mirror), (Some(true), local_first)] {
                assert_eq!(target(&path, namespace, listener), meant, "{name} {namespace:?} {listener:?}");
            }
        }
    }

    #[test]
    fn a_request_without_a_repository_has_a_target_only_if_it_names_an_unknown_registry() {
        for path in ["/", "/v2/", "/v2/_catalog", "/v2/_oci/ext/discover"] {
            for listener in [None, Some(false), Some(true)] {
                for (namespace, meant) in [
                    (None, "none"),
                    (Some("localhost:5000"), "none"),
                    (Some("registry.example"), "none"),
                    (Some("up.example"), "none"),
                    (Some("other.example"), "not other.example"),
                ] {
                    assert_eq!(target(path, namespace, listener), meant, "{path} {namespace:?}");
                }
            }
        }
    }

    #[test]
    fn a_copy_whose_name_would_be_too_long_cannot_exist() {
        let name = "a".repeat(250);
        let path = format!("/v2/{name}/tags/list");
        assert_eq!(target(&path, None, None), format!("here {name}"));
        assert_eq!(target(&path, Some("up.example"), None), "too long for up.example");
        assert_eq!(target(&path, None, Some(false)), "too long for up.example");
        assert_eq!(target(&path, None, Some(true)), "too long for up.example");
    }
}
