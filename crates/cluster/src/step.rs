//! The steps of a command: what it did to each thing, reported as it does it.

use std::fmt;

/// The result of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The thing was already as it should be.
    Unchanged,
    /// The command changed the thing; on a dry run, it would have.
    Changed,
    /// The step takes a while; another step reports its result.
    Underway,
    /// The command left the thing as it is, for the reason in the text.
    Skipped,
    /// The step failed; the command went on with the other steps.
    Failed,
}

/// A step of a command.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Step {
    /// The thing: `node kind-worker`, `registry kind-registry`.
    pub subject: String,
    /// The result.
    pub outcome: Outcome,
    /// What the command did or why it did nothing, as a clause.
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

/// The unified diff of a change to a file.
pub fn diff(path: &str, before: Option<&str>, after: &str) -> String {
    let from = if before.is_some() { path } else { "/dev/null" };
    similar::TextDiff::from_lines(before.unwrap_or_default(), after)
        .unified_diff()
        .header(from, path)
        .to_string()
}

/// The function that receives each step when it is done.
pub type Report<'a> = &'a (dyn Fn(Step) + Send + Sync);
