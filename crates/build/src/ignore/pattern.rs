//! One pattern of an ignore file.

use super::expression::Expression;
use crate::text::character::first;
use crate::text::glob;
use crate::text::path::clean;

/// A pattern that is not well formed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is not a pattern")]
pub(crate) struct PatternError {
    pattern: String,
}

/// One pattern of an ignore file.
#[derive(Debug)]
pub(crate) struct Pattern {
    /// Whether the pattern begins with `!`: paths that it matches are not ignored.
    pub(crate) is_exception: bool,
    /// The cleaned pattern, without its `!`.
    text: Vec<u8>,
    form: Form,
}

/// How a pattern is compared; the simple forms spare the expression.
#[derive(Debug)]
enum Form {
    Exact,
    /// The text without the `**` at its end.
    Prefix(usize),
    /// Behind the `**` at its start.
    Suffix,
    Expression(Expression),
}

impl Pattern {
    pub(crate) fn parse(pattern: &[u8]) -> Result<Self, PatternError> {
        let bad = || PatternError { pattern: String::from_utf8_lossy(pattern).into_owned() };
        let cleaned = clean(pattern);
        let (is_exception, text) = match cleaned.strip_prefix(b"!") {
            Some([]) => return Err(bad()),
            Some(text) => (true, text.to_vec()),
            None => (false, cleaned),
        };
        glob::matches(&text, b".").map_err(|_| bad())?;
        let form = compile(&text).ok_or_else(bad)?;
        Ok(Self { is_exception, text, form })
    }

    pub(crate) fn matches(&self, path: &[u8]) -> bool {
        match &self.form {
            Form::Exact => path == self.text,
            Form::Prefix(length) => path.starts_with(&self.text[..*length]),
            Form::Suffix => {
                let suffix = &self.text[2..];
                path.ends_with(suffix) || suffix.strip_prefix(b"/") == Some(path)
            }
            Form::Expression(expression) => expression.matches(path),
        }
    }

    /// The path below which the pattern matches something, if the pattern is such a path, with or without `/*` or `/**` at its end;
    /// `None` if the pattern has other special characters, so that it may match anywhere.
    pub(crate) fn literal(&self) -> Option<&[u8]> {
        let text = self.text.strip_suffix(b"/**").unwrap_or(&self.text);
        let text = text.strip_suffix(b"/*").unwrap_or(text);
        (!text.iter().any(|byte| b"*[]?^\\".contains(byte))).then_some(text)
    }
}

/// The pattern as moby compiles it (`Pattern.compile`): into the text of a regular expression, unless a simple form suffices.
/// `None` means that the expression is not valid.
fn compile(pattern: &[u8]) -> Option<Form> {
    #[derive(PartialEq)]
    enum Kind {
        Exact,
        Prefix,
        Suffix,
        Expression,
    }
    let (mut expression, mut kind) = (String::new(), Kind::Exact);
    let mut rest = pattern;
    let mut is_first = true;
    while let Some((c, width)) = first(rest) {
        rest = &rest[width..];
        match c {
            '*' if rest.first() == Some(&b'*') => {
                rest = &rest[1..];
                rest = rest.strip_prefix(b"/").unwrap_or(rest);
                if !rest.is_empty() {
                    expression.push_str("(.*/)?");
                    kind = Kind::Expression;
                } else if kind == Kind::Exact {
                    kind = Kind::Prefix;
                } else {
                    expression.push_str(".*");
                    kind = Kind::Expression;
                }
                if is_first {
                    kind = Kind::Suffix;
                }
            }
            '*' | '?' => {
                expression.push_str(if c == '*' { "[^/]*" } else { "[^/]" });
                kind = Kind::Expression;
            }
            '.' | '+' | '(' | ')' | '|' | '{' | '}' | '$' => expression.extend(['\\', c]),
            '\\' => {
                expression.push('\\');
                if let Some((next, width)) = first(rest) {
                    rest = &rest[width..];
                    expression.push(next);
                    kind = Kind::Expression;
                }
            }
            '[' | ']' => {
                expression.push(c);
                kind = Kind::Expression;
            }
            c => expression.push(c),
        }
        is_first = false;
    }
    Some(match kind {
        Kind::Exact => Form::Exact,
        // A pattern of `a**/` was cleaned, so that the two stars are its last bytes.
        Kind::Prefix => Form::Prefix(pattern.len() - 2),
        Kind::Suffix => Form::Suffix,
        Kind::Expression => Form::Expression(Expression::parse(&expression)?),
    })
}
