//! Settings of the server that is deployed, tried before they are sent.

use std::collections::BTreeMap;

use crate::config::{ConfigError, Environment, Inputs, KEYS, Key, Problem, key, load};
use crate::failure::Failure;

/// Those that the Pod decides.
const FIXED: [&str; 4] = ["listen", "data", "storage", "http.allow-anonymous-network"];

/// The variables of `KEY=VALUE` texts.
pub(in crate::commands) fn variables(settings: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let mut variables = BTreeMap::new();
    for setting in settings {
        let Some((name, value)) = setting.split_once('=') else {
            return Err(Failure::Usage(format!(
                "--set {setting}: write KEY=VALUE, such as upstream.offline=true"
            )));
        };
        if FIXED.contains(&name) {
            return Err(Failure::Usage(format!("--set {setting}: `{name}` is decided by the Pod")));
        }
        let Some(key) = key(name) else {
            let distance = |key: &&Key| strsim::osa_distance(key.name, name);
            let near = KEYS.iter().min_by_key(distance).filter(|key| distance(key) <= 1 + name.len() / 4);
            let near = near.map(|key| format!("; did you mean `{}`?", key.name)).unwrap_or_default();
            return Err(Failure::Usage(format!("--set {setting}: there is no setting `{name}`{near}")));
        };
        variables.insert(key.variable(), value.to_owned());
    }
    // As the container will read them: with nothing else in its surroundings.
    let mut surroundings: BTreeMap<_, _> =
        variables.iter().map(|(name, value)| (name.clone(), value.into())).collect();
    surroundings.insert("HYTHE_DATA".to_owned(), "/data".into());
    let environment = Environment { variables: surroundings, root: false, system_folder: None };
    load(&Inputs::default(), &environment).map_err(|error| as_typed(error, settings))?;
    Ok(variables)
}

/// The same error, at the words that the user typed in the place of the variables that come of them.
fn as_typed(error: ConfigError, settings: &[String]) -> ConfigError {
    let typed = |place: String| {
        let is_its = |setting: &&String| {
            setting.split_once('=').and_then(|(name, _)| key(name)).is_some_and(|key| key.variable() == place)
        };
        // Of a setting that is there twice, the last one counts.
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
        variables(&settings.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn settings_become_variables_of_the_container() {
        let variables = of(&["upstream.offline=true", "http.hosts=a,b"]).unwrap();
        assert_eq!(variables["HYTHE_UPSTREAM_OFFLINE"], "true");
        assert_eq!(variables["HYTHE_HTTP_HOSTS"], "a,b");
        assert!(of(&[]).unwrap().is_empty());
    }

    #[test]
    fn what_the_server_would_refuse_is_refused_before_it_is_sent() {
        for setting in ["upstream.offline", "upstream.ofline=true", "data=/x", "log.level=loud"] {
            assert_eq!(of(&[setting]).unwrap_err().exit_code(), 2, "{setting}");
        }
        let error = of(&["upstream.ofline=true"]).unwrap_err().to_string();
        assert!(error.contains("`upstream.offline`"), "{error}");
    }

    #[test]
    fn what_is_wrong_is_told_in_the_words_that_were_typed() {
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
