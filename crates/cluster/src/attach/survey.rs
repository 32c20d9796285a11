//! The survey of a node: its runtime, containerd's configuration, and the registries' files that are there now.

use std::collections::{BTreeMap, BTreeSet};

use super::living;
use crate::containerd::{ContainerdConfig, K3S_CONFIG_PATH, Version};
use crate::hosts::{Directory, Root, written_by};
use crate::runtime::Runtime;
use crate::topology::{Cluster, Maker, Node};
use hythe_engine::{Engine, EngineError, File};

/// containerd's configuration file in nodes other than k3s's.
pub(crate) const CONFIG: &str = "/etc/containerd/config.toml";
/// The marker file in a node that says a restart of containerd is due. It exists from a change of containerd's
/// configuration until the restart.
pub(super) const RESTART_DUE: &str = "/etc/hythe/restart-due";

/// What was found in a node.
#[derive(Clone, Debug)]
pub(crate) struct Survey {
    pub(crate) node: String,
    pub(crate) runtime: Runtime,
    pub(crate) version: Option<Version>,
    /// containerd's configuration files, in the order in which it reads them. None for k3s.
    pub(crate) configs: Vec<File>,
    /// The output of `containerd config dump`, or its error.
    pub(crate) dump: Result<String, String>,
    /// The directories of `hosts.toml` files, by root.
    pub(crate) roots: BTreeMap<String, Root>,
    /// Whether a restart of containerd is still due after a change of its configuration.
    pub(crate) restart_due: bool,
    /// The environment variables of the node.
    pub(crate) environment: BTreeMap<String, String>,
    /// The registries for which hythe wrote files and which no longer exist.
    pub(crate) gone: BTreeSet<String>,
}

impl Survey {
    pub(crate) async fn of(engine: &Engine, cluster: &Cluster, node: &Node) -> Result<Self, EngineError> {
        let name = node.name.as_str();
        let container = engine.container(name).await?;
        let variables = container.and_then(|container| container.config?.env).unwrap_or_default();
        let environment = variables.into_iter().filter_map(|variable| {
            let (name, value) = variable.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        });
        let mut survey = Self {
            node: name.to_owned(),
            runtime: Runtime::None,
            version: None,
            configs: Vec::new(),
            dump: Err("not requested".to_owned()),
            roots: BTreeMap::new(),
            restart_due: false,
            environment: environment.collect(),
            gone: BTreeSet::new(),
        };
        let told = engine.exec(name, &["containerd", "--version"]).await?;
        survey.version = told.stdout.parse().ok();
        if cluster.maker == Maker::K3d {
            survey.runtime = Runtime::K3s;
            // k3s carries its own containerd under another name. The written files do not depend on its version, so any
            // one will do.
            survey.version.get_or_insert(Version::new(2, 0, 0));
            survey.list(engine, K3S_CONFIG_PATH).await?;
            survey.find_gone(engine).await?;
            return Ok(survey);
        }
        survey.runtime = match Runtime::of(engine, cluster, name).await? {
            Runtime::Containerd if survey.version.is_none() => Runtime::None,
            runtime => runtime,
        };
        if survey.runtime != Runtime::Containerd {
            return Ok(survey);
        }
        survey.restart_due = engine.read(name, RESTART_DUE).await?.is_some();
        let dump = engine.exec(name, &["containerd", "config", "dump"]).await?;
        survey.dump = if dump.code == 0 { Ok(dump.stdout) } else { Err(dump.stderr.trim().to_owned()) };
        let main = engine.read(name, CONFIG).await?.unwrap_or_default();
        survey.configs.push(File { path: CONFIG.to_owned(), content: main });
        for path in survey.imports() {
            if let Some(content) = engine.read(name, &path).await? {
                survey.configs.push(File { path, content });
            }
        }
        for root in ["/etc/containerd/certs.d", "/etc/docker/certs.d"] {
            survey.list(engine, root).await?;
        }
        for root in survey.config_path() {
            if !survey.roots.contains_key(&root) {
                survey.list(engine, &root).await?;
            }
        }
        survey.find_gone(engine).await?;
        Ok(survey)
    }

    /// Finds the registries for which hythe wrote files and which no longer exist.
    async fn find_gone(&mut self, engine: &Engine) -> Result<(), EngineError> {
        let texts = self.roots.values().flat_map(|root| &root.directories).filter_map(Directory::text);
        let written: BTreeMap<&str, &str> =
            texts.filter_map(|text| Some((written_by(text)?, text))).collect();
        let mut gone = BTreeSet::new();
        for (registry, text) in written {
            if living::is_gone(engine, registry, text).await? {
                gone.insert(registry.to_owned());
            }
        }
        self.gone = gone;
        Ok(())
    }

    /// The settings in the whole configuration; `None` if it cannot be read.
    pub(crate) fn settings(&self) -> Option<ContainerdConfig> {
        ContainerdConfig::parse(self.dump.as_ref().ok()?, self.version?).ok()
    }

    fn imports(&self) -> Vec<String> {
        let imports = self.settings().map(|settings| settings.imports).unwrap_or_default();
        imports.into_iter().filter(|path| path != CONFIG && !path.contains('*')).collect()
    }

    fn config_path(&self) -> Vec<String> {
        let path = self.settings().map(|settings| settings.config_path).unwrap_or_default();
        path.split(':').filter(|root| !root.is_empty()).map(str::to_owned).collect()
    }

    async fn list(&mut self, engine: &Engine, root: &str) -> Result<(), EngineError> {
        let files = engine.read_folder(&self.node, root).await?;
        self.roots.insert(root.to_owned(), group(root, &files));
        Ok(())
    }

    /// The root that k3s's containerd reads.
    pub(crate) fn k3s_root() -> &'static str {
        K3S_CONFIG_PATH
    }

    /// Whether the node's containerd would send requests for a name to a proxy.
    pub(crate) fn sends_to_proxy(&self, name: &str) -> bool {
        let set =
            |name: &str| self.environment.get(name).map(String::as_str).filter(|value| !value.is_empty());
        let variable = |name: &str| set(name).or_else(|| set(&name.to_lowercase()));
        if variable("HTTP_PROXY").is_none() {
            return false;
        }
        let exceptions = variable("NO_PROXY").unwrap_or_default();
        // As in Go: an entry may have a port, and covers the names below it too.
        !exceptions.split(',').map(str::trim).any(|exception| {
            let host = exception.rsplit_once(':').map_or(exception, |(host, _)| host);
            let domain = host.strip_prefix("*.").or_else(|| host.strip_prefix('.')).unwrap_or(host);
            let is_below = || name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
            exception == "*" || (!host.is_empty() && (host == name || is_below()))
        })
    }
}

/// Groups the files below a root by directory.
fn group(root: &str, files: &[File]) -> Root {
    let mut directories: BTreeMap<String, Directory> = BTreeMap::new();
    for file in files {
        let Some(path) = file.path.strip_prefix(root).and_then(|path| path.strip_prefix('/')) else {
            continue;
        };
        let Some((name, rest)) = path.split_once('/') else { continue };
        let directory = directories
            .entry(name.to_owned())
            .or_insert_with(|| Directory { name: name.to_owned(), hosts_toml: None });
        if rest == "hosts.toml" {
            directory.hosts_toml = Some(file.content.clone());
        }
    }
    Root { path: root.to_owned(), directories: directories.into_values().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn survey(variables: &[(&str, &str)]) -> Survey {
        Survey {
            node: "n".to_owned(),
            runtime: Runtime::Containerd,
            version: Some(Version::new(2, 3, 0)),
            configs: Vec::new(),
            dump: Err(String::new()),
            roots: BTreeMap::new(),
            restart_due: false,
            environment: variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            gone: BTreeSet::new(),
        }
    }

    #[test]
    fn a_proxy_gets_every_name_that_is_not_in_no_proxy() {
        let table: &[(&[(&str, &str)], bool)] = &[
            (&[], false),
            (&[("HTTP_PROXY", "http://proxy:3128")], true),
            (&[("http_proxy", "http://proxy:3128"), ("no_proxy", "10.0.0.0/8, kind-registry")], false),
            (&[("HTTP_PROXY", "http://proxy:3128"), ("NO_PROXY", "172.18.0.0/16,kind-worker")], true),
            (&[("HTTP_PROXY", ""), ("http_proxy", "http://proxy:3128")], true),
            (&[("HTTP_PROXY", "http://proxy:3128"), ("NO_PROXY", "kind-registry:5000")], false),
            // The registry speaks HTTP, so a proxy for HTTPS alone is not used.
            (&[("HTTPS_PROXY", "http://proxy:3128")], false),
        ];
        for (variables, expected) in table {
            assert_eq!(survey(variables).sends_to_proxy("kind-registry"), *expected, "{variables:?}");
        }
    }

    #[test]
    fn empty_directories_count_and_other_files_do_not() {
        let file = |path: &str| File { path: path.to_owned(), content: "x".to_owned() };
        let root = group(
            "/r",
            &[file("/r/"), file("/r/a/"), file("/r/b:5000/hosts.toml"), file("/r/b:5000/ca.crt")],
        );
        let found: Vec<(&str, bool)> =
            root.directories.iter().map(|d| (d.name.as_str(), d.hosts_toml.is_some())).collect();
        assert_eq!(found, [("a", false), ("b:5000", true)]);
    }
}
