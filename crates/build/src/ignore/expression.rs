//! The regular expressions that moby makes of patterns: the few constructs of Go's syntax that can occur in them.
//!
//! A pattern is first written as a regular expression and then parsed here, because moby's translation has quirks (`[*]`, `\d`)
//! that only the text of the expression shows. All states are followed at once, so the time is bounded by length of expression
//! times length of path.

use crate::text::character::first;

/// A regular expression that must match a whole path.
#[derive(Debug)]
pub(super) struct Expression {
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    /// One character of the set.
    One(Set),
    /// Any number of characters of the set.
    Many(Set),
    /// The next steps, this many, may be left out.
    Optional(usize),
}

#[derive(Clone, Debug)]
enum Set {
    /// Any character but a line feed.
    Dot,
    Class {
        is_negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Set {
    fn of(c: char) -> Self {
        Self::Class { is_negated: false, ranges: vec![(c, c)] }
    }

    fn has(&self, c: char) -> bool {
        match self {
            Self::Dot => c != '\n',
            Self::Class { is_negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *is_negated
            }
        }
    }
}

impl Expression {
    /// Parses an expression; `None` if Go refuses it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut steps = Vec::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            if let Some(after) = rest.strip_prefix(".*/)?").filter(|_| c == '(') {
                steps.extend([Step::Optional(2), Step::Many(Set::Dot), Step::One(Set::of('/'))]);
                rest = after;
                continue;
            }
            let set = match c {
                '.' => Set::Dot,
                '[' => {
                    let (set, after) = class(rest)?;
                    rest = after;
                    set
                }
                '\\' => {
                    let next = rest.chars().next()?;
                    rest = &rest[next.len_utf8()..];
                    escaped(next)?
                }
                // The start of the path: nothing at the start, and impossible elsewhere.
                '^' if steps.is_empty() => continue,
                '^' => Set::Class { is_negated: false, ranges: Vec::new() },
                c => Set::of(c),
            };
            steps.push(match rest.strip_prefix('*') {
                Some(after) => {
                    rest = after;
                    Step::Many(set)
                }
                None => Step::One(set),
            });
        }
        Some(Self { steps })
    }

    pub(super) fn matches(&self, mut path: &[u8]) -> bool {
        let mut states = vec![false; self.steps.len() + 1];
        self.enter(&mut states, 0);
        while let Some((c, width)) = first(path) {
            path = &path[width..];
            let mut next = vec![false; states.len()];
            for (at, step) in self.steps.iter().enumerate().filter(|(at, _)| states[*at]) {
                match step {
                    Step::One(set) if set.has(c) => self.enter(&mut next, at + 1),
                    Step::Many(set) if set.has(c) => self.enter(&mut next, at),
                    _ => {}
                }
            }
            states = next;
        }
        states[self.steps.len()]
    }

    /// Marks a state and those that it reaches without a character.
    fn enter(&self, states: &mut [bool], mut at: usize) {
        while !std::mem::replace(&mut states[at], true) {
            match self.steps.get(at) {
                Some(Step::Many(_)) => at += 1,
                Some(Step::Optional(steps)) => {
                    self.enter(states, at + 1 + steps);
                    at += 1;
                }
                _ => return,
            }
        }
    }
}

/// A class whose text begins behind its `[`, and the text behind its `]`.
fn class(text: &str) -> Option<(Set, &str)> {
    let (is_negated, mut rest) = match text.strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mut ranges, mut is_first) = (Vec::new(), true);
    loop {
        if let Some(after) = rest.strip_prefix(']').filter(|_| !is_first) {
            return Some((Set::Class { is_negated, ranges }, after));
        }
        // Go refuses a hyphen that is neither first nor last nor part of a range.
        if rest.starts_with('-') && !is_first && !rest.starts_with("-]") {
            return None;
        }
        is_first = false;
        let low = match rest.strip_prefix('\\') {
            Some(after) => {
                let c = after.chars().next()?;
                rest = &after[c.len_utf8()..];
                let Set::Class { is_negated: false, ranges: of_escape } = escaped(c)? else { return None };
                let [(low, high)] = of_escape[..] else {
                    ranges.extend(of_escape);
                    continue;
                };
                if low != high {
                    ranges.push((low, high));
                    continue;
                }
                low
            }
            None => next(&mut rest)?,
        };
        let high = match rest.strip_prefix('-') {
            Some(after) if !after.starts_with(']') => {
                rest = after.strip_prefix('\\').unwrap_or(after);
                next(&mut rest)?
            }
            _ => low,
        };
        if high < low {
            return None;
        }
        ranges.push((low, high));
    }
}

fn next(rest: &mut &str) -> Option<char> {
    let c = rest.chars().next()?;
    *rest = &rest[c.len_utf8()..];
    Some(c)
}

/// What a backslash and a character mean in Go's syntax; `None` if that is an error.
fn escaped(c: char) -> Option<Set> {
    let ranges: &[(char, char)] = match c.to_ascii_lowercase() {
        'd' => &[('0', '9')],
        's' => &[('\t', '\n'), ('\x0c', '\r'), (' ', ' ')],
        'w' => &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
        _ => {
            return match c {
                'a' => Some(Set::of('\x07')),
                'f' => Some(Set::of('\x0c')),
                'n' => Some(Set::of('\n')),
                'r' => Some(Set::of('\r')),
                't' => Some(Set::of('\t')),
                'v' => Some(Set::of('\x0b')),
                c if c.is_ascii_alphanumeric() || !c.is_ascii() => None,
                '_' => Some(Set::of('_')),
                c => Some(Set::of(c)),
            };
        }
    };
    Some(Set::Class { is_negated: c.is_ascii_uppercase(), ranges: ranges.to_vec() })
}
