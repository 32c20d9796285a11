//! What a token must allow: scopes of the token protocol (distribution, Token Scope Documentation).

use std::fmt;

use hythe_oci::RepositoryName;
use url::Url;

use crate::endpoint::name_at;

/// Actions on a repository, as the token protocol spells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Actions {
    pull: bool,
    push: bool,
    delete: bool,
}

impl Actions {
    const NONE: Self = Self { pull: false, push: false, delete: false };

    /// Reading manifests, blobs and lists.
    pub(crate) const PULL: Self = Self { pull: true, ..Self::NONE };
    /// Uploading. Registries require `pull` too: a client that pushes first asks whether the content exists.
    pub(crate) const PUSH: Self = Self { pull: true, push: true, ..Self::NONE };
    /// Deleting. Some registries require `pull` too: deleting begins with a look at the manifest.
    pub(crate) const DELETE: Self = Self { pull: true, delete: true, ..Self::NONE };

    fn words(self) -> impl Iterator<Item = &'static str> {
        let all = [(self.pull, "pull"), (self.push, "push"), (self.delete, "delete")];
        all.into_iter().filter_map(|(is_in, word)| is_in.then_some(word))
    }
}

/// `pull,push`
impl fmt::Display for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().collect::<Vec<_>>().join(","))
    }
}

/// A repository, and the actions on it that a request needs. A request that concerns no repository has no scope.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Scope {
    pub(crate) repository: RepositoryName,
    pub(crate) actions: Actions,
}

impl Scope {
    pub(crate) fn pull(repository: &RepositoryName) -> Self {
        Self { repository: repository.clone(), actions: Actions::PULL }
    }

    pub(crate) fn push(repository: &RepositoryName) -> Self {
        Self { repository: repository.clone(), actions: Actions::PUSH }
    }

    pub(crate) fn delete(repository: &RepositoryName) -> Self {
        Self { repository: repository.clone(), actions: Actions::DELETE }
    }

    /// The scope as a parameter's value, for a registry that knows the repository by this name.
    fn under(&self, name: &str) -> String {
        format!("repository:{name}:{}", self.actions)
    }

    /// As the registry at the endpoint spells it.
    fn at(&self, endpoint: &Url) -> String {
        self.under(&name_at(endpoint, &self.repository))
    }

    /// Completes what a challenge asks for, so that it includes this scope.
    fn complete(&self, asked: &mut Vec<String>, endpoint: &Url) {
        let Some(entry) = asked.iter_mut().find(|entry| is_of(entry, self.repository.as_str())) else {
            asked.push(self.at(endpoint));
            return;
        };
        let given = entry.rsplit_once(':').map_or("", |(_, actions)| actions);
        let mut actions: Vec<&str> = given.split(',').filter(|action| !action.is_empty()).collect();
        if !actions.contains(&"*") {
            let missing: Vec<&str> = self.actions.words().filter(|word| !actions.contains(word)).collect();
            actions.extend(missing);
        }
        let name = &entry[..entry.len() - given.len()];
        *entry = format!("{name}{}", actions.join(","));
    }
}

/// The scopes of the token to request: the challenge's own if all of them are for these repositories (some registries
/// put a fixed text there), completed by what the request needs. Behind a proxy, the registry may know a repository by
/// a longer name. A request without a scope takes what the challenge asks for.
pub(crate) fn wanted(own: Option<&str>, needed: &[Scope], endpoint: &Url) -> Vec<String> {
    let own = entries(own);
    if needed.is_empty() {
        return own;
    }
    let is_ours = |entry: &String| needed.iter().any(|scope| is_of(entry, scope.repository.as_str()));
    let mut asked = if own.iter().all(is_ours) { own } else { Vec::new() };
    for scope in needed {
        scope.complete(&mut asked, endpoint);
    }
    asked
}

/// The scopes of a token of another registry: those of its challenge, or else these as they are.
pub(crate) fn wanted_elsewhere(own: Option<&str>, needed: &[Scope]) -> Vec<String> {
    let own = entries(own);
    if !own.is_empty() {
        return own;
    }
    needed.iter().map(|scope| scope.under(scope.repository.as_str())).collect()
}

/// The scopes of a challenge, which spaces separate.
fn entries(scope: Option<&str>) -> Vec<String> {
    scope.unwrap_or_default().split(' ').filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
}

/// Whether a scope is for this repository: `repository:project/library/redis:pull` is for `library/redis`.
fn is_of(scope: &str, repository: &str) -> bool {
    let name = scope.strip_prefix("repository:").and_then(|rest| rest.rsplit_once(':')).map(|(name, _)| name);
    let before = name.and_then(|name| name.strip_suffix(repository));
    before.is_some_and(|before| before.is_empty() || before.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(repository: &str, actions: Actions) -> Scope {
        Scope { repository: repository.parse().unwrap(), actions }
    }

    fn at_home(own: Option<&str>, needed: &[Scope]) -> String {
        wanted(own, needed, &"https://a.example".parse().unwrap()).join(" ")
    }

    #[test]
    fn the_challenges_own_scope_is_used_only_if_it_is_for_the_requested_repository() {
        let needed = [scope("library/redis", Actions::PULL)];
        for (own, expected) in [
            (Some("repository:library/redis:pull"), "repository:library/redis:pull"),
            (Some("repository:library/redis:pull,push"), "repository:library/redis:pull,push"),
            (Some("repository:user/image:pull"), "repository:library/redis:pull"),
            (Some("repository:library/redis:pull registry:catalog:*"), "repository:library/redis:pull"),
            (Some("repository:library/redis-stack:pull"), "repository:library/redis:pull"),
            (Some("aws"), "repository:library/redis:pull"),
            (Some(""), "repository:library/redis:pull"),
            (None, "repository:library/redis:pull"),
            // Behind a proxy that uses a longer name.
            (Some("repository:hub/library/redis:pull"), "repository:hub/library/redis:pull"),
            (Some("repository:a:5000/library/redis:pull"), "repository:a:5000/library/redis:pull"),
            (Some("repository:xlibrary/redis:pull"), "repository:library/redis:pull"),
        ] {
            assert_eq!(at_home(own, &needed), expected, "{own:?}");
            assert_eq!(at_home(own, &[]), own.unwrap_or_default());
        }
        let endpoint = "https://a.example/v2/hub".parse().unwrap();
        assert_eq!(wanted(None, &needed, &endpoint), ["repository:hub/library/redis:pull"]);
    }

    #[test]
    fn a_scope_names_its_actions() {
        for (actions, text) in
            [(Actions::PULL, "pull"), (Actions::PUSH, "pull,push"), (Actions::DELETE, "pull,delete")]
        {
            assert_eq!(at_home(None, &[scope("app", actions)]), format!("repository:app:{text}"));
        }
    }

    #[test]
    fn a_challenge_is_completed_by_what_the_request_needs() {
        let push = [scope("app", Actions::PUSH)];
        let mount = [scope("app", Actions::PUSH), scope("base", Actions::PULL)];
        for (own, needed, expected) in [
            ("repository:app:push", &push[..], "repository:app:push,pull"),
            ("repository:app:", &push, "repository:app:pull,push"),
            ("repository:app:*", &push, "repository:app:*"),
            ("repository:hub/app:pull", &push, "repository:hub/app:pull,push"),
            ("repository:app:pull,push", &mount, "repository:app:pull,push repository:base:pull"),
            (
                "repository:base:pull repository:app:pull",
                &mount,
                "repository:base:pull repository:app:pull,push",
            ),
            ("", &mount, "repository:app:pull,push repository:base:pull"),
        ] {
            assert_eq!(at_home(Some(own), needed), expected, "{own}");
        }
    }

    #[test]
    fn another_registrys_own_scopes_are_used_as_they_are() {
        let needed = [scope("app", Actions::PULL)];
        assert_eq!(wanted_elsewhere(Some("a b"), &needed), ["a", "b"]);
        assert_eq!(wanted_elsewhere(Some(""), &needed), ["repository:app:pull"]);
    }
}
