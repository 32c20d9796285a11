//! Asks a credential helper of Docker: a program that stores or creates logins.

use std::io::{ErrorKind, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use hythe_client::Credentials;
use serde_json::Value;

use super::login::basic;
use crate::config::environment::Environment;
use crate::values::show_duration;

/// The maximum size of a helper's output, in bytes: far more than any login.
const LARGEST: u64 = 64 << 10;

/// The pause between two checks whether the program has ended, after its output ended.
const PAUSE: Duration = Duration::from_millis(10);

/// The user name of an answer whose secret is an identity token.
const TOKEN: &str = "<token>";

/// The message with which every helper says that it has no login.
const NOT_FOUND: &str = "credentials not found in native keychain";

/// Asks the helper `docker-credential-NAME` for the login for `server`. `None` if it has no such login.
pub(super) fn ask(
    name: &str,
    server: &str,
    environment: &Environment,
    limit: Duration,
) -> Result<Option<Credentials>, String> {
    if !name.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c)) {
        return Err(format!("`{name}` is not the name of a credential helper"));
    }
    let program = format!("docker-credential-{name}");
    let (status, said) =
        run(&program, server, environment, limit).map_err(|why| format!("`{program}` {why}"))?;
    if !status.success() {
        let text = String::from_utf8_lossy(&said);
        let line = text.trim().lines().next().unwrap_or_default();
        if line == NOT_FOUND {
            return Ok(None);
        }
        // The error must not show text that may be a login.
        let line: String = line.chars().filter(|c| !c.is_control()).take(200).collect();
        let why = if line.is_empty() || text.contains('{') { status.to_string() } else { line };
        return Err(format!("`{program}` gave no login for `{server}`: {why}"));
    }
    let login: Value =
        serde_json::from_slice(&said).map_err(|_| format!("`{program}` did not answer with JSON"))?;
    match (login["Username"].as_str().unwrap_or_default(), login["Secret"].as_str().unwrap_or_default()) {
        (_, "") => Ok(None),
        (TOKEN, token) => Ok(Some(Credentials::IdentityToken(token.to_owned()))),
        (username, password) => {
            basic(username, password).map(Some).map_err(|error| format!("`{program}`: {error}"))
        }
    }
}

/// Runs the program to its end. Returns its exit status and its output.
fn run(
    program: &str,
    server: &str,
    environment: &Environment,
    limit: Duration,
) -> Result<(ExitStatus, Vec<u8>), String> {
    let end = Instant::now() + limit;
    let mut child = Command::new(program)
        .arg("get")
        .env_clear()
        .envs(&environment.variables)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // Helpers print their errors on stdout.
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => "is not in PATH".to_owned(),
            _ => format!("cannot be run: {error}"),
        })?;
    let outcome = talk(&mut child, server, end);
    if outcome.is_none() {
        // The program may have just ended, so errors do not matter. The goal is to leave no process behind.
        let _ = child.kill();
        let _ = child.wait();
    }
    outcome.ok_or_else(|| format!("did not answer within {}", show_duration(limit)))
}

fn talk(child: &mut Child, server: &str, end: Instant) -> Option<(ExitStatus, Vec<u8>)> {
    if let Some(mut stdin) = child.stdin.take() {
        // Writing fails if a helper ends without reading its input. Its output then shows the result.
        let _ = stdin.write_all(server.as_bytes());
    }
    let stdout = child.stdout.take()?;
    let (sender, receiver) = mpsc::channel();
    // A thread, because reading a pipe has no timeout. A child of the program may hold the pipe open, so this code does
    // not wait for the thread.
    let reader = thread::Builder::new().spawn(move || {
        let mut said = Vec::new();
        let _ = stdout.take(LARGEST).read_to_end(&mut said);
        let _ = sender.send(said);
    });
    reader.ok()?;
    let said = receiver.recv_timeout(end.saturating_duration_since(Instant::now())).ok()?;
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some((status, said));
        }
        if Instant::now() >= end {
            return None;
        }
        thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_helper_that_does_not_answer_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let script = "printf '#!/bin/sh\\nexec sleep 60\\n' > docker-credential-slow && chmod 755 docker-credential-slow";
        let mut shell = Command::new("/bin/sh");
        assert!(shell.args(["-c", script]).current_dir(folder.path()).status().unwrap().success());
        let mut environment = Environment::default();
        let path = format!("{}:/usr/bin:/bin", folder.path().display());
        environment.variables.insert("PATH".to_owned(), path.into());
        let began = Instant::now();
        let outcome = ask("slow", "ghcr.io", &environment, Duration::from_millis(200));
        assert_eq!(outcome, Err("`docker-credential-slow` did not answer within 200ms".to_owned()));
        assert!(began.elapsed() < Duration::from_secs(30));
    }
}
