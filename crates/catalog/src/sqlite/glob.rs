//! Patterns as SQLite's GLOB expects them.

/// Escapes GLOB's special characters except `*`, the only special character of a pattern.
pub(crate) fn glob(text: &str) -> String {
    let mut glob = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '*' if glob.ends_with('*') => {}
            '?' => glob.push_str("[?]"),
            '[' => glob.push_str("[[]"),
            c => glob.push(c),
        }
    }
    glob
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_star_stays_special() {
        for (pattern, expected) in
            [("*", "*"), ("docker.io/*", "docker.io/*"), ("a***b", "a*b"), ("7.?", "7.[?]"), ("[a]", "[[]a]")]
        {
            assert_eq!(glob(pattern), expected, "{pattern}");
        }
    }
}
