//! The systemd user service that attaches nodes as they appear.

use std::path::PathBuf;
use std::process::Command;

use crate::config::Environment;
use crate::failure::{Failure, LocalError};

/// The variables of the shell that the service gets, because systemd passes none on: they say where clusters are, and
/// which credential helpers to run.
const VARIABLES: [&str; 3] = ["DOCKER_CONFIG", "KUBECONFIG", "PATH"];

/// The name of the unit. Each registry has a service of its own.
fn unit_name(registry: &str) -> String {
    format!("hythe-watch-{registry}.service")
}

/// Installs the service and restarts it. Returns its name with the path of its file and the command that shows its log.
pub(super) fn install(registry: &str, engine: &str, environment: &Environment) -> Result<String, Failure> {
    let by_hand = |reason: String| LocalError::ServiceNotInstalled { registry: registry.to_owned(), reason };
    if !cfg!(target_os = "linux") {
        return Err(by_hand("hythe can install only systemd user services".to_owned()).into());
    }
    let name = unit_name(registry);
    let folder = unit_folder(environment).ok_or_else(|| by_hand("HOME is not set".to_owned()))?;
    let program = std::env::current_exe().map_err(|error| by_hand(error.to_string()))?;
    let variable = |name: &'static str| Some((name, environment.variables.get(name)?.to_str()?));
    let variables: Vec<(&str, &str)> = VARIABLES.into_iter().filter_map(variable).collect();
    let text = unit(&program.display().to_string(), registry, engine, &variables);
    let path = folder.join(&name);
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(&path, text))
        .map_err(|error| by_hand(format!("{}: {error}", path.display())))?;
    for arguments in [&["daemon-reload"][..], &["enable", &name], &["restart", &name]] {
        systemctl(arguments).map_err(by_hand)?;
    }
    Ok(format!("{name} ({}); its log: journalctl --user -u {name}", path.display()))
}

/// Stops and removes a registry's service. Returns whether the registry had one.
pub(super) fn remove(registry: &str, environment: &Environment) -> Result<bool, Failure> {
    let name = unit_name(registry);
    let Some(path) = unit_folder(environment).map(|folder| folder.join(&name)).filter(|path| path.exists())
    else {
        return Ok(false);
    };
    let by_hand = |reason: String| LocalError::ServiceNotRemoved { service: name.clone(), reason };
    systemctl(&["disable", "--now", &name]).map_err(by_hand)?;
    std::fs::remove_file(&path).map_err(|error| by_hand(format!("{}: {error}", path.display())))?;
    systemctl(&["daemon-reload"]).map_err(by_hand)?;
    Ok(true)
}

fn systemctl(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("systemctl").arg("--user").args(arguments).output();
    let output = output.map_err(|error| format!("systemctl: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(format!("systemctl --user {}: {said}", arguments.join(" ")))
}

fn unit_folder(environment: &Environment) -> Option<PathBuf> {
    let folder =
        |name: &str| environment.variables.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = folder("XDG_CONFIG_HOME").or_else(|| folder("HOME").map(|home| home.join(".config")))?;
    Some(base.join("systemd/user"))
}

fn unit(program: &str, registry: &str, engine: &str, variables: &[(&str, &str)]) -> String {
    let assignment =
        |(name, value): &(&str, &str)| format!("Environment={}\n", quoted(&format!("{name}={value}")));
    let variables: String = variables.iter().map(assignment).collect();
    // In the arguments of a command a dollar begins a variable; in the program's path and in an assignment it does not.
    let argument = |text: &str| quoted(text).replace('$', "$$");
    format!(
        "[Unit]\nDescription=hythe attaches the nodes of local clusters as they appear\n\n\
         [Service]\n{variables}ExecStart={} attach --watch --name {} --engine {}\nRestart=always\nRestartSec=5\n\n\
         [Install]\nWantedBy=default.target\n",
        quoted(program),
        argument(registry),
        argument(engine)
    )
}

/// A word quoted for systemd, for which `%` begins a specifier and a backslash an escape.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '%' => quoted.push_str("%%"),
            '\n' => quoted.push_str("\\n"),
            character => quoted.push(character),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_runs_this_binary_for_this_registry_and_restarts_it() {
        let unit = unit(
            "/usr/bin/hythe",
            "kind-registry",
            "unix:///run/docker.sock",
            &[("KUBECONFIG", "/home/me/kube"), ("PATH", "/usr/bin:/bin")],
        );
        let start = "ExecStart=\"/usr/bin/hythe\" attach --watch --name \"kind-registry\" --engine \
                     \"unix:///run/docker.sock\"\n";
        assert!(unit.contains(start), "{unit}");
        assert!(unit.contains("Environment=\"KUBECONFIG=/home/me/kube\"\n"), "{unit}");
        assert!(unit.contains("Environment=\"PATH=/usr/bin:/bin\"\n"), "{unit}");
        assert!(unit.contains("Restart=always\n"), "{unit}");
    }

    #[test]
    fn characters_that_systemd_interprets_are_escaped() {
        let unit = unit("/a b/50%/\"x\"/$y", "r", "unix:///$s/50%", &[("KUBECONFIG", "/k$1:C:\\k")]);
        assert!(unit.contains(r#"ExecStart="/a b/50%%/\"x\"/$y" attach"#), "{unit}");
        assert!(unit.contains(r#"--engine "unix:///$$s/50%%""#), "{unit}");
        assert!(unit.contains(r#"Environment="KUBECONFIG=/k$1:C:\\k""#), "{unit}");
    }

    #[test]
    fn each_registry_has_a_service_of_its_own() {
        assert_ne!(unit_name("one"), unit_name("other"));
        assert_eq!(unit_name("kind-registry"), "hythe-watch-kind-registry.service");
    }
}
