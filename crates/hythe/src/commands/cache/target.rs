//! The address of the registry that a command talks to.

use std::str::FromStr;
use std::time::Duration;

use hythe_client::{Client, ClientOptions, Credentials, Remedy};
use hythe_oci::Authority;

use crate::config::{Environment, REGISTRY_VARIABLE, login};
use crate::failure::{AnswerError, Failure};
use crate::values::Endpoint;

/// The address that `hythe serve` listens on by default.
const DEFAULT: &str = "http://localhost:5001";

/// The variable that kind's script and `hythe up` read the registry's port from.
const PORT_VARIABLE: &str = "REG_PORT";

/// How long to wait for an answer, and for its next byte. Clearing many files is slow, and so may an upstream be.
const PATIENCE: Duration = Duration::from_mins(5);

/// The registry that a command talks to.
#[derive(Clone, Debug)]
pub(in crate::commands) struct Target {
    endpoint: Endpoint,
    /// The login that `docker login` stored for the registry.
    credentials: Credentials,
}

impl FromStr for Target {
    type Err = Failure;

    /// Reads a URL, or `HOST:PORT` for plain HTTP.
    fn from_str(text: &str) -> Result<Self, Failure> {
        if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
            return Err(Failure::Usage(format!(
                "`{text}` is only a port (--registry, HYTHE_REGISTRY): write localhost:{text}"
            )));
        }
        let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let endpoint: Result<Endpoint, _> = url.parse();
        endpoint.map(|endpoint| Self { endpoint, credentials: Credentials::Anonymous }).map_err(|error| {
            Failure::Usage(format!(
                "`{text}` is not the address of a registry (--registry, HYTHE_REGISTRY): {error}"
            ))
        })
    }
}

impl Target {
    /// The registry that the command line names, else the environment's (`HYTHE_REGISTRY`, then the port of `REG_PORT`,
    /// which `hythe up` uses too), else the default address of `hythe serve`. With the login that `docker login` stored for
    /// it, if there is one.
    pub(in crate::commands) fn chosen(
        flag: Option<&str>,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        let target = Self::named(flag, environment)?;
        let credentials = login(environment, target.host()).map_err(Failure::Login)?;
        Ok(Self { credentials: credentials.unwrap_or_default(), ..target })
    }

    fn named(flag: Option<&str>, environment: &Environment) -> Result<Self, Failure> {
        let variable = |name: &str| {
            environment.variables.get(name).and_then(|value| value.to_str()).filter(|value| !value.is_empty())
        };
        if let Some(named) = flag.or_else(|| variable(REGISTRY_VARIABLE)) {
            return named.parse();
        }
        let Some(port) = variable(PORT_VARIABLE) else { return DEFAULT.parse() };
        match port.parse::<u16>() {
            Ok(port) => format!("localhost:{port}").parse(),
            Err(_) => Err(Failure::Usage(format!("`{port}` is not a port ({PORT_VARIABLE})"))),
        }
    }

    /// The registry's URL.
    pub(in crate::commands) fn url(&self) -> &str {
        self.endpoint.as_str()
    }

    /// The registry's host and port.
    pub(in crate::commands) fn host(&self) -> &Authority {
        self.endpoint.host()
    }

    /// The registry's host, if it is reached by plain HTTP.
    pub(in crate::commands) fn plain_host(&self) -> Option<Authority> {
        self.url().starts_with("http://").then(|| self.host().clone())
    }

    /// A client of the registry. With `only_if_cached`, the registry does not ask upstreams.
    pub(in crate::commands) fn client(&self, only_if_cached: bool) -> Result<Client, Failure> {
        let options = ClientOptions {
            head_timeout: PATIENCE,
            progress_timeout: PATIENCE,
            only_if_cached,
            credentials: self.credentials.clone(),
            // Requests to this machine bypass proxies, as in Docker and Go.
            direct: self.host().is_loopback(),
            ..ClientOptions::new(self.url())
        };
        Client::new(options).map_err(|error| Failure::Usage(error.to_string()))
    }

    /// The error that the registry does not answer.
    pub(super) fn unreachable(&self, error: &hythe_client::Error) -> Failure {
        let url = self.url().to_owned();
        let error = match error {
            hythe_client::Error::Unavailable { remedy: Some(Remedy::Authority), reason, .. } => {
                AnswerError::Untrusted { url, reason: reason.clone() }
            }
            hythe_client::Error::Unavailable { status: None, reason, .. } => {
                AnswerError::Unreachable { url, reason: reason.clone() }
            }
            error => AnswerError::Unusable { url, error: error.clone() },
        };
        error.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_overrides_the_variables_and_these_override_the_default() {
        let chosen = |flag: Option<&str>, variables: &[(&str, &str)]| {
            let mut environment = Environment::default();
            for (name, value) in variables {
                environment.variables.insert((*name).to_owned(), (*value).into());
            }
            Target::chosen(flag, &environment).map(|target| target.url().to_owned())
        };
        let both = [("HYTHE_REGISTRY", "build:5000"), ("REG_PORT", "5007")];
        for (flag, variables, url) in [
            (Some("a:1"), &both[..], "http://a:1"),
            (None, &both[..], "http://build:5000"),
            (None, &both[1..], "http://localhost:5007"),
            (None, &[("REG_PORT", "")], "http://localhost:5001"),
        ] {
            assert_eq!(chosen(flag, variables).unwrap(), url);
        }
        let error = chosen(None, &[("REG_PORT", "tcp://10.0.0.1:5000")]).unwrap_err();
        assert!(error.exit_code() == 2 && error.to_string().contains("REG_PORT"), "{error}");
    }

    #[test]
    fn an_address_is_a_url_or_a_host_and_port() {
        for (text, url) in [
            ("localhost:5000", "http://localhost:5000"),
            ("https://registry.example/", "https://registry.example"),
            ("http://127.0.0.1:5001", "http://127.0.0.1:5001"),
        ] {
            assert_eq!(text.parse::<Target>().unwrap().url(), url);
        }
        for text in ["", "5001", "ftp://a", "http://a/?b", "a b"] {
            assert_eq!(text.parse::<Target>().unwrap_err().exit_code(), 2, "{text}");
        }
    }
}
