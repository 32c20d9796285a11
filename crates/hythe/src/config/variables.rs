//! The layer of `HYTHE_*` variables.

use super::draft::Draft;
use super::environment::{Environment, LOGINS_VARIABLE};
use super::error::Problem;
use super::keys::KEYS;
use super::nearest::{did_you_mean, nearest};
use super::source::ValueSource;
use crate::values::Raw;

/// The variable that names the configuration file.
pub const CONFIG_VARIABLE: &str = "HYTHE_CONFIG";

/// The variable that names the registry to which commands talk. It is not a setting of the server.
pub const REGISTRY_VARIABLE: &str = "HYTHE_REGISTRY";

/// The variable that shares content pulled with handed-over logins with all clients, unless the configuration sets
/// `share`. It is not a setting, because every setting of `share` overrides it.
const LOGINS_SHARED_VARIABLE: &str = "HYTHE_LOGINS_SHARED";

/// The variable that names the container engine of commands. It is not a setting of the server.
const ENGINE_VARIABLE: &str = "HYTHE_ENGINE";

/// The `HYTHE_*` variables that are not settings.
const NO_SETTINGS: [&str; 5] =
    [CONFIG_VARIABLE, REGISTRY_VARIABLE, LOGINS_VARIABLE, LOGINS_SHARED_VARIABLE, ENGINE_VARIABLE];

/// Applies the variables to the draft. An empty variable counts as unset: Compose files write `HYTHE_X=${X:-}`.
pub(super) fn apply(draft: &mut Draft, environment: &Environment) {
    for (name, value) in environment.variables.range("HYTHE_".to_owned()..) {
        if !name.starts_with("HYTHE_") {
            break;
        }
        let is_no_setting = NO_SETTINGS.contains(&name.as_str()) || is_service_link(name);
        if value.is_empty() || is_no_setting {
            continue;
        }
        let Some(key) = KEYS.iter().find(|key| key.variable() == *name) else {
            let names: Vec<String> =
                KEYS.iter().map(super::Key::variable).chain([CONFIG_VARIABLE.to_owned()]).collect();
            let found = nearest(name, names.iter().map(String::as_str));
            draft.warning(Problem::new(name, format!("there is no such setting{}", did_you_mean(found))));
            continue;
        };
        match value.to_str() {
            Some(text) => draft.set(key, &Raw::Text(text.to_owned()), &ValueSource::Variable(name.clone())),
            None => draft.problem(Problem::new(name, "its value is not UTF-8")),
        }
    }
    if environment.variables.get(LOGINS_SHARED_VARIABLE).is_some_and(|value| value == "true") {
        draft.share_logins(ValueSource::Variable(LOGINS_SHARED_VARIABLE.to_owned()));
    }
}

/// Whether Kubernetes set this variable for a Service with the program's name. Such a variable is not configuration.
pub(super) fn is_service_link(name: &str) -> bool {
    let Some((_, rest)) = name.split_once('_') else { return false };
    rest == "PORT"
        || rest == "SERVICE_HOST"
        || rest == "SERVICE_PORT"
        || rest.starts_with("SERVICE_PORT_")
        || rest.strip_prefix("PORT_").is_some_and(|port| port.starts_with(|c: char| c.is_ascii_digit()))
}
