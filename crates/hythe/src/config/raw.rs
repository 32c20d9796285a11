//! A value as a layer says it, before its key gives it a type.

/// A value as a layer says it.
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
    /// What no key takes, by its TOML name.
    Other(&'static str),
}

impl Raw {
    /// As errors show it.
    pub fn show(&self) -> String {
        match self {
            Self::Text(text) | Self::Quoted(text) => format!("{text:?}"),
            Self::Boolean(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::List(items) => format!("{items:?}"),
            Self::Other(kind) => format!("a {kind}"),
        }
    }
}
