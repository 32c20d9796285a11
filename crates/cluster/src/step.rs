//! What a command did to each thing, as it does it.

use std::fmt;

/// What became of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was as it should be.
    Unchanged,
    /// It was changed; on a dry run, it would have been.
    Changed,
    /// It takes its time; what became of it follows.
    Underway,
    /// It was left, for the reason that is given.
    Skipped,
    /// It could not be brought in order; the rest was done.
    Failed,
}

/// One thing, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Step {
    /// The thing: `node kind-worker`, `registry kind-registry`.
    pub subject: String,
    /// What became of it.
    pub outcome: Outcome,
    /// What was done, or why not, as a clause.
    pub text: String,
    /// The change to a file, as a unified diff.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
}

impl Step {
    /// A step without a diff.
    pub fn new(subject: impl Into<String>, outcome: Outcome, text: impl Into<String>) -> Self {
        Self { subject: subject.into(), outcome, text: text.into(), diff: None }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.outcome {
            Outcome::Unchanged => "=",
            Outcome::Changed => "+",
            Outcome::Underway => "…",
            Outcome::Skipped => "-",
            Outcome::Failed => "!",
        };
        write!(f, "{mark} {}: {}", self.subject, self.text)?;
        match &self.diff {
            Some(diff) => write!(f, "\n{}", diff.trim_end()),
            None => Ok(()),
        }
    }
}

/// A change of a file as a unified diff.
pub fn diff(path: &str, before: Option<&str>, after: &str) -> String {
    let from = if before.is_some() { path } else { "/dev/null" };
    similar::TextDiff::from_lines(before.unwrap_or_default(), after)
        .unified_diff()
        .header(from, path)
        .to_string()
}

/// Who is told of each step when it is done.
pub type Report<'a> = &'a (dyn Fn(Step) + Send + Sync);
