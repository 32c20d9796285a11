//! An untyped value from a layer, before its key parses it.

use std::borrow::Cow;

use super::HIDDEN;

/// An untyped value from a layer.
#[derive(Clone, Debug, PartialEq)]
pub enum Raw {
    /// Untyped text: a variable, a flag, a YAML scalar.
    Text(String),
    /// A TOML string.
    Quoted(String),
    /// A TOML boolean.
    Boolean(bool),
    /// A TOML integer.
    Integer(i64),
    /// Several texts.
    List(Vec<String>),
    /// A value of a type that no key accepts, by the type's name.
    Other(&'static str),
}

impl Raw {
    /// The value in the form that errors show.
    pub fn show(&self) -> String {
        match self {
            Self::Text(text) | Self::Quoted(text) => format!("{:?}", without_credentials(text)),
            Self::Boolean(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::List(items) => {
                let items: Vec<_> = items.iter().map(|item| without_credentials(item)).collect();
                format!("{items:?}")
            }
            Self::Other(kind) => format!("a {kind}"),
        }
    }
}

/// A text in the form that errors show. An address with user and password is refused, and its error must not show them.
pub(crate) fn without_credentials(text: &str) -> Cow<'_, str> {
    let Some((before, after)) = text.rsplit_once('@').filter(|(before, _)| before.contains(':')) else {
        return text.into();
    };
    let scheme = before.find("://").map_or(0, |colon| colon + "://".len());
    format!("{}{HIDDEN}@{after}", &before[..scheme]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_of_an_address_are_not_shown() {
        for (text, shown) in [
            ("https://ada:hun/ter2@a.example/b", "https://(secret)@a.example/b"),
            ("a=https://b,https://ada:hunter2@c", "a=https://(secret)@c"),
            ("ada:hunter2@a.example", "(secret)@a.example"),
            ("https://a.example:5000", "https://a.example:5000"),
            ("/srv/ada@home", "/srv/ada@home"),
        ] {
            assert_eq!(without_credentials(text), shown);
        }
    }
}
