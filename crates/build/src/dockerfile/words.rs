//! The words of `ARG` and `ENV`, with their quotes.

/// The words of a text; quoted white space does not separate them.
pub(crate) fn parse_words(text: &str, escape: char) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, c) if c.is_whitespace() => {
                words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty()));
                continue;
            }
            // Nothing is escaped between single quotes. An escape at the end is left out.
            (quote, c) if c == escape && quote != Some('\'') => {
                let Some(next) = chars.next() else { continue };
                word.push(c);
                word.push(next);
                continue;
            }
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
        word.push(c);
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words
}

/// The names and values of `ENV`: `NAME=value …`, or the old form `NAME value`.
pub(crate) fn name_values(text: &str, escape: char) -> Vec<(String, String)> {
    let words = parse_words(text, escape);
    if words.first().is_some_and(|word| !word.contains('=')) {
        let (name, value) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        return vec![(name.to_owned(), value.trim_start().to_owned())];
    }
    let pairs = words.iter().filter_map(|word| word.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
