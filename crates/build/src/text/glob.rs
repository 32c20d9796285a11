//! Go's `filepath.Match`, by which `COPY` reads wildcards.

use super::character::first;

/// The pattern is not well formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadPattern;

/// Whether a pattern matches a whole name: `*` and `?` match no slash, `[a-z]` and `[^a-z]` are classes, `\` takes the next
/// character as it is.
pub(crate) fn matches(mut pattern: &[u8], mut name: &[u8]) -> Result<bool, BadPattern> {
    'chunks: while !pattern.is_empty() {
        let (has_star, chunk, after) = next_chunk(pattern);
        pattern = after;
        if has_star && chunk.is_empty() {
            return Ok(!name.contains(&b'/'));
        }
        // The last chunk must take the whole rest of the name.
        let fits = |rest: &[u8]| rest.is_empty() || !after.is_empty();
        match match_chunk(chunk, name)? {
            Some(rest) if fits(rest) => {
                name = rest;
                continue;
            }
            _ => {}
        }
        if has_star {
            let skippable = name.iter().take_while(|byte| **byte != b'/').count();
            for skipped in 1..=skippable {
                if let Some(rest) = match_chunk(chunk, &name[skipped..])?
                    && fits(rest)
                {
                    name = rest;
                    continue 'chunks;
                }
            }
        }
        while !pattern.is_empty() {
            let (_, chunk, after) = next_chunk(pattern);
            match_chunk(chunk, b"")?;
            pattern = after;
        }
        return Ok(false);
    }
    Ok(name.is_empty())
}

/// Whether a path has wildcards.
pub(crate) fn has_wildcards(path: &[u8]) -> bool {
    let mut bytes = path.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'*' | b'?' | b'[' => return true,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
    false
}

/// Whether stars begin the pattern, the text up to the next star, and the rest.
fn next_chunk(pattern: &[u8]) -> (bool, &[u8], &[u8]) {
    let stars = pattern.iter().take_while(|byte| **byte == b'*').count();
    let pattern = &pattern[stars..];
    let (mut at, mut in_class) = (0, false);
    while at < pattern.len() {
        match pattern[at] {
            b'\\' if at + 1 < pattern.len() => at += 1,
            b'[' => in_class = true,
            b']' => in_class = false,
            b'*' if !in_class => break,
            _ => {}
        }
        at += 1;
    }
    (stars > 0, &pattern[..at], &pattern[at..])
}

/// Matches a chunk without stars at the beginning of the name. Returns the rest of the name, or `None` if the chunk does not match.
/// Reads the whole chunk in any case, to find a bad pattern.
fn match_chunk<'a>(mut chunk: &[u8], name: &'a [u8]) -> Result<Option<&'a [u8]>, BadPattern> {
    let mut left = Some(name);
    while let Some((byte, after)) = chunk.split_first() {
        left = left.filter(|name| !name.is_empty());
        let character = left.and_then(first);
        let skip = |count: usize| left.map(|name| &name[count..]);
        match byte {
            b'[' => {
                let (is_in, after) = match_class(after, character.map(|(c, _)| c))?;
                left = character.filter(|_| is_in).and_then(|(_, width)| skip(width));
                chunk = after;
            }
            b'?' => {
                left = character.filter(|(c, _)| *c != '/').and_then(|(_, width)| skip(width));
                chunk = after;
            }
            _ => {
                let (byte, after) =
                    if *byte == b'\\' { after.split_first().ok_or(BadPattern)? } else { (byte, after) };
                left = left.filter(|name| name[0] == *byte).map(|name| &name[1..]);
                chunk = after;
            }
        }
    }
    Ok(left)
}

/// Whether a character is in the class whose text begins here, and the text behind the class.
fn match_class(mut text: &[u8], character: Option<char>) -> Result<(bool, &[u8]), BadPattern> {
    let is_negated = text.first() == Some(&b'^');
    text = &text[usize::from(is_negated)..];
    let (mut is_in, mut is_first) = (false, true);
    loop {
        if text.first() == Some(&b']') && !is_first {
            return Ok((is_in != is_negated, &text[1..]));
        }
        is_first = false;
        let (low, after) = class_character(text)?;
        let (high, after) = if after[0] == b'-' { class_character(&after[1..])? } else { (low, after) };
        is_in |= character.is_some_and(|c| (low..=high).contains(&c));
        text = after;
    }
}

/// A character of a class, and the text behind it, which is not empty.
fn class_character(text: &[u8]) -> Result<(char, &[u8]), BadPattern> {
    let text = match text {
        [] | [b'-' | b']', ..] => return Err(BadPattern),
        [b'\\', after @ ..] => after,
        text => text,
    };
    let (character, width) = first(text).ok_or(BadPattern)?;
    if (character == char::REPLACEMENT_CHARACTER && width == 1) || text.len() == width {
        return Err(BadPattern);
    }
    Ok((character, &text[width..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of Go's own test (`path/filepath/match_test.go`), with a few lines of ours.
    #[test]
    fn a_pattern_matches_as_in_go() {
        for (pattern, name, expected) in [
            ("abc", "abc", Ok(true)),
            ("*", "abc", Ok(true)),
            ("*c", "abc", Ok(true)),
            ("a*", "a", Ok(true)),
            ("a*", "ab/c", Ok(false)),
            ("a*/b", "abc/b", Ok(true)),
            ("a*/b", "a/c/b", Ok(false)),
            ("a*b*c*d*e*/f", "axbxcxdxe/f", Ok(true)),
            ("a*b*c*d*e*/f", "axbxcxdxexxx/fff", Ok(false)),
            ("a*b?c*x", "abxbbxdbxebxczzx", Ok(true)),
            ("a*b?c*x", "abxbbxdbxebxczzy", Ok(false)),
            ("ab[c]", "abc", Ok(true)),
            ("ab[b-d]", "abc", Ok(true)),
            ("ab[e-g]", "abc", Ok(false)),
            ("ab[^c]", "abc", Ok(false)),
            ("ab[^e-g]", "abc", Ok(true)),
            ("a\\*b", "a*b", Ok(true)),
            ("a\\*b", "ab", Ok(false)),
            ("a?b", "a☺b", Ok(true)),
            ("a[^a]b", "a☺b", Ok(true)),
            ("a???b", "a☺b", Ok(false)),
            ("[a-ζ]*", "α", Ok(true)),
            ("*[a-ζ]", "A", Ok(false)),
            ("a?b", "a/b", Ok(false)),
            ("a*b", "a/b", Ok(false)),
            ("[\\]a]", "]", Ok(true)),
            ("[\\-x]", "-", Ok(true)),
            ("[x\\-]", "z", Ok(false)),
            ("[]a]", "]", Err(BadPattern)),
            ("[-]", "-", Err(BadPattern)),
            ("[x-]", "x", Err(BadPattern)),
            ("[a-b-c]", "a", Err(BadPattern)),
            ("[", "a", Err(BadPattern)),
            ("[^bc", "a", Err(BadPattern)),
            ("a[", "a", Err(BadPattern)),
            ("a[", "ab", Err(BadPattern)),
            ("a[", "x", Err(BadPattern)),
            ("a/b[", "x", Err(BadPattern)),
            ("*x", "xxx", Ok(true)),
            ("a\\", "a", Err(BadPattern)),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
        assert_eq!(matches(b"?", b"\xff"), Ok(true));
    }
}
