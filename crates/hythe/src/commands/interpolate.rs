//! Variables in Compose files and Dockerfiles (Compose specification, Interpolation).

use std::collections::{BTreeMap, BTreeSet};

use crate::config::Environment;

/// The values of variables, by name.
pub(in crate::commands) type Variables = BTreeMap<String, String>;

/// The environment's variables.
pub(in crate::commands) fn variables(environment: &Environment) -> Variables {
    let variables = environment.variables.iter();
    variables.map(|(name, value)| (name.clone(), value.to_string_lossy().into_owned())).collect()
}

/// Adds the variables of a file such as `.env`. Variables that are set already keep their values.
pub(in crate::commands) fn add_env_file(variables: &mut Variables, text: &str) {
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.split_once('=') else { continue };
        variables.entry(name.trim().to_owned()).or_insert_with(|| env_value(value.trim()));
    }
}

/// A value without its quotes, or without the comment after it.
pub(in crate::commands) fn env_value(text: &str) -> String {
    let quoted = |quote: char| Some(text.strip_prefix(quote)?.split_once(quote)?.0);
    let value = quoted('"').or_else(|| quoted('\''));
    value.unwrap_or_else(|| text.split_once(" #").map_or(text, |(value, _)| value).trim_end()).into()
}

/// Levels of variables within the defaults of variables. Real files nest less deeply.
const MAX_DEPTH: usize = 16;

/// The text with its variables replaced by their values. The error names the variable that is not set.
pub(in crate::commands) fn interpolate(text: &str, variables: &Variables) -> Result<String, String> {
    Replacing { variables, unset: &mut |name| Err(format!("variable {name} is not set")) }.replace(text, 0)
}

/// The text with its variables replaced by their values, and with nothing where a variable is not set, as Compose does it.
/// `unset` gets the names of these variables.
pub(in crate::commands) fn interpolate_or_blank(
    text: &str,
    variables: &Variables,
    unset: &mut BTreeSet<String>,
) -> Result<String, String> {
    let mut blank = |name: &str| {
        unset.insert(name.to_owned());
        Ok(String::new())
    };
    Replacing { variables, unset: &mut blank }.replace(text, 0)
}

/// The values of variables, and the text to use for a variable that is not set.
struct Replacing<'a> {
    variables: &'a Variables,
    unset: &'a mut dyn FnMut(&str) -> Result<String, String>,
}

impl Replacing<'_> {
    fn replace(&mut self, text: &str, depth: usize) -> Result<String, String> {
        if depth > MAX_DEPTH {
            return Err("the variables are nested too deeply".to_owned());
        }
        let (mut done, mut rest) = (String::new(), text);
        while let Some(at) = rest.find('$') {
            done.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                done.push('$');
                rest = after;
            } else if let Some(after) = rest.strip_prefix('{') {
                let end = closing(after).ok_or("a `${` has no `}`")?;
                done.push_str(&self.braced(&after[..end], depth)?);
                rest = &after[end + 1..];
            } else {
                let (name, after) = split_name(rest);
                if name.is_empty() {
                    return Err("a `$` names no variable; write `$$` for a dollar sign".to_owned());
                }
                let value = match self.variables.get(name) {
                    Some(value) => value.clone(),
                    None => (self.unset)(name)?,
                };
                done.push_str(&value);
                rest = after;
            }
        }
        done.push_str(rest);
        Ok(done)
    }

    /// The value of an expression between braces.
    fn braced(&mut self, text: &str, depth: usize) -> Result<String, String> {
        let (name, operator) = split_name(text);
        if name.is_empty() {
            return Err(format!("`${{{text}}}` names no variable"));
        }
        let value = self.variables.get(name).cloned();
        // With a colon, an empty value counts as not set.
        let (value, operator) = match operator.strip_prefix(':') {
            Some(operator) => (value.filter(|value| !value.is_empty()), operator),
            None => (value, operator),
        };
        let mut operand = operator.chars();
        match (operand.next(), value) {
            (None | Some('-' | '?'), Some(value)) => Ok(value),
            (None, None) => (self.unset)(name),
            (Some('-'), None) | (Some('+'), Some(_)) => self.replace(operand.as_str(), depth + 1),
            (Some('+'), None) => Ok(String::new()),
            (Some('?'), None) => match operand.as_str() {
                "" => Err(format!("variable {name} is not set")),
                said => Err(format!("variable {name} is not set: {said}")),
            },
            (Some(_), _) => Err(format!("`${{{text}}}` is not a valid expression")),
        }
    }
}

/// A variable's name, and what follows it.
fn split_name(text: &str) -> (&str, &str) {
    let is_name =
        |(at, c): (usize, char)| c == '_' || c.is_ascii_alphabetic() || (at > 0 && c.is_ascii_digit());
    let end = text.char_indices().find(|&c| !is_name(c)).map_or(text.len(), |(at, _)| at);
    text.split_at(end)
}

/// The position of the brace that closes the one before this text.
fn closing(text: &str) -> Option<usize> {
    let mut open = 1_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' if text[..at].ends_with('$') => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Variables {
        [("TAG", "7"), ("EMPTY", ""), ("A_1", "x")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    #[test]
    fn variables_are_replaced_as_compose_does() {
        for (text, expected) in [
            ("redis", "redis"),
            ("redis:$TAG", "redis:7"),
            ("redis:${TAG}-alpine", "redis:7-alpine"),
            ("$A_1.y", "x.y"),
            ("${NONE:-7.2}", "7.2"),
            ("${EMPTY:-7.2}", "7.2"),
            ("${EMPTY-7.2}", ""),
            ("${NONE-7.2}", "7.2"),
            ("${TAG:-7.2}", "7"),
            ("${NONE:-${TAG}}", "7"),
            ("${NONE:-${NEITHER:-${TAG}}}b", "7b"),
            ("${TAG:+yes}", "yes"),
            ("${NONE:+yes}", ""),
            ("${EMPTY+yes}", "yes"),
            ("${TAG:?must be set}", "7"),
            ("$$TAG", "$TAG"),
        ] {
            assert_eq!(interpolate(text, &some()).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_variable_that_is_not_set_can_be_blank() {
        let mut unset = BTreeSet::new();
        let mut blank = |text: &str| interpolate_or_blank(text, &some(), &mut unset);
        assert_eq!(blank("a${NONE}b$NEITHER:${EMPTY}${TAG}").as_deref(), Ok("ab:7"));
        assert!(blank("${NONE:?say which}").is_err());
        assert_eq!(unset.into_iter().collect::<Vec<_>>(), ["NEITHER", "NONE"]);
    }

    #[test]
    fn a_file_of_variables_adds_to_the_environment_and_does_not_override_it() {
        let text = "# versions\nTAG=8\nexport PG = 16 # long\nQUOTED=\"a # b\"\nSINGLE='c'\nnothing\n=\n";
        let mut all = some();
        add_env_file(&mut all, text);
        let shown = interpolate("$TAG $PG $QUOTED $SINGLE", &all);
        assert_eq!(shown.as_deref(), Ok("7 16 a # b c"));
    }

    #[test]
    fn an_error_names_the_variable_or_the_expression() {
        for (text, expected) in [
            ("redis:$NONE", "variable NONE is not set"),
            ("redis:${NONE}", "variable NONE is not set"),
            ("${EMPTY:?say which}", "variable EMPTY is not set: say which"),
            ("${NONE?}", "variable NONE is not set"),
            ("${TAG", "a `${` has no `}`"),
            ("${}", "`${}` names no variable"),
            ("a$", "a `$` names no variable; write `$$` for a dollar sign"),
            ("${TAG%x}", "`${TAG%x}` is not a valid expression"),
        ] {
            assert_eq!(interpolate(text, &some()), Err(expected.to_owned()), "{text}");
        }
    }
}
