//! The patterns of `${name#pattern}`, `${name%pattern}` and `${name/pattern/replacement}`: `*`, `?`, and `\` before them.

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token {
    Char(char),
    Any,
    Many,
}

/// The tokens of a pattern. A backslash before `}` or `/` only keeps these from ending the expression.
fn tokens(pattern: &str) -> Result<Vec<Token>, String> {
    let (mut tokens, mut chars) = (Vec::new(), pattern.chars());
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' => Token::Many,
            '?' => Token::Any,
            '\\' => match chars.next() {
                Some(c @ ('*' | '?' | '\\' | '}' | '/')) => Token::Char(c),
                _ => return Err(format!("`{pattern}` has an escape before a character that needs none")),
            },
            c => Token::Char(c),
        });
    }
    Ok(tokens)
}

/// The ends, in characters from the start of the text, at which the tokens match it.
fn ends(tokens: &[Token], text: &[char]) -> Vec<bool> {
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for token in tokens {
        let mut next = vec![false; text.len() + 1];
        for at in 0..=text.len() {
            match token {
                Token::Many => {
                    // Go's `.` matches no line feed.
                    next[at] = reached[at] || (at > 0 && next[at - 1] && text[at - 1] != '\n');
                }
                _ if at == text.len() || !reached[at] => {}
                Token::Any => next[at + 1] = text[at] != '\n',
                Token::Char(c) => next[at + 1] = text[at] == *c,
            }
        }
        reached = next;
    }
    reached
}

fn end(tokens: &[Token], text: &[char], is_longest: bool) -> Option<usize> {
    let ends = ends(tokens, text);
    if is_longest { ends.iter().rposition(|is_end| *is_end) } else { ends.iter().position(|is_end| *is_end) }
}

/// The value without the start that the pattern matches.
pub(super) fn trim_prefix(pattern: &str, value: &str, is_longest: bool) -> Result<String, String> {
    let text: Vec<char> = value.chars().collect();
    let skipped = end(&tokens(pattern)?, &text, is_longest).unwrap_or(0);
    Ok(text[skipped..].iter().collect())
}

/// The value without the end that the pattern matches.
pub(super) fn trim_suffix(pattern: &str, value: &str, is_longest: bool) -> Result<String, String> {
    let mut tokens = tokens(pattern)?;
    tokens.reverse();
    let text: Vec<char> = value.chars().rev().collect();
    let skipped = end(&tokens, &text, is_longest).unwrap_or(0);
    Ok(text[skipped..].iter().rev().collect())
}

/// The value with the first or each match of the pattern replaced; the longest match counts.
pub(super) fn replace(
    pattern: &str,
    value: &str,
    replacement: &str,
    replaces_all: bool,
) -> Result<String, String> {
    let tokens = tokens(pattern)?;
    let text: Vec<char> = value.chars().collect();
    let (mut done, mut at, mut is_done, mut last_end) = (String::new(), 0, false, None);
    while at <= text.len() {
        let found = if is_done { None } else { end(&tokens, &text[at..], true) };
        // An empty match directly behind another match does not count.
        if let Some(length) = found.filter(|length| *length > 0 || last_end != Some(at)) {
            done.push_str(replacement);
            at += length;
            (is_done, last_end) = (!replaces_all, Some(at));
            if length > 0 {
                continue;
            }
        }
        done.extend(text.get(at));
        at += 1;
    }
    Ok(done)
}
