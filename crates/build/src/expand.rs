//! Expands the variables of a word, as BuildKit does (`frontend/dockerfile/shell/lex.go`).

mod pattern;
mod variables;

use std::iter::Peekable;
use std::str::Chars;

pub(crate) use variables::{Lookup, Variables};

use pattern::{replace, trim_prefix, trim_suffix};

/// Levels of variables within the defaults of variables.
const MAX_DEPTH: usize = 32;

/// A word with its variables replaced and its quotes removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expanded {
    pub(crate) text: String,
    /// Whether a variable may be set by a base image whose configuration is not known, so that the text may be another one.
    pub(crate) is_unknown: bool,
}

/// Expands a word. The error says what is wrong with it.
pub(crate) fn expand(word: &str, variables: &Variables, escape: char) -> Result<Expanded, String> {
    let mut lexer = Lexer { chars: word.chars().peekable(), variables, escape, is_unknown: false };
    let text = lexer.until(None, false, 0).map_err(|fault| format!("cannot expand `{word}`: {fault}"))?;
    Ok(Expanded { text, is_unknown: lexer.is_unknown })
}

struct Lexer<'a> {
    chars: Peekable<Chars<'a>>,
    variables: &'a Variables,
    escape: char,
    is_unknown: bool,
}

impl Lexer<'_> {
    /// The text up to a character that is taken too, or to the end.
    fn until(&mut self, stop: Option<char>, keeps_escapes: bool, depth: usize) -> Result<String, String> {
        if depth > MAX_DEPTH {
            return Err("the variables are nested too deeply".to_owned());
        }
        let mut text = String::new();
        while let Some(&c) = self.chars.peek() {
            if stop == Some(c) {
                self.chars.next();
                return Ok(text);
            }
            match c {
                '$' => text.push_str(&self.dollar(depth)?),
                '\'' => text.push_str(&self.single_quoted()?),
                '"' => text.push_str(&self.double_quoted(keeps_escapes, depth)?),
                _ => {
                    self.chars.next();
                    if c != self.escape {
                        text.push(c);
                        continue;
                    }
                    if keeps_escapes {
                        text.push(c);
                    }
                    text.extend(self.chars.next());
                }
            }
        }
        match stop {
            Some('}') => Err("a `${` has no `}`".to_owned()),
            Some(stop) => Err(format!("a `{stop}` is missing")),
            None => Ok(text),
        }
    }

    fn single_quoted(&mut self) -> Result<String, String> {
        self.chars.next();
        let mut text = String::new();
        loop {
            match self.chars.next() {
                Some('\'') => return Ok(text),
                Some(c) => text.push(c),
                None => return Err("a single quote is not closed".to_owned()),
            }
        }
    }

    fn double_quoted(&mut self, keeps_escapes: bool, depth: usize) -> Result<String, String> {
        self.chars.next();
        let mut text = String::new();
        loop {
            match self.chars.peek().copied() {
                None => return Err("a double quote is not closed".to_owned()),
                Some('"') => {
                    self.chars.next();
                    return Ok(text);
                }
                Some('$') => text.push_str(&self.dollar(depth)?),
                Some(c) if c == self.escape => {
                    self.chars.next();
                    if keeps_escapes {
                        text.push(c);
                    }
                    match self.chars.peek().copied() {
                        None => {}
                        // Only these can be escaped here; before others the escape character stays.
                        Some(next) if next == '"' || next == '$' || next == self.escape => {
                            self.chars.next();
                            text.push(next);
                        }
                        Some(_) => text.push(c),
                    }
                }
                Some(c) => {
                    self.chars.next();
                    text.push(c);
                }
            }
        }
    }

    fn dollar(&mut self, depth: usize) -> Result<String, String> {
        self.chars.next();
        if self.chars.next_if_eq(&'{').is_none() {
            let name = self.name();
            return Ok(if name.is_empty() { "$".to_owned() } else { self.value(&name).unwrap_or_default() });
        }
        match self.chars.peek() {
            None => return Err("a `${` has no `}`".to_owned()),
            Some('{' | '}' | ':') => return Err("a `${` names no variable".to_owned()),
            Some(_) => {}
        }
        let name = self.name();
        let unsupported = |operator: String| Err(format!("`{operator}` is not supported in `${{{name}…}}`"));
        match self.chars.next() {
            Some('}') => Ok(self.value(&name).unwrap_or_default()),
            Some(':') => match self.chars.next() {
                Some(operator @ ('-' | '+' | '?')) => self.choice(&name, operator, true, depth),
                operator => unsupported(format!(":{}", operator.map(String::from).unwrap_or_default())),
            },
            Some(operator @ ('-' | '+' | '?')) => self.choice(&name, operator, false, depth),
            Some(operator @ ('#' | '%')) => {
                let word = self.until(Some('}'), true, depth + 1)?;
                let (is_longest, pattern) = match word.strip_prefix(operator) {
                    Some(pattern) => (true, pattern),
                    None => (false, word.as_str()),
                };
                let value = self.value(&name).unwrap_or_default();
                let trim = if operator == '#' { trim_prefix } else { trim_suffix };
                trim(pattern, &value, is_longest)
            }
            Some('/') => {
                let replaces_all = self.chars.next_if_eq(&'/').is_some();
                let pattern = self.until(Some('/'), true, depth + 1)?;
                let replacement = self.until(Some('}'), true, depth + 1)?;
                let value = self.value(&name).unwrap_or_default();
                replace(&pattern, &value, &replacement, replaces_all)
            }
            Some(operator) => unsupported(operator.to_string()),
            None => Err("a `${` has no `}`".to_owned()),
        }
    }

    /// `${name-word}`, `${name+word}`, `${name?word}`; with a colon, an empty value counts as not set.
    fn choice(
        &mut self,
        name: &str,
        operator: char,
        empty_is_unset: bool,
        depth: usize,
    ) -> Result<String, String> {
        let word = self.until(Some('}'), false, depth + 1)?;
        let value = self.value(name);
        let usable = value.filter(|value| !(empty_is_unset && value.is_empty()));
        match (operator, usable) {
            ('+', Some(_)) | ('-', None) => Ok(word),
            ('+', None) => Ok(String::new()),
            (_, Some(value)) => Ok(value),
            // A base image may set it.
            (_, None) if self.is_unknown => Ok(String::new()),
            (_, None) if word.is_empty() => Err(format!("{name} is not set")),
            (_, None) => Err(format!("{name}: {word}")),
        }
    }

    fn value(&mut self, name: &str) -> Option<String> {
        match self.variables.get(name) {
            Lookup::Set(value) => Some(value.to_owned()),
            Lookup::Unset => None,
            Lookup::Unknown => {
                self.is_unknown = true;
                None
            }
        }
    }

    /// The name behind a dollar sign: letters, digits and `_`; or digits alone; or one special character.
    fn name(&mut self) -> String {
        let mut name = String::new();
        let Some(&first) = self.chars.peek() else { return name };
        if first.is_numeric() {
            while let Some(c) = self.chars.next_if(|c| c.is_numeric()) {
                name.push(c);
            }
        } else if "@*#?-$!".contains(first) {
            name.extend(self.chars.next());
        } else {
            while let Some(c) = self.chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                name.push(c);
            }
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What BuildKit's own library answers (`github.com/moby/buildkit` v0.33.0, `shell.Lex`).
    const WORDS: &str = include_str!("../tests/data/words.tsv");

    fn variables() -> Variables {
        let mut variables = Variables::closed();
        for (name, value) in [
            ("TAG", "7"),
            ("EMPTY", ""),
            ("A_1", "x"),
            ("FILE", "a.tar.gz"),
            ("SPACED", "a b"),
            ("PATHS", "/usr/bin:/bin"),
            ("STAR", "a*b"),
            ("U", "grün"),
        ] {
            variables.set(name, Some(value.to_owned()));
        }
        variables
    }

    #[test]
    fn a_word_is_expanded_as_buildkit_does() {
        let mut wrong = Vec::new();
        for line in WORDS.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = line.split('\t').collect();
            let [outcome, escape, word, result] = fields[..] else { panic!("{line}") };
            let expected = (outcome == "ok").then_some(result);
            let expanded = expand(word, &variables(), escape.chars().next().unwrap());
            let expanded = expanded.map(|expanded| expanded.text).ok();
            if expanded.as_deref() != expected {
                wrong.push(format!("{escape} {word}: {expanded:?}, not {expected:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn a_backtick_escapes_if_the_dockerfile_says_so() {
        assert_eq!(expand("C:\\`$TAG", &variables(), '`').unwrap().text, "C:\\$TAG");
    }

    #[test]
    fn an_error_says_what_is_wrong() {
        for (word, expected) in [
            ("${NONE:?say which}", "NONE: say which"),
            ("${NONE?}", "NONE is not set"),
            ("${TAG", "a `${` has no `}`"),
            ("${TAG:-x", "a `${` has no `}`"),
            ("${}", "a `${` names no variable"),
            ("'a", "a single quote is not closed"),
            ("${TAG:#x}", "`:#` is not supported in `${TAG…}`"),
        ] {
            let error = expand(word, &variables(), '\\').unwrap_err();
            assert_eq!(error, format!("cannot expand `{word}`: {expected}"));
        }
    }

    #[test]
    fn a_variable_that_a_base_image_may_set_is_unknown() {
        let mut variables = Variables::open();
        variables.set("TAG", Some("7".to_owned()));
        assert!(!expand("$TAG", &variables, '\\').unwrap().is_unknown);
        assert!(expand("${OTHER:-x}", &variables, '\\').unwrap().is_unknown);
    }
}
