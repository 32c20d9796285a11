//! One check: what it saw, the cause, and what to do.

use std::fmt;

use super::{Id, Verdict};

/// What `--fix` can do by itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum Repair {
    /// Start the registry with its settings, as `hythe up` does.
    Registry,
    /// Connect a cluster to the registry, as `hythe attach` does.
    Attach {
        /// The cluster's maker and name, such as `kind cluster dev`.
        cluster: String,
    },
    /// Restart a node's containerd; its containers keep running.
    Restart {
        /// The node.
        node: String,
    },
}

/// One check and its result.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Check {
    /// Which check this is.
    pub id: Id,
    /// What was checked, such as `node kind-worker`.
    pub subject: String,
    /// The result.
    pub verdict: Verdict,
    /// What the check saw: the exact line, value or answer.
    pub evidence: String,
    /// The cause, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What to do, as a command or a sentence with one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// What `--fix` does about it, if it can do anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair: Option<Repair>,
    /// What the check says, if its id's words do not fit this result.
    #[serde(skip)]
    headline: Option<&'static str>,
}

/// Commands of Docker that Podman has too, with the same arguments.
const SHARED_COMMANDS: [&str; 20] = [
    "exec", "start", "restart", "stop", "unpause", "update", "inspect", "logs", "ps", "rm", "network",
    "volume", "system", "login", "push", "pull", "tag", "images", "save", "info",
];

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
            headline: None,
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

    /// Adds lines to the evidence.
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

    /// Says this instead of its id's words.
    pub(crate) fn saying(self, headline: &'static str) -> Self {
        Self { headline: Some(headline), ..self }
    }

    /// The same check with a fix that names Podman's commands instead of Docker's.
    pub(crate) fn for_podman(mut self) -> Self {
        if let Some(fix) = &mut self.fix {
            for command in SHARED_COMMANDS {
                *fix = fix.replace(&format!("docker {command} "), &format!("podman {command} "));
            }
        }
        self
    }
}

impl fmt::Display for Check {
    /// One line for a good check; for any other, the evidence, the cause and the fix below it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.verdict {
            Verdict::Good => "✓",
            Verdict::Bad => "✗",
            Verdict::Unknown => "?",
        };
        let says = self.headline.map_or_else(|| self.id.says(self.verdict), Into::into);
        write!(f, "{mark} {}: {says}", self.subject)?;
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
    fn a_good_check_is_one_line_and_another_has_its_cause_and_fix() {
        let good = Check::good(Id::EngineAnswers, "engine", "Docker 29.0.0\nmore");
        assert_eq!(good.to_string(), "✓ engine: the engine answers (Docker 29.0.0)");
        let bad = Check::bad(Id::NodeRestarted, "node w", "changed 7 s after\nits start")
            .because("containerd was not restarted")
            .fixed_by("docker exec w systemctl restart containerd")
            .repaired_by(Repair::Restart { node: "w".to_owned() });
        assert_eq!(
            bad.to_string(),
            "✗ node w: containerd has not read its configuration since it changed [node.restarted]\n    \
             seen   changed 7 s after\n           its start\n    \
             cause  containerd was not restarted\n    \
             fix    docker exec w systemctl restart containerd\n           or: `hythe doctor --fix`"
        );
        let own =
            Check::unknown(Id::NodeRuns, "cluster x", "no node runs").saying("the cluster does not run");
        assert!(own.to_string().starts_with("? cluster x: the cluster does not run [node.runs]"), "{own}");
        let json = serde_json::to_value(&bad).unwrap();
        assert_eq!(json["id"], "node.restarted");
        assert_eq!(json["verdict"], "bad");
        assert_eq!(json["repair"], serde_json::json!({ "do": "restart", "node": "w" }));
    }

    #[test]
    fn a_fix_for_podman_names_its_commands_and_docker_s_own_tools_stay() {
        let fix =
            |text: &str| Check::bad(Id::NodeRuns, "node w", "").fixed_by(text).for_podman().fix.unwrap();
        assert_eq!(fix("docker start w; `hythe attach dev`"), "podman start w; `hythe attach dev`");
        assert_eq!(fix("look there (docker exec NODE)"), "look there (podman exec NODE)");
        for own in ["docker buildx create --use", "pull docker.io/library/redis"] {
            assert_eq!(fix(own), own);
        }
    }
}
