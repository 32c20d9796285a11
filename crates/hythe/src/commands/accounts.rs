//! `hythe user` and `hythe token`: the users of a registry, and the tokens of users and robots.

use std::io::{self, Read as _};
use std::time::Duration;

use bytes::Bytes;
use hythe_api::{NewToken, Password, Tokens, UserSet, Users, parameter, path};
use hythe_auth::Subject;
use serde_json::json;

use super::cache::{Admin, Target};
use super::runtime::run;
use crate::args::{TokenArgs, TokenCommand, UserArgs, UserCommand};
use crate::config::Environment;
use crate::console::{Printer, table};
use crate::failure::Failure;

/// The longest password that is read from stdin, in bytes.
const LONGEST: u64 = 4096;

/// The length of a password that the command makes, in characters of 5 bits each.
const MADE: usize = 24;

/// Creates, lists and removes users.
pub(super) fn user(args: &UserArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    let target = Target::chosen(args.registry.as_deref(), environment)?;
    run(async {
        let admin = Admin::new(&target)?;
        match &args.command {
            UserCommand::Add { name, password_stdin } => add(&admin, name, *password_stdin, printer).await,
            UserCommand::Ls => list_users(&admin, printer).await,
            UserCommand::Rm { name } => {
                admin.remove(&format!("{}/{name}", path::USERS)).await?;
                printer.note(format_args!("removed the user {name} and the user's tokens"));
                Ok(())
            }
        }
    })
}

async fn add(admin: &Admin, name: &str, from_stdin: bool, printer: Printer) -> Result<(), Failure> {
    let password = if from_stdin { read_password()? } else { make_password()? };
    // A map of texts is always JSON.
    let body = serde_json::to_vec(&Password { password: password.clone() }).unwrap_or_default();
    let set: UserSet = admin.put(&format!("{}/{name}", path::USERS), Bytes::from(body)).await?;
    let done = if set.created { "created the user" } else { "changed the password of" };
    printer.note(format_args!("{done} {name}"));
    if !from_stdin {
        printer.data(&password, || json!({ "name": name, "password": password }));
    }
    Ok(())
}

fn read_password() -> Result<String, Failure> {
    let mut text = String::new();
    let read = io::stdin().take(LONGEST).read_to_string(&mut text);
    read.map_err(|error| Failure::Usage(format!("cannot read the password from stdin: {error}")))?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(Failure::Usage("stdin has no password".to_owned()));
    }
    Ok(password.to_owned())
}

/// A random password of letters and digits that are not mistaken for each other.
pub(in crate::commands) fn make_password() -> Result<String, Failure> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0; MADE];
    getrandom::fill(&mut bytes).map_err(Failure::internal("making a password"))?;
    Ok(bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect())
}

async fn list_users(admin: &Admin, printer: Printer) -> Result<(), Failure> {
    let value = admin.read(path::USERS, &[]).await?;
    let Users { users } = admin.understand(&value)?;
    if users.is_empty() {
        printer.note("the registry has no users of its own; create one: `hythe user add NAME`");
    }
    let rows: Vec<[String; 2]> =
        users.into_iter().map(|user| [user.name, user.created.unwrap_or_default()]).collect();
    if rows.is_empty() {
        printer.lines(&[], || value);
    } else {
        printer.data(table(["USER", "CREATED"], &rows), || value);
    }
    Ok(())
}

/// Creates, lists and revokes tokens.
pub(super) fn token(args: &TokenArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    let target = Target::chosen(args.registry.as_deref(), environment)?;
    run(async {
        let admin = Admin::new(&target)?;
        match &args.command {
            TokenCommand::Create { subject, note, valid } => {
                create(&admin, subject, note, *valid, printer).await
            }
            TokenCommand::Ls { subject } => list_tokens(&admin, subject.as_ref(), printer).await,
            TokenCommand::Rm { id } => {
                admin.remove(&format!("{}/{id}", path::TOKENS)).await?;
                printer.note(format_args!("revoked the token {id}"));
                Ok(())
            }
        }
    })
}

async fn create(
    admin: &Admin,
    subject: &Subject,
    note: &str,
    valid: Option<Duration>,
    printer: Printer,
) -> Result<(), Failure> {
    let (subject, valid) = (subject.to_string(), valid.map(|valid| valid.as_secs().to_string()));
    let mut query = vec![(parameter::SUBJECT, subject.as_str()), (parameter::NOTE, note)];
    query.extend(valid.as_deref().map(|valid| (parameter::VALID, valid)));
    let value = admin.post(path::TOKENS, &query).await?;
    let NewToken { secret, token } = admin.understand(&value)?;
    let until = token.expires.map_or_else(String::new, |expires| format!(", valid until {expires}"));
    printer.note(format_args!(
        "created the token {} of {}{until}; the registry shows it only now",
        token.id, token.subject
    ));
    printer.data(secret, || value);
    Ok(())
}

async fn list_tokens(admin: &Admin, subject: Option<&Subject>, printer: Printer) -> Result<(), Failure> {
    let subject = subject.map(ToString::to_string);
    let query: Vec<(&str, &str)> =
        subject.as_deref().map(|subject| (parameter::SUBJECT, subject)).into_iter().collect();
    let value = admin.read(path::TOKENS, &query).await?;
    let Tokens { tokens } = admin.understand(&value)?;
    if tokens.is_empty() {
        printer.note("the registry has no tokens; create one: `hythe token create robot:NAME`");
        printer.lines(&[], || value);
        return Ok(());
    }
    let rows: Vec<[String; 5]> = tokens
        .into_iter()
        .map(|token| {
            let never = || "never".to_owned();
            [
                token.id,
                token.subject,
                token.expires.unwrap_or_else(never),
                token.last_use.unwrap_or_else(never),
                token.note,
            ]
        })
        .collect();
    printer.data(table(["ID", "OF", "ENDS", "LAST USE", "NOTE"], &rows), || value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_password_is_long_and_new_each_time() {
        let made = make_password().unwrap();
        assert_eq!(made.len(), MADE);
        assert_ne!(made, make_password().unwrap());
    }
}
