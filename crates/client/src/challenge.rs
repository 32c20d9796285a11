//! Reads authentication challenges: `WWW-Authenticate` (RFC 9110, 11.6.1).

/// One authentication method that a registry offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// `bearer`, `basic`, …, in lower case.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The first parameter of this lower-case name: `realm`, `service`, `scope`, `error`.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Reads the challenges of one field value, in order. One line may hold several, and commas separate both challenges
/// and parameters (Quay has sent `Basic` and `Bearer` so). At the first text that breaks the grammar the reading ends;
/// the challenges before it are kept.
pub fn challenges(value: &str) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = Vec::new();
    let mut rest = value;
    while let Some((word, after)) = token(skip(rest)) {
        let word = word.to_ascii_lowercase();
        let Some(value) = after.trim_start_matches([' ', '\t']).strip_prefix('=') else {
            challenges.push(Challenge { scheme: word, parameters: Vec::new() });
            rest = after_token68(after);
            continue;
        };
        // A parameter without a scheme, or a quoted value without its closing quote.
        let (Some(challenge), Some((value, after))) = (challenges.last_mut(), text(value)) else { break };
        challenge.parameters.push((word, value));
        rest = after;
    }
    challenges
}

fn skip(rest: &str) -> &str {
    rest.trim_start_matches([' ', '\t', ','])
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

/// A token, and what follows it.
fn token(rest: &str) -> Option<(&str, &str)> {
    let end = rest.find(|c| !is_token(c)).unwrap_or(rest.len());
    Some(rest.split_at(end)).filter(|(token, _)| !token.is_empty())
}

/// A parameter's value, a token or a quoted string, and what follows it.
fn text(rest: &str) -> Option<(String, &str)> {
    let rest = rest.trim_start_matches([' ', '\t']);
    let Some(quoted) = rest.strip_prefix('"') else {
        // Some registries write addresses without quotes.
        let end = rest.find([',', ' ', '\t']).unwrap_or(rest.len());
        let (value, rest) = rest.split_at(end);
        return Some((value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            c => value.push(c),
        }
    }
    None
}

/// Skips the credentials that some schemes have instead of parameters (`Negotiate YII=`).
fn after_token68(rest: &str) -> &str {
    let start = rest.trim_start_matches([' ', '\t']);
    let end =
        start.find(|c: char| !(c.is_ascii_alphanumeric() || "-._~+/".contains(c))).unwrap_or(start.len());
    let padded = start[end..].trim_start_matches('=');
    let ends = padded.trim_start_matches([' ', '\t']);
    // If other text follows, this is a parameter's name or the next scheme.
    if end > 0 && rest.len() > start.len() && (ends.is_empty() || ends.starts_with(',')) {
        padded
    } else {
        rest
    }
}
