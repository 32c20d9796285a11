//! Patterns as SQLite's GLOB expects them.

use hythe_oci::Pattern;

/// The pattern as a text of GLOB: escapes GLOB's special characters except `*`, the only special character of a pattern.
/// Without a pattern, the text matches everything.
pub(crate) fn glob(pattern: Option<&Pattern>) -> String {
    let Some(pattern) = pattern else { return "*".to_owned() };
    let mut glob = String::with_capacity(pattern.as_str().len());
    for c in pattern.as_str().chars() {
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
            assert_eq!(glob(Some(&pattern.parse().unwrap())), expected, "{pattern}");
        }
        assert_eq!(glob(None), "*");
    }

    /// Every text of up to `length` of these characters, without the empty one.
    fn texts(characters: &[char], length: usize) -> Vec<String> {
        let mut all = vec![String::new()];
        let mut from = 0;
        for _ in 0..length {
            let last = all[from..].to_vec();
            from = all.len();
            all.extend(last.iter().flat_map(|text| characters.iter().map(move |c| format!("{text}{c}"))));
        }
        all.split_off(1)
    }

    #[test]
    fn sqlite_matches_what_the_pattern_matches() {
        let sqlite = rusqlite::Connection::open_in_memory().unwrap();
        let mut statement = sqlite.prepare("SELECT ?1 GLOB ?2").unwrap();
        for written in texts(&['a', '*', '?', '['], 4) {
            let pattern: Pattern = written.parse().unwrap();
            let glob = glob(Some(&pattern));
            for text in texts(&['a', 'b', '?'], 3) {
                let matched: bool = statement.query_row((&text, &glob), |row| row.get(0)).unwrap();
                assert_eq!(matched, pattern.matches(&text), "{pattern} {text}");
            }
        }
    }
}
