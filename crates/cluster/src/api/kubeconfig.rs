//! Kubeconfigs: which files, which context.

mod credentials;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use kube::config::Kubeconfig;

pub(super) use credentials::{check_token, plugin};

/// Why no cluster can be chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KubeconfigError {
    /// No file is there.
    #[error(
        "there is no kubeconfig{}. Create a cluster (kind create cluster writes one), or name the file in KUBECONFIG",
        looked_in(.files)
    )]
    Missing {
        /// Where it was looked for.
        files: Vec<PathBuf>,
    },
    /// A file, or a text, that is none.
    #[error("the kubeconfig {file} cannot be used: {reason}")]
    Unusable {
        /// The file; empty for a text.
        file: String,
        /// Why not.
        reason: String,
    },
    /// The context is not in it.
    #[error("the kubeconfig has no context `{wanted}`{}{}", nearest_of(.wanted, .contexts), list(.contexts))]
    NoContext {
        /// What was asked for.
        wanted: String,
        /// What there is.
        contexts: Vec<String>,
    },
    /// None is current, and none was asked for.
    #[error("the kubeconfig has no current context: name one with --context{}", list(.contexts))]
    NoCurrentContext {
        /// What there is.
        contexts: Vec<String>,
    },
    /// What the context says cannot be used.
    #[error("the context `{context}` cannot be used: {reason}")]
    Context {
        /// The context.
        context: String,
        /// Why not.
        reason: String,
    },
}

fn looked_in(files: &[PathBuf]) -> String {
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    if names.is_empty() { String::new() } else { format!(" ({} is not there)", names.join(", ")) }
}

fn nearest_of(wanted: &str, contexts: &[String]) -> String {
    // A cluster's own name is what people say: kind's `dev` is the context `kind-dev`.
    let ending = format!("-{wanted}");
    let tool = contexts.iter().find(|context| context.ends_with(&ending));
    let limit = 1 + wanted.chars().count() / 4;
    let scored = contexts.iter().map(|context| (strsim::osa_distance(wanted, context), context));
    let near = || {
        scored
            .filter(|(distance, _)| *distance <= limit)
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, c)| c)
    };
    tool.or_else(near).map_or_else(String::new, |context| format!("; did you mean `{context}`?"))
}

fn list(contexts: &[String]) -> String {
    if contexts.is_empty() {
        return ". It has none at all".to_owned();
    }
    format!(". There are: {}", contexts.join(", "))
}

/// The files that are read: those of `KUBECONFIG`, else the one in the user's home.
pub fn kubeconfig_files(variable: Option<&OsStr>, home: Option<&Path>) -> Vec<PathBuf> {
    let named: Vec<PathBuf> = variable
        .map(|variable| std::env::split_paths(variable).filter(|path| !path.as_os_str().is_empty()).collect())
        .unwrap_or_default();
    if named.is_empty() { home.map(|home| home.join(".kube/config")).into_iter().collect() } else { named }
}

/// The files together: what comes first wins. One of several may be missing, as kubectl has it.
pub(super) fn read(files: &[PathBuf]) -> Result<Kubeconfig, KubeconfigError> {
    let mut merged: Option<Kubeconfig> = None;
    for file in files.iter().filter(|file| file.exists()) {
        let unusable = |error: &dyn std::fmt::Display| KubeconfigError::Unusable {
            file: file.display().to_string(),
            reason: first_line(&error.to_string()),
        };
        let mut next = Kubeconfig::read_from(file).map_err(|error| unusable(&error))?;
        credentials::tidy(&mut next);
        merged = Some(match merged {
            Some(before) => before.merge(next).map_err(|error| unusable(&error))?,
            None => next,
        });
    }
    merged.ok_or_else(|| KubeconfigError::Missing { files: files.to_vec() })
}

/// A text.
pub(super) fn parse(text: &str) -> Result<Kubeconfig, KubeconfigError> {
    let mut kubeconfig = Kubeconfig::from_yaml(text).map_err(|error| KubeconfigError::Unusable {
        file: "of the control plane".to_owned(),
        reason: first_line(&error.to_string()),
    })?;
    credentials::tidy(&mut kubeconfig);
    Ok(kubeconfig)
}

/// A YAML error shows the lines around it, which have secrets.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// The name of the context that was asked for, or is current.
pub(super) fn choose(kubeconfig: &Kubeconfig, wanted: Option<&str>) -> Result<String, KubeconfigError> {
    let contexts = || kubeconfig.contexts.iter().map(|context| context.name.clone()).collect::<Vec<_>>();
    let current = || kubeconfig.current_context.as_deref().filter(|name| !name.is_empty());
    let Some(name) = wanted.or_else(current) else {
        return Err(KubeconfigError::NoCurrentContext { contexts: contexts() });
    };
    if kubeconfig.contexts.iter().any(|context| context.name == name) {
        Ok(name.to_owned())
    } else {
        Err(KubeconfigError::NoContext { wanted: name.to_owned(), contexts: contexts() })
    }
}

/// Whether the context's cluster names a proxy itself.
pub(super) fn own_proxy(kubeconfig: &Kubeconfig, context: &str) -> bool {
    let context = kubeconfig.contexts.iter().find(|named| named.name == context);
    let cluster = context.and_then(|named| named.context.as_ref()).map(|context| &context.cluster);
    let cluster = kubeconfig.clusters.iter().find(|named| Some(&named.name) == cluster);
    let proxy =
        cluster.and_then(|named| named.cluster.as_ref()).and_then(|cluster| cluster.proxy_url.as_deref());
    proxy.is_some_and(|proxy| !proxy.is_empty())
}

/// Has all servers asked at another address. The certificate names the address that was written, and need not name
/// the other one.
pub(super) fn move_servers(kubeconfig: &mut Kubeconfig, address: &str) {
    for cluster in kubeconfig.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
        let before = cluster.server.replace(address.to_owned());
        let name = before.and_then(|before| before.parse::<http::Uri>().ok()?.host().map(str::to_owned));
        cluster.tls_server_name = cluster.tls_server_name.take().or(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
clusters: [{name: kind-dev, cluster: {server: 'https://dev-control-plane:6443'}}]
contexts:
- {name: kind-dev, context: {cluster: kind-dev, user: kind-dev}}
- {name: production, context: {cluster: production, user: me}}
";

    #[test]
    fn the_files_are_those_of_the_variable_else_the_home_s() {
        let home = Path::new("/home/ada");
        let files = |variable: Option<&str>| kubeconfig_files(variable.map(OsStr::new), Some(home));
        assert_eq!(files(None), [Path::new("/home/ada/.kube/config")]);
        assert_eq!(files(Some("")), [Path::new("/home/ada/.kube/config")]);
        #[cfg(unix)]
        assert_eq!(files(Some("/a:/b:")), [Path::new("/a"), Path::new("/b")]);
        assert!(kubeconfig_files(None, None).is_empty());
    }

    #[test]
    fn files_are_merged_and_one_of_several_may_be_missing() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let (one, two) = (file("one", "current-context: production\n"), file("two", TEXT));
        let merged = read(&[one, folder.path().join("nowhere"), two]).unwrap();
        assert_eq!(choose(&merged, None).unwrap(), "production");

        let nowhere = folder.path().join("nowhere");
        let error = read(std::slice::from_ref(&nowhere)).unwrap_err().to_string();
        assert!(error.contains("there is no kubeconfig") && error.contains("nowhere"), "{error}");
        let error =
            read(&[file("bad", "users: [{name: x, user: {token: hunter2\n")]).unwrap_err().to_string();
        assert!(error.contains("bad cannot be used") && !error.contains("hunter2"), "{error}");
    }

    /// `kubectl config unset current-context` leaves an empty text.
    #[test]
    fn an_empty_current_context_is_none_and_the_next_file_s_counts() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let unset = file("a", &format!("current-context: \"\"\n{TEXT}"));
        let (empty, other) = (file("empty", ""), file("b", "current-context: production\ncontexts: null\n"));
        let merged = read(&[unset.clone(), empty.clone(), other]).unwrap();
        assert_eq!(choose(&merged, None).unwrap(), "production");
        for files in [&[unset][..], &[empty]] {
            let error = choose(&read(files).unwrap(), None).unwrap_err();
            assert!(matches!(error, KubeconfigError::NoCurrentContext { .. }), "{error}");
        }
    }

    #[test]
    fn a_context_that_is_not_there_is_told_with_those_that_are_and_the_nearest() {
        let kubeconfig = parse(TEXT).unwrap();
        assert_eq!(choose(&kubeconfig, Some("kind-dev")).unwrap(), "kind-dev");
        for (wanted, near) in [("dev", Some("kind-dev")), ("producton", Some("production")), ("x", None)] {
            let error = choose(&kubeconfig, Some(wanted)).unwrap_err().to_string();
            assert!(error.contains("There are: kind-dev, production"), "{error}");
            let question = near.map(|near| format!("did you mean `{near}`?"));
            assert!(question.is_none_or(|question| error.contains(&question)), "{error}");
        }
        let error = choose(&kubeconfig, None).unwrap_err().to_string();
        assert!(error.contains("--context"), "{error}");
    }

    #[test]
    fn a_moved_server_still_proves_its_name() {
        let mut kubeconfig = parse(TEXT).unwrap();
        move_servers(&mut kubeconfig, "https://127.0.0.1:40000");
        let cluster = kubeconfig.clusters[0].cluster.as_ref().unwrap();
        assert_eq!(cluster.server.as_deref(), Some("https://127.0.0.1:40000"));
        assert_eq!(cluster.tls_server_name.as_deref(), Some("dev-control-plane"));
    }
}
