//! Splits a JSON object into its known fields, without parsing their values.
//!
//! So an error about a value can name its path, unknown fields cost nothing, and deep nesting cannot exhaust the stack.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The values of the fields that have these names.
pub(crate) struct Fields<'a, const N: usize> {
    names: &'static [&'static str; N],
    values: [Option<&'a RawValue>; N],
    /// A field that occurs more than once. Parsers differ in which occurrence counts; this one takes the last, as
    /// nearly all do.
    repeated: Option<&'static str>,
}

impl<'a, const N: usize> Fields<'a, N> {
    /// Reads an object. Anything else is an error, and so is text behind the object.
    pub(crate) fn parse(names: &'static [&'static str; N], json: &'a [u8]) -> serde_json::Result<Self> {
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let fields = deserializer.deserialize_map(Names(names))?;
        deserializer.end()?;
        Ok(fields)
    }

    /// A field's value. `null` counts as an absent field.
    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        let at = self.names.iter().position(|known| *known == name)?;
        self.values[at].filter(|value| value.get() != "null")
    }

    /// Whether the object has the field, even if its value is `null`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.iter().zip(&self.values).any(|(known, value)| *known == name && value.is_some())
    }

    pub(crate) fn repeated(&self) -> Option<&'static str> {
        self.repeated
    }
}

struct Names<const N: usize>(&'static [&'static str; N]);

impl<'de, const N: usize> Visitor<'de> for Names<N> {
    type Value = Fields<'de, N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Fields { names: self.0, values: [None; N], repeated: None };
        while let Some(at) = map.next_key_seed(FieldIndex(self.0))? {
            let Some(at) = at else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if fields.values[at].replace(map.next_value()?).is_some() {
                fields.repeated = Some(self.0[at]);
            }
        }
        Ok(fields)
    }
}

/// Reads a field's name as its index among the known names.
struct FieldIndex<const N: usize>(&'static [&'static str; N]);

impl<'de, const N: usize> DeserializeSeed<'de> for FieldIndex<N> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<const N: usize> Visitor<'_> for FieldIndex<N> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|known| *known == name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 2] = ["a", "b"];

    #[test]
    fn the_last_of_a_repeated_field_counts_and_the_field_is_reported() {
        let fields = Fields::parse(&NAMES, br#"{"a":1,"x":[{}],"b":null,"\u0061":2}"#).unwrap();
        assert_eq!(fields.get("a").map(RawValue::get), Some("2"));
        assert_eq!(fields.repeated(), Some("a"));
        assert!(fields.get("b").is_none() && fields.has("b") && !fields.has("x"));
        assert_eq!(Fields::parse(&NAMES, br#"{"x":1,"x":2}"#).unwrap().repeated(), None);
    }

    #[test]
    fn anything_but_one_object_is_an_error() {
        for text in ["[1,2]", "null", "{", "{} {}", r#"{"a":}"#] {
            assert!(Fields::parse(&NAMES, text.as_bytes()).is_err(), "{text}");
        }
    }
}
