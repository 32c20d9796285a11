//! `hythe policy test`: explains a decision of the rules about access.

use std::sync::Arc;

use hythe_auth::{Identity, Proof, Subject, Verdict};
use serde_json::json;

use crate::args::{PolicyCommand, PolicyTestArgs};
use crate::config::{Environment, Inputs, load};
use crate::console::Printer;
use crate::failure::Failure;

/// Runs the subcommand.
pub(super) fn policy(
    command: &PolicyCommand,
    environment: &Environment,
    printer: Printer,
) -> Result<(), Failure> {
    match command {
        PolicyCommand::Test(args) => test(args, environment, printer),
    }
}

/// Tells whether the rules of the configuration allow an action.
fn test(args: &PolicyTestArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    let PolicyTestArgs { action, repository, subject, config } = args;
    let action = *action;
    match (action.is_in_repository(), repository) {
        (true, None) => {
            return Err(Failure::Usage(format!(
                "`{action}` concerns a repository: name it after the action"
            )));
        }
        (false, Some(name)) => {
            return Err(Failure::Usage(format!(
                "`{action}` concerns the whole registry: leave `{name}` out"
            )));
        }
        _ => {}
    }
    let loaded = load(&Inputs { file: config.clone(), ..Inputs::default() }, environment)?;
    printer.warnings(&loaded.warnings);
    let auth = &loaded.settings.auth;
    let who = subject.as_ref().map_or_else(|| "anonymous".to_owned(), Subject::to_string);
    let place = repository.as_ref().map(|name| format!(" `{name}`")).unwrap_or_default();
    let policy = auth.policy();
    let client = match subject {
        Some(subject) => Identity::known(Arc::new(subject.clone()), Proof::Password),
        None => Identity::anonymous(),
    };
    let verdict = policy.decide(&client, action, repository.as_ref());
    let rule = match verdict {
        Verdict::Allowed { rule } => rule,
        Verdict::TooNarrow | Verdict::Denied => None,
    };
    let is_allowed = !auth.is_on() || verdict.is_allowed();
    let why = match (auth.is_on(), is_allowed, rule) {
        (false, ..) => "the configuration asks for no logins, so every client may do everything".to_owned(),
        (true, true, Some(rule)) => format!("by [rule.\"{rule}\"]"),
        (true, true, None) => "there is no rule, so every user who logs in may do everything".to_owned(),
        (true, false, _) => "no rule allows it".to_owned(),
    };
    let word = if is_allowed { "allowed" } else { "denied" };
    let text = format!("{word}: {who} {action}{place}: {why}");
    printer.data(&text, || {
        json!({
            "allowed": is_allowed, "subject": who, "action": action.as_str(), "repository": repository, "rule": rule,
            "reason": why,
        })
    });
    if is_allowed {
        return Ok(());
    }
    let selects =
        repository.as_ref().map(|name| format!(", repositories = [\"{name}\"]")).unwrap_or_default();
    Err(Failure::Denied(format!(
        "no rule allows this; a rule with subjects = [\"{who}\"], actions = [\"{action}\"]{selects} would"
    )))
}
