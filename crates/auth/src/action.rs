//! What a request does, as rules name it.

use std::fmt;
use std::str::FromStr;

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Reads manifests and blobs, and lists tags and referrers.
    Pull,
    /// Pushes blobs and manifests, and creates tags.
    Push,
    /// Deletes tags, manifests and blobs.
    Delete,
    /// Moves an existing tag to another manifest.
    Retag,
    /// Reads `/metrics`.
    Metrics,
    /// Uses the admin API, `/api/…`.
    Admin,
}

impl Action {
    /// Every action, in the order of the documentation.
    pub const ALL: [Self; 6] =
        [Self::Pull, Self::Push, Self::Delete, Self::Retag, Self::Metrics, Self::Admin];

    /// The action as rules write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
            Self::Retag => "retag",
            Self::Metrics => "metrics",
            Self::Admin => "admin",
        }
    }

    /// Whether the action concerns a repository. The other actions concern the whole registry.
    pub const fn is_in_repository(self) -> bool {
        match self {
            Self::Pull | Self::Push | Self::Delete | Self::Retag => true,
            Self::Metrics | Self::Admin => false,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Action {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|action| action.as_str() == text);
        found.ok_or_else(|| {
            let all = Self::ALL.map(Self::as_str).join(", ");
            format!("`{text}` is not an action: the actions are {all}")
        })
    }
}

/// A set of actions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Actions(u8);

impl Actions {
    /// Every action.
    pub fn all() -> Self {
        Action::ALL.into_iter().collect()
    }

    /// Whether the set has the action.
    pub const fn contains(self, action: Action) -> bool {
        self.0 & (1 << action as u8) != 0
    }

    /// The actions of the set, in the order of the documentation.
    pub fn iter(self) -> impl Iterator<Item = Action> {
        Action::ALL.into_iter().filter(move |action| self.contains(*action))
    }

    /// Whether the set has no action.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Action> for Actions {
    fn from_iter<I: IntoIterator<Item = Action>>(actions: I) -> Self {
        Self(actions.into_iter().fold(0, |set, action| set | 1 << action as u8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_read_as_it_is_written() {
        for action in Action::ALL {
            assert_eq!(action.to_string().parse(), Ok(action));
        }
        assert!("read".parse::<Action>().unwrap_err().contains("pull, push"));
    }

    #[test]
    fn a_set_has_the_actions_that_it_was_made_of() {
        let set: Actions = [Action::Pull, Action::Retag].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [Action::Pull, Action::Retag]);
        assert!(!set.contains(Action::Push));
        assert!(Actions::default().is_empty());
        assert_eq!(Actions::all().iter().count(), Action::ALL.len());
    }
}
