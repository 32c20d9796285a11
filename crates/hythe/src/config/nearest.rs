//! Finds the known word that a misspelled word probably means.

/// The nearest known word, if it is near enough to suggest.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Computing a distance takes quadratic time, and every known word is much shorter.
    if word.len() > 100 {
        return None;
    }
    let limit = 1 + word.chars().count() / 4;
    let scored = known.map(|candidate| (strsim::osa_distance(word, candidate), candidate));
    scored.filter(|(distance, _)| *distance <= limit).min().map(|(_, candidate)| candidate)
}

/// The end of an error message: a question that suggests the word, or nothing.
pub(super) fn did_you_mean(found: Option<&str>) -> String {
    found.map_or_else(String::new, |known| format!("; did you mean `{known}`?"))
}
