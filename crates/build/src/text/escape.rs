//! How names are written into the text of a key.

use std::fmt::Write as _;

/// A name as one word of printable ASCII: a percent sign, and each byte outside of `!` to `~`, becomes `%` and two hex digits in
/// upper case. An empty name is a single `%`.
pub(crate) fn escape(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name {
        if byte.is_ascii_graphic() && *byte != b'%' {
            text.push(char::from(*byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    if text.is_empty() { "%".to_owned() } else { text }
}

/// The name behind an escaped one, for people. Bytes that are not UTF-8 and control characters stay escaped.
pub(crate) fn shown(escaped: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), escaped.as_bytes());
    while let Some((byte, after)) = rest.split_first() {
        let digits = (*byte == b'%').then(|| after.get(..2)).flatten();
        let value = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(value.unwrap_or(*byte));
        rest = if value.is_some() { &after[2..] } else { after };
    }
    match String::from_utf8(bytes) {
        Ok(name) if !name.contains(char::is_control) => name,
        _ => escaped.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_word_and_is_shown_as_it_was() {
        for (name, escaped, shown_as) in [
            ("src/app.py", "src/app.py", "src/app.py"),
            ("a b%c", "a%20b%25c", "a b%c"),
            ("ü", "%C3%BC", "ü"),
            ("a\nb", "a%0Ab", "a%0Ab"),
        ] {
            assert_eq!(escape(name.as_bytes()), escaped);
            assert_eq!(shown(escaped), shown_as);
        }
        assert_eq!(escape(b"\xff"), "%FF");
        assert_eq!(shown("%FF"), "%FF");
        assert_eq!(escape(b""), "%");
    }
}
