//! Docker's Compose, which reads a file as its owner means it.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::failure::{BuildError, Failure};

/// The programs to try: the plugin of the docker client, and the same program by itself.
const PROGRAMS: [&[&str]; 2] = [&["docker", "compose"], &["docker-compose"]];

/// The file as Compose reads it, with variables, `extends` and `include` resolved. `None` if Compose is not installed.
pub(super) fn read(file: &Path, explicit: bool, all: bool) -> Result<Option<Value>, Failure> {
    let Some(words) = PROGRAMS.iter().find(|words| is_version_2(words)) else { return Ok(None) };
    let mut command = program(words);
    if explicit {
        command.arg("--file").arg(file);
    }
    command.arg("--project-directory").arg(file.parent().unwrap_or(Path::new("/")));
    if all {
        command.args(["--profile", "*"]);
    }
    command.args(["config", "--format", "json"]);
    let output = command.current_dir(file.parent().unwrap_or(Path::new("/"))).output();
    let output = output.map_err(|error| BuildError::compose(file, error))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(BuildError::compose(file, format!("`{} config` says: {said}", words.join(" "))).into());
    }
    let document =
        serde_json::from_slice(&output.stdout).map_err(|error| BuildError::compose(file, error))?;
    Ok(Some(document))
}

fn program(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).stdin(Stdio::null());
    command
}

/// Whether this is Compose 2 or later: version 1 prints no JSON.
fn is_version_2(words: &[&str]) -> bool {
    let output = program(words).args(["version", "--short"]).output();
    output.is_ok_and(|output| {
        let version = String::from_utf8_lossy(&output.stdout).trim().trim_start_matches('v').to_owned();
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        output.status.success() && major.is_some_and(|major| major >= 2)
    })
}
