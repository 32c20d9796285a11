//! Settings for the server that a command starts (`--set`), checked before hythe passes them on.

use std::collections::BTreeMap;

use crate::config::{ConfigError, Environment, Inputs, KEYS, Key, Problem, key, load};
use crate::failure::Failure;

/// Settings that `--set` does not take.
const FIXED: [&str; 4] = ["listen", "data", "storage", "http.allow-anonymous-network"];

/// Where the server runs that gets the settings.
#[derive(Clone, Copy, Debug)]
pub(in crate::commands) enum Server {
    /// In a container of an engine or of a cluster.
    Container,
    /// As a process of this machine.
    Process,
}

impl Server {
    /// Why `--set` does not take a setting.
    fn refusal(self, name: &str) -> String {
        match (self, name) {
            (Self::Container, _) => format!("hythe itself sets `{name}` for the container"),
            (Self::Process, "listen") => "write --port PORT instead".to_owned(),
            (Self::Process, "data") => "write --data FOLDER instead".to_owned(),
            (Self::Process, _) => format!("set `{name}` in a configuration file (--config FILE) instead"),
        }
    }
}

/// Turns `KEY=VALUE` texts into environment variables of the server.
pub(in crate::commands) fn variables(
    settings: &[String],
    server: Server,
) -> Result<BTreeMap<String, String>, Failure> {
    let mut variables = BTreeMap::new();
    for setting in settings {
        let Some((name, value)) = setting.split_once('=') else {
            return Err(Failure::Usage(format!(
                "--set {setting}: write KEY=VALUE, such as upstream.offline=true"
            )));
        };
        if FIXED.contains(&name) {
            return Err(Failure::Usage(format!("--set {setting}: {}", server.refusal(name))));
        }
        let Some(key) = key(name) else {
            let distance = |key: &&Key| strsim::osa_distance(key.name, name);
            let near = KEYS.iter().min_by_key(distance).filter(|key| distance(key) <= 1 + name.len() / 4);
            let near = near.map(|key| format!("; did you mean `{}`?", key.name)).unwrap_or_default();
            return Err(Failure::Usage(format!("--set {setting}: there is no setting `{name}`{near}")));
        };
        variables.insert(key.variable(), value.to_owned());
    }
    // Read the variables alone, as in a container, whose environment has no others.
    let mut surroundings: BTreeMap<_, _> =
        variables.iter().map(|(name, value)| (name.clone(), value.into())).collect();
    surroundings.insert("HYTHE_DATA".to_owned(), "/data".into());
    let environment = Environment { variables: surroundings, root: false, system_folder: None };
    load(&Inputs::default(), &environment).map_err(|error| as_typed(error, settings))?;
    Ok(variables)
}

/// The same error, but with the words that the user typed as its place, not the variables made from them.
fn as_typed(error: ConfigError, settings: &[String]) -> ConfigError {
    let typed = |place: String| {
        let is_its = |setting: &&String| {
            setting.split_once('=').and_then(|(name, _)| key(name)).is_some_and(|key| key.variable() == place)
        };
        // If a setting is given twice, the last value counts.
        let setting = settings.iter().rev().find(is_its);
        setting.map_or(place.clone(), |setting| format!("--set {setting}"))
    };
    let problems =
        error.problems.into_iter().map(|problem| Problem { place: typed(problem.place), text: problem.text });
    ConfigError { problems: problems.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(settings: &[&str]) -> Result<BTreeMap<String, String>, Failure> {
        variables(&settings.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>(), Server::Container)
    }

    #[test]
    fn settings_become_variables_of_the_container() {
        let variables = of(&["upstream.offline=true", "http.hosts=a,b"]).unwrap();
        assert_eq!(variables["HYTHE_UPSTREAM_OFFLINE"], "true");
        assert_eq!(variables["HYTHE_HTTP_HOSTS"], "a,b");
        assert!(of(&[]).unwrap().is_empty());
    }

    #[test]
    fn settings_that_the_server_would_refuse_are_not_sent() {
        for setting in ["upstream.offline", "upstream.ofline=true", "data=/x", "log.level=loud"] {
            assert_eq!(of(&[setting]).unwrap_err().exit_code(), 2, "{setting}");
        }
        let error = of(&["upstream.ofline=true"]).unwrap_err().to_string();
        assert!(error.contains("`upstream.offline`"), "{error}");
    }

    #[test]
    fn a_setting_that_the_command_decides_is_refused_with_the_words_for_its_server() {
        let refused =
            |setting: &str, server| variables(&[setting.to_owned()], server).unwrap_err().to_string();
        let in_container = refused("listen=:80", Server::Container);
        assert_eq!(in_container, "--set listen=:80: hythe itself sets `listen` for the container");
        for (setting, words) in [
            ("listen=:80", "write --port PORT"),
            ("data=/x", "write --data FOLDER"),
            ("storage=memory", "set `storage` in a configuration file (--config FILE)"),
        ] {
            let error = refused(setting, Server::Process);
            assert!(error.contains(words) && !error.contains("container"), "{error}");
        }
    }

    #[test]
    fn an_error_names_the_setting_as_the_user_typed_it() {
        for (settings, words) in [
            (
                &["collect.grace=0s"][..],
                "--set collect.grace=0s: `collect.grace` cannot be \"0s\": it must be 1s at least",
            ),
            (
                &["upstream.offline=true", "http.max-connections=0"],
                "--set http.max-connections=0: `http.max-connections` cannot be \"0\"",
            ),
            (
                &["upstream.fallback=no.such"],
                "--set upstream.fallback=no.such: there is no upstream `no.such`",
            ),
        ] {
            let error = of(settings).unwrap_err().to_string();
            assert!(error.contains(words) && !error.contains("HYTHE_"), "{error}");
        }
    }
}
