//! The service of a user that attaches nodes as they appear.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::config::Environment;
use crate::failure::Failure;

/// Its name among the user's services.
const UNIT: &str = "hythe-watch.service";

/// Installs the service, and starts it anew. What it is called is the answer.
pub(super) fn install(
    registry: &str,
    engine: Option<&str>,
    environment: &Environment,
) -> Result<String, Failure> {
    let by_hand = |reason: String| {
        Failure::Other(format!(
            "the watch could not be installed as a service: {reason}. Let it run by hand: hythe attach --watch --name \
             {registry}"
        ))
    };
    if !cfg!(target_os = "linux") {
        return Err(by_hand("only systemd's user services are known here".to_owned()));
    }
    let folder = unit_folder(environment).ok_or_else(|| by_hand("this user has no home".to_owned()))?;
    let program = std::env::current_exe().map_err(|error| by_hand(error.to_string()))?;
    let text = unit(&program, registry, engine);
    let path = folder.join(UNIT);
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(&path, text))
        .map_err(|error| by_hand(format!("{}: {error}", path.display())))?;
    for arguments in [&["daemon-reload"][..], &["enable", UNIT], &["restart", UNIT]] {
        let output = Command::new("systemctl").arg("--user").args(arguments).output();
        let output = output.map_err(|error| by_hand(format!("systemctl: {error}")))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(by_hand(format!("systemctl --user {}: {said}", arguments.join(" "))));
        }
    }
    Ok(format!("{UNIT} ({}); its log: journalctl --user -u {UNIT}", path.display()))
}

fn unit_folder(environment: &Environment) -> Option<PathBuf> {
    let folder = |name: &str| environment.variables.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = folder("XDG_CONFIG_HOME").or_else(|| folder("HOME").map(|home| home.join(".config")))?;
    Some(base.join("systemd/user"))
}

fn unit(program: &Path, registry: &str, engine: Option<&str>) -> String {
    let engine = engine.map_or_else(String::new, |engine| format!(" --engine \"{engine}\""));
    format!(
        "[Unit]\nDescription=hythe attaches the nodes of local clusters as they appear\n\n\
         [Service]\nExecStart=\"{}\" attach --watch --name \"{registry}\"{engine}\nRestart=always\nRestartSec=5\n\n\
         [Install]\nWantedBy=default.target\n",
        program.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_runs_this_binary_for_this_registry_and_comes_back() {
        let unit = unit(Path::new("/usr/bin/hythe"), "kind-registry", Some("podman"));
        assert!(
            unit.contains("ExecStart=\"/usr/bin/hythe\" attach --watch --name \"kind-registry\" --engine \"podman\"\n"),
            "{unit}"
        );
        assert!(unit.contains("Restart=always\n"), "{unit}");
    }
}
