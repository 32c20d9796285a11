//! Where the registry is that is spoken to.

use std::str::FromStr;
use std::time::Duration;

use hythe_client::{Client, Options};
use hythe_oci::Authority;

use crate::config::{Environment, REGISTRY_VARIABLE};
use crate::failure::Failure;
use crate::values::Endpoint;

/// Where `hythe serve` listens.
const DEFAULT: &str = "http://localhost:5001";

/// The port of the registry, as kind's script and `hythe up` have it.
const PORT_VARIABLE: &str = "REG_PORT";

/// A clear of many files, and a registry whose upstream is slow, may take their time.
const PATIENCE: Duration = Duration::from_mins(5);

/// The registry that is spoken to.
#[derive(Clone, Debug)]
pub(in crate::commands) struct Target(Endpoint);

impl FromStr for Target {
    type Err = Failure;

    /// A URL, or `HOST:PORT`, which is asked by plain HTTP.
    fn from_str(text: &str) -> Result<Self, Failure> {
        if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
            return Err(Failure::Usage(format!(
                "`{text}` is a port alone (--registry, HYTHE_REGISTRY): write localhost:{text}"
            )));
        }
        let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let endpoint: Result<Endpoint, _> = url.parse();
        endpoint.map(Self).map_err(|error| {
            Failure::Usage(format!("`{text}` is no registry's address (--registry, HYTHE_REGISTRY): {error}"))
        })
    }
}

impl Target {
    /// The one that the command line names, else the environment (`HYTHE_REGISTRY`, then the port of `REG_PORT`, which
    /// `hythe up` follows), else where `hythe serve` listens.
    pub(in crate::commands) fn chosen(
        flag: Option<&str>,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        let variable = |name: &str| {
            environment.variables.get(name).and_then(|value| value.to_str()).filter(|value| !value.is_empty())
        };
        if let Some(named) = flag.or_else(|| variable(REGISTRY_VARIABLE)) {
            return named.parse();
        }
        let Some(port) = variable(PORT_VARIABLE) else { return DEFAULT.parse() };
        match port.parse::<u16>() {
            Ok(port) => format!("localhost:{port}").parse(),
            Err(_) => Err(Failure::Usage(format!("`{port}` is no port ({PORT_VARIABLE})"))),
        }
    }

    /// Its address.
    pub(super) fn url(&self) -> &str {
        self.0.as_str()
    }

    /// Its host, with its port.
    pub(super) fn host(&self) -> &Authority {
        self.0.host()
    }

    /// A client of it; `only_if_cached` has it ask no upstream.
    pub(super) fn client(&self, only_if_cached: bool) -> Result<Client, Failure> {
        let options = Options {
            head_timeout: PATIENCE,
            progress_timeout: PATIENCE,
            only_if_cached,
            // As Docker and Go have it: no proxy leads to this machine.
            direct: is_loopback(self.host()),
            ..Options::new(self.url())
        };
        Client::new(options).map_err(|error| Failure::Usage(error.to_string()))
    }

    /// That it does not answer.
    pub(super) fn unreachable(&self, error: &hythe_client::Error) -> Failure {
        let url = self.url();
        Failure::Other(match error {
            hythe_client::Error::Unavailable { status: None, reason, .. } => format!(
                "no registry answers at {url}: {reason}. Start one with `hythe serve`, or name another one with --registry \
                 URL or HYTHE_REGISTRY"
            ),
            error => format!("the registry at {url} gave an answer that cannot be used: {error}"),
        })
    }
}

/// Whether a host is this machine.
pub(super) fn is_loopback(host: &Authority) -> bool {
    let name = host.host();
    name == "localhost"
        || name.ends_with(".localhost")
        || host.address().is_some_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_goes_before_the_variables_and_these_before_the_default() {
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
