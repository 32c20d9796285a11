//! The flags of an instruction: `--from=build`.

/// The flags at the start of an instruction's arguments, without quotes and escapes, and the arguments behind them.
pub(super) fn split_flags(arguments: &str, escape: char) -> (Vec<String>, &str) {
    let mut flags = Vec::new();
    let mut rest = arguments.trim_start();
    while rest.starts_with("--") {
        let (flag, after) = word(rest, escape);
        if flag == "--" {
            return (flags, after.trim());
        }
        flags.push(flag);
        rest = after.trim_start();
    }
    (flags, rest.trim_end())
}

fn word(text: &str, escape: char) -> (String, &str) {
    let (mut word, mut quote) = (String::new(), None);
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (None, c) if c.is_whitespace() => return (word, &text[at..]),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (_, c) if c == escape => word.extend(chars.next().map(|(_, c)| c)),
            (_, c) => word.push(c),
        }
    }
    (word, "")
}
