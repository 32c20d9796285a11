//! Reads logins from Docker's configuration, where `docker login` stores them.

mod helper;
mod login;

use std::io;
use std::time::Duration;

use hythe_client::Credentials;
use hythe_oci::Authority;
use serde_json::Value;

use super::environment::Environment;
use crate::tables::known_name;
use crate::values::Endpoint;

/// How long a credential helper may take. Some helpers ask a cloud service; none ask the user.
const HELPER_LIMIT: Duration = Duration::from_secs(10);

/// The key of Docker Hub in Docker's configuration, which differs from its name.
const HUB_KEY: &str = "https://index.docker.io/v1/";

/// The login for an upstream, looked up by the upstream's name, then by its endpoints' hosts. `None` if logins are
/// handed over and this login was not handed over yet.
pub(super) fn credentials(
    environment: &Environment,
    name: &Authority,
    endpoints: &[Endpoint],
) -> Result<Option<Credentials>, String> {
    let handed = environment.handed_logins_file();
    let path = handed.clone().or_else(|| environment.docker_config_file()).ok_or(
        "this user has no home folder with Docker's configuration: set DOCKER_CONFIG to the folder of its config.json",
    )?;
    let shown = path.display();
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let missing = || {
                format!("{shown} does not exist, so `{name}` has no login: run `docker login {name}` first")
            };
            return if handed.is_some() { Ok(None) } else { Err(missing()) };
        }
        Err(error) => return Err(format!("cannot read {shown}: {error}")),
    };
    let config: Value =
        serde_json::from_slice(&text).map_err(|error| format!("{shown} is not JSON: {error}"))?;
    for host in [name].into_iter().chain(endpoints.iter().map(Endpoint::host)) {
        if let Some(credentials) = of_host(&config, host, environment)? {
            return Ok(Some(credentials));
        }
    }
    if handed.is_some() {
        return Ok(None);
    }
    Err(format!("{shown} has no login for `{name}`: run `docker login {name}` first"))
}

/// The login for a registry that `docker login` stored; `None` if it stored none.
pub(crate) fn login(environment: &Environment, host: &Authority) -> Result<Option<Credentials>, String> {
    let Some(path) = environment.docker_config_file() else { return Ok(None) };
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
    };
    let config: Value =
        serde_json::from_slice(&text).map_err(|error| format!("{} is not JSON: {error}", path.display()))?;
    of_host(&config, host, environment)
}

/// Writes a Docker configuration that contains these logins, without credential helpers.
pub(super) fn write<'a>(logins: impl Iterator<Item = (&'a Authority, &'a Credentials)>) -> String {
    let logins =
        logins.filter_map(|(name, credentials)| Some((name.to_string(), login::write(credentials)?)));
    serde_json::json!({ "auths": logins.collect::<serde_json::Map<_, _>>() }).to_string()
}

/// The login for a host. As in Docker's clients, a helper for this registry counts before the helper for all
/// registries, and a helper before the file.
fn of_host(
    config: &Value,
    host: &Authority,
    environment: &Environment,
) -> Result<Option<Credentials>, String> {
    let host = known_name(host.clone());
    let helpers = entries(config, "credHelpers", &host);
    let own = helpers.into_iter().find_map(|(key, helper)| Some((key.to_owned(), helper.as_str()?)));
    let logins = entries(config, "auths", &host);
    let general = config["credsStore"].as_str().filter(|helper| !helper.is_empty()).map(|helper| {
        let key = logins.first().map_or_else(|| usual_key(&host), |(key, _)| (*key).to_owned());
        (key, helper)
    });
    if let Some((key, helper)) = own.or(general)
        && let Some(credentials) = helper::ask(helper, &key, environment, HELPER_LIMIT)?
    {
        return Ok(Some(credentials));
    }
    for (key, login) in logins {
        if let Some(credentials) =
            login::read(login).map_err(|error| format!("the login of `{key}`: {error}"))?
        {
            return Ok(Some(credentials));
        }
    }
    Ok(None)
}

fn usual_key(host: &Authority) -> String {
    let host = host.to_string();
    if host == "docker.io" { HUB_KEY.to_owned() } else { host }
}

/// The entries of a section for this host.
fn entries<'a>(config: &'a Value, section: &str, host: &Authority) -> Vec<(&'a str, &'a Value)> {
    let all = config[section].as_object().into_iter().flatten();
    all.filter(|(key, _)| host_of(key).is_some_and(|of_key| of_key == *host))
        .map(|(key, value)| (key.as_str(), value))
        .collect()
}

/// The registry that a key names: `host`, `https://host` or `https://host/v1/`. `None` for a key with another path,
/// which is for a part of the registry only.
fn host_of(key: &str) -> Option<Authority> {
    let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    matches!(path.trim_end_matches('/'), "" | "v1" | "v2")
        .then(|| host.parse().ok())
        .flatten()
        .map(known_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_all_forms_name_their_registry() {
        for (key, host) in [
            ("ghcr.io", Some("ghcr.io")),
            ("https://ghcr.io", Some("ghcr.io")),
            ("https://ghcr.io/v1/", Some("ghcr.io")),
            ("https://ghcr.io/v2/", Some("ghcr.io")),
            ("http://hub.local:5000", Some("hub.local:5000")),
            ("https://index.docker.io/v1/", Some("docker.io")),
            ("registry-1.docker.io", Some("docker.io")),
            ("quay.io/team", None),
            ("", None),
        ] {
            assert_eq!(host_of(key), host.map(|host| host.parse().unwrap()), "{key}");
        }
    }
}
