//! The known word that was probably meant.

/// The nearest of the known words, if one is near enough to be worth a question.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Distance is quadratic, and no known word is nearly this long.
    if word.len() > 100 {
        return None;
    }
    let limit = 1 + word.chars().count() / 4;
    let scored = known.map(|candidate| (strsim::osa_distance(word, candidate), candidate));
    scored.filter(|(distance, _)| *distance <= limit).min().map(|(_, candidate)| candidate)
}

/// Ends a sentence with the question, or with nothing.
pub(super) fn did_you_mean(found: Option<&str>) -> String {
    found.map_or_else(String::new, |known| format!("; did you mean `{known}`?"))
}
