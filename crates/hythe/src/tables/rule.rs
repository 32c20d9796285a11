//! The tables of rules about access, `[rule."NAME"]`.

use hythe_auth::Rule;

use super::table::{Field, Form, Table};
use crate::values::read::{list, some, texts};
use crate::values::{RepositoryPattern, RuleAction, RuleSubject, ValueError};

/// The table of one rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field's sentence is in `FIELDS`, spelt once")]
pub struct RuleTable {
    pub subjects: Vec<RuleSubject>,
    pub actions: Vec<RuleAction>,
    pub repositories: Vec<RepositoryPattern>,
}

impl Table for RuleTable {
    const WORD: &'static str = "rule";
    const FORM: Form = Form::ByName;
    const DOC: &'static str = DOC;
    type Name = String;

    fn name(text: &str) -> Result<String, ValueError> {
        let is_fine = !text.is_empty() && text.len() <= 100 && !text.chars().any(char::is_control);
        if is_fine {
            Ok(text.to_owned())
        } else {
            Err(ValueError::new("write 1 to 100 printable characters"))
        }
    }

    fn fields() -> &'static [Field<Self>] {
        FIELDS
    }
}

impl RuleTable {
    /// The rule of the table with this name.
    pub fn rule(&self, name: &str) -> Rule {
        Rule {
            name: name.to_owned(),
            subjects: self.subjects.iter().map(|of| of.0.clone()).collect(),
            actions: self.actions.iter().map(|of| of.0).collect(),
            repositories: self.repositories.iter().map(|of| of.0.clone()).collect(),
        }
    }

    /// The key without which the rule would allow nothing, if one is missing.
    pub fn missing(&self) -> Option<&'static str> {
        let is_in_repository = self.actions.iter().any(|action| action.0.is_in_repository());
        if self.subjects.is_empty() {
            Some("subjects")
        } else if self.actions.is_empty() {
            Some("actions")
        } else if is_in_repository && self.repositories.is_empty() {
            Some("repositories")
        } else {
            None
        }
    }
}

const DOC: &str = r#"
## A table for a rule about access

`[rule."NAME"]` lets subjects do actions in repositories. The name is for messages. Rules only allow: what no rule allows is denied.
Without any rule, every user who logs in may do everything, and a client that does not log in may do nothing. SIGHUP applies changes
to the tables. `hythe policy test --as user:alice push team/app` explains a decision. See [let users log in](../how-to/let-users-log-in.md).
"#;

static FIELDS: &[Field<RuleTable>] = &[
    Field {
        name: "subjects",
        doc: "Whom the rule concerns: `anonymous` is every client, `authenticated` every client that has logged in; otherwise a kind and a name, in which `*` matches any text.",
        allowed: "a list of anonymous, authenticated, user:NAME, robot:NAME, workload:NAME or certificate:NAME",
        secret: false,
        read: |table, raw| put(&mut table.subjects, some(list(raw))),
        show: |table| texts(&table.subjects),
    },
    Field {
        name: "actions",
        doc: "What the subjects may do. `pull` also lists tags and referrers; `push` also creates tags, and `retag` moves existing ones; `metrics` reads `/metrics`; `admin` uses the admin API.",
        allowed: "a list of pull, push, delete, retag, metrics or admin",
        secret: false,
        read: |table, raw| put(&mut table.actions, some(list(raw))),
        show: |table| texts(&table.actions),
    },
    Field {
        name: "repositories",
        doc: "The repositories in which they may do it; `*` matches any text, also slashes. `metrics` and `admin` concern the whole registry, so a rule with only these needs no repositories.",
        allowed: "a list of patterns, such as \"team/*\"",
        secret: false,
        read: |table, raw| put(&mut table.repositories, some(list(raw))),
        show: |table| texts(&table.repositories),
    },
];

fn put<T>(place: &mut T, value: Result<T, ValueError>) -> Result<(), ValueError> {
    *place = value?;
    Ok(())
}
