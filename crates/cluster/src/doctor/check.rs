//! One small thing that was looked at: what was seen, what that means, and what to do.

use std::fmt;

use super::Id;

/// How a thing was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Not so.
    Bad,
    /// It could not be told, or is somebody's own wish.
    Unknown,
}

/// What `--fix` can do by itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum Repair {
    /// Bring the registry to what it was asked to be, as `hythe up` does.
    Registry,
    /// Wire a cluster, as `hythe attach` does.
    Attach {
        /// The cluster, by its maker and name.
        cluster: String,
    },
    /// Start a node's containerd anew; what runs goes on.
    Restart {
        /// The node.
        node: String,
    },
}

/// One small thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Check {
    /// Which.
    pub id: Id,
    /// Of what: `node kind-worker`.
    pub subject: String,
    /// How it was found.
    pub verdict: Verdict,
    /// What was seen: the very line, value or answer.
    pub evidence: String,
    /// Why it is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What to do, as a command or a sentence with one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// What `--fix` does about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair: Option<Repair>,
}

impl Check {
    fn new(id: Id, subject: &str, verdict: Verdict, evidence: impl Into<String>) -> Self {
        Self {
            id,
            subject: subject.to_owned(),
            verdict,
            evidence: evidence.into(),
            cause: None,
            fix: None,
            repair: None,
        }
    }

    pub(crate) fn good(id: Id, subject: &str, evidence: impl Into<String>) -> Self {
        Self::new(id, subject, Verdict::Good, evidence)
    }

    pub(crate) fn bad(id: Id, subject: &str, evidence: impl Into<String>) -> Self {
        Self::new(id, subject, Verdict::Bad, evidence)
    }

    pub(crate) fn unknown(id: Id, subject: &str, evidence: impl Into<String>) -> Self {
        Self::new(id, subject, Verdict::Unknown, evidence)
    }

    /// With more that was seen, line by line.
    #[must_use]
    pub fn seeing(mut self, lines: &[String]) -> Self {
        for line in lines {
            self.evidence.push('\n');
            self.evidence.push_str(line);
        }
        self
    }

    pub(crate) fn because(self, cause: impl Into<String>) -> Self {
        Self { cause: Some(cause.into()), ..self }
    }

    pub(crate) fn fixed_by(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }

    pub(crate) fn repaired_by(self, repair: Repair) -> Self {
        Self { repair: Some(repair), ..self }
    }
}

impl fmt::Display for Check {
    /// One line where all is well; else what was seen, why, and what to do below it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.verdict {
            Verdict::Good => "✓",
            Verdict::Bad => "✗",
            Verdict::Unknown => "?",
        };
        write!(f, "{mark} {}: {}", self.subject, self.id.says(self.verdict))?;
        if self.verdict == Verdict::Good {
            return write!(f, " ({})", self.evidence.lines().next().unwrap_or_default());
        }
        write!(f, " [{}]", self.id)?;
        let automatic = self.repair.as_ref().map(|_| "`hythe doctor --fix`");
        let fix = match (self.fix.as_deref(), automatic) {
            (Some(fix), Some(automatic)) => Some(format!("{fix}\nor: {automatic}")),
            (fix, automatic) => fix.or(automatic).map(str::to_owned),
        };
        for (label, text) in
            [("seen", Some(&self.evidence)), ("cause", self.cause.as_ref()), ("fix", fix.as_ref())]
        {
            for (number, line) in text.into_iter().flat_map(|text| text.lines()).enumerate() {
                write!(f, "\n    {:<6} {line}", if number == 0 { label } else { "" })?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_well_is_one_line_and_what_is_not_says_why_and_what_to_do() {
        let good = Check::good(Id::EngineAnswers, "engine", "Docker 29.0.0\nmore");
        assert_eq!(good.to_string(), "✓ engine: it answers (Docker 29.0.0)");
        let bad = Check::bad(Id::NodeRestarted, "node w", "changed 7 s after\nits start")
            .because("containerd was not started anew")
            .fixed_by("docker exec w systemctl restart containerd")
            .repaired_by(Repair::Restart { node: "w".to_owned() });
        assert_eq!(
            bad.to_string(),
            "✗ node w: containerd has not read its configuration since it changed [node.restarted]\n    \
             seen   changed 7 s after\n           its start\n    \
             cause  containerd was not started anew\n    \
             fix    docker exec w systemctl restart containerd\n           or: `hythe doctor --fix`"
        );
        let json = serde_json::to_value(&bad).unwrap();
        assert_eq!(json["id"], "node.restarted");
        assert_eq!(json["verdict"], "bad");
        assert_eq!(json["repair"], serde_json::json!({ "do": "restart", "node": "w" }));
    }
}
