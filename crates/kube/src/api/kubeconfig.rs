//! Reads kubeconfig files, and chooses the context.

mod credentials;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use kube::config::Kubeconfig;

pub(super) use credentials::{check_token, plugin};

/// Why a kubeconfig names no cluster that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KubeconfigError {
    /// No kubeconfig file exists.
    #[error(
        "there is no kubeconfig{}. Create a cluster (kind create cluster writes one), or name the file in KUBECONFIG",
        looked_in(.files)
    )]
    Missing {
        /// The files that hythe looked for.
        files: Vec<PathBuf>,
    },
    /// A file or a text is not a valid kubeconfig.
    #[error("the kubeconfig {file} cannot be used: {reason}")]
    Unusable {
        /// The file, or a description of the text.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The kubeconfig does not have the context.
    #[error("the kubeconfig has no context `{wanted}`{}{}", nearest_of(.wanted, .contexts), list(.contexts))]
    NoContext {
        /// The context that was asked for.
        wanted: String,
        /// The kubeconfig's contexts.
        contexts: Vec<String>,
    },
    /// No context is current, and none was asked for.
    #[error("the kubeconfig has no current context: name a context with --context{}", list(.contexts))]
    NoCurrentContext {
        /// The kubeconfig's contexts.
        contexts: Vec<String>,
    },
    /// The context's settings cannot be used.
    #[error("the context `{context}` cannot be used: {reason}")]
    Context {
        /// The context.
        context: String,
        /// What is wrong with its settings.
        reason: String,
    },
}

fn looked_in(files: &[PathBuf]) -> String {
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    if names.is_empty() { String::new() } else { format!(" (looked for {})", names.join(", ")) }
}

fn nearest_of(wanted: &str, contexts: &[String]) -> String {
    // People often give a cluster's own name: kind's cluster `dev` has the context `kind-dev`.
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
        return ". The kubeconfig has no contexts at all".to_owned();
    }
    format!(". Its contexts are: {}", contexts.join(", "))
}

/// The files to read: those of `KUBECONFIG`, or else the one in the user's home.
pub fn kubeconfig_files(variable: Option<&OsStr>, home: Option<&Path>) -> Vec<PathBuf> {
    let named: Vec<PathBuf> = variable
        .map(|variable| std::env::split_paths(variable).filter(|path| !path.as_os_str().is_empty()).collect())
        .unwrap_or_default();
    if named.is_empty() { home.map(|home| home.join(".kube/config")).into_iter().collect() } else { named }
}

/// Reads and merges the files: the first file that sets a value decides. As with kubectl, some of them may be missing.
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

/// Reads the text of a control plane's kubeconfig.
pub(super) fn parse(text: &str) -> Result<Kubeconfig, KubeconfigError> {
    let mut kubeconfig = Kubeconfig::from_yaml(text).map_err(|error| KubeconfigError::Unusable {
        file: "of the control plane".to_owned(),
        reason: first_line(&error.to_string()),
    })?;
    credentials::tidy(&mut kubeconfig);
    Ok(kubeconfig)
}

/// The first line of an error. The further lines of a YAML error quote the file, which has secrets.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// The context that was asked for, or the current one.
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

/// Whether the kubeconfig sets a proxy for the context's cluster.
pub(super) fn own_proxy(kubeconfig: &Kubeconfig, context: &str) -> bool {
    let context = kubeconfig.contexts.iter().find(|named| named.name == context);
    let cluster = context.and_then(|named| named.context.as_ref()).map(|context| &context.cluster);
    let cluster = kubeconfig.clusters.iter().find(|named| Some(&named.name) == cluster);
    let proxy =
        cluster.and_then(|named| named.cluster.as_ref()).and_then(|cluster| cluster.proxy_url.as_deref());
    proxy.is_some_and(|proxy| !proxy.is_empty())
}

/// Moves all servers to another address. A server's certificate is still checked for the host that the text had, as it
/// need not name the new address.
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
    fn the_files_are_those_of_the_variable_or_else_the_homes() {
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
    fn an_empty_current_context_is_none_and_the_next_files_is_used() {
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
    fn the_error_of_a_missing_context_lists_the_contexts_and_names_the_nearest() {
        let kubeconfig = parse(TEXT).unwrap();
        assert_eq!(choose(&kubeconfig, Some("kind-dev")).unwrap(), "kind-dev");
        for (wanted, near) in [("dev", Some("kind-dev")), ("producton", Some("production")), ("x", None)] {
            let error = choose(&kubeconfig, Some(wanted)).unwrap_err().to_string();
            assert!(error.contains("Its contexts are: kind-dev, production"), "{error}");
            let question = near.map(|near| format!("did you mean `{near}`?"));
            assert!(question.is_none_or(|question| error.contains(&question)), "{error}");
        }
        let error = choose(&kubeconfig, None).unwrap_err().to_string();
        assert!(error.contains("--context"), "{error}");
    }

    #[test]
    fn a_moved_server_still_has_to_prove_its_name() {
        let mut kubeconfig = parse(TEXT).unwrap();
        move_servers(&mut kubeconfig, "https://127.0.0.1:40000");
        let cluster = kubeconfig.clusters[0].cluster.as_ref().unwrap();
        assert_eq!(cluster.server.as_deref(), Some("https://127.0.0.1:40000"));
        assert_eq!(cluster.tls_server_name.as_deref(), Some("dev-control-plane"));
    }
}
