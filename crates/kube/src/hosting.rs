//! The `ConfigMap` in which a cluster names its local registry (KEP-1755); Tilt, Skaffold and ctlptl read it.

use kube::ResourceExt as _;
use serde_json::json;

use crate::api::{Access, ApiError, Change, Kind, Manifest, Object, is_ours};
use crate::deploy::{PORT, Target};

/// The namespace of the `ConfigMap`, by the KEP.
const NAMESPACE: &str = "kube-public";
/// The name of the `ConfigMap`, by the KEP.
const NAME: &str = "local-registry-hosting";
/// The key in the `ConfigMap` for version 1.
const KEY: &str = "localRegistryHosting.v1";

/// The content of the `ConfigMap`. These are all fields of version 1.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Hosting {
    /// The host to which images are pushed from outside the cluster. Manifests name it too, unless the next field is
    /// set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The host that manifests name, if it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_from_container_runtime: Option<String>,
    /// The host to which Pods push.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_from_cluster_network: Option<String>,
    /// The URL of a page with help for users.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// The published `ConfigMap`, compared with the expected one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// The cluster has no such `ConfigMap`.
    Absent,
    /// The `ConfigMap` cannot be understood; readers ignore it.
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
    /// The `ConfigMap` is as expected.
    Same,
    /// The `ConfigMap` has other content.
    Differs {
        /// The content.
        found: Hosting,
        /// The writers of the content, by the names of their field managers.
        writers: Vec<String>,
    },
}

/// The result of a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// The `ConfigMap` was removed.
    Removed,
    /// The cluster had no such `ConfigMap`.
    Absent,
    /// hythe did not make the `ConfigMap`, and left it.
    NotOurs,
}

impl Target {
    /// The content of the ConfigMap `local-registry-hosting` (KEP-1755) for a registry in the cluster.
    pub fn hosting(&self) -> Hosting {
        let host = Some(format!("localhost:{PORT}"));
        Hosting {
            host: host.clone(),
            host_from_container_runtime: host,
            host_from_cluster_network: Some(self.cluster_host()),
            help: None,
        }
    }
}

fn object() -> Object {
    Object::new(Kind::ConfigMap, NAMESPACE, NAME)
}

impl Hosting {
    /// The `ConfigMap`. Its value is YAML in a string.
    pub fn render(&self) -> Manifest {
        // Four optional strings are always valid YAML, so this cannot fail.
        let value = serde_saphyr::to_string(self).unwrap_or_default();
        Manifest::new(object(), &[], json!({ "data": { KEY: value } }))
    }

    /// Publishes the `ConfigMap`. Content of another writer is replaced only with `force`.
    pub async fn publish(&self, access: &Access, force: bool) -> Result<Change, ApiError> {
        access.apply(&self.render(), force).await
    }

    /// Compares the published `ConfigMap` with this one.
    pub async fn compare(&self, access: &Access) -> Result<Published, ApiError> {
        let Some(map) = access.get(&object()).await? else { return Ok(Published::Absent) };
        let found = match read(map.data.get("data")) {
            Ok(found) => found,
            Err(reason) => return Ok(Published::Malformed { reason }),
        };
        if found == *self {
            return Ok(Published::Same);
        }
        let owning = map.managed_fields().iter().filter(|entry| {
            let fields = entry.fields_v1.as_ref();
            fields.is_some_and(|fields| {
                fields.0.pointer("/f:data").is_some_and(|data| data.get(format!("f:{KEY}")).is_some())
            })
        });
        let writers = owning.filter_map(|entry| entry.manager.clone()).collect();
        Ok(Published::Differs { found, writers })
    }
}

/// Removes the `ConfigMap`, if hythe made it.
pub async fn remove(access: &Access) -> Result<Removal, ApiError> {
    match access.get(&object()).await? {
        None => Ok(Removal::Absent),
        Some(map) if !is_ours(&map) => Ok(Removal::NotOurs),
        Some(_) => Ok(if access.delete(&object()).await? { Removal::Removed } else { Removal::Absent }),
    }
}

/// Reads the data of a `ConfigMap`. Unknown fields are allowed: a later version may add them.
fn read(data: Option<&serde_json::Value>) -> Result<Hosting, String> {
    let data = data.and_then(serde_json::Value::as_object);
    let Some(text) = data.and_then(|data| data.get(KEY)).and_then(serde_json::Value::as_str) else {
        // Some users write the fields as keys of their own, which no reader looks for.
        let flattened = data.is_some_and(|data| data.keys().any(|key| key.starts_with(KEY)));
        let hint = if flattened {
            "; it has the fields as keys of their own, which no reader looks for"
        } else {
            ""
        };
        return Err(format!("the ConfigMap has no key `{KEY}`{hint}"));
    };
    let hosting: Hosting = serde_saphyr::from_str(text).map_err(|error| {
        let error = error.to_string();
        format!(
            "the value of `{KEY}` is not YAML with the fields of the KEP: {}",
            error.lines().next().unwrap_or("")
        )
    })?;
    if hosting.host.is_none() && hosting.host_from_container_runtime.is_some() {
        return Err("the ConfigMap has `hostFromContainerRuntime` without `host`".to_owned());
    }
    Ok(hosting)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> Hosting {
        Hosting {
            host: Some("localhost:5001".to_owned()),
            host_from_container_runtime: Some("localhost:5001".to_owned()),
            host_from_cluster_network: Some("hythe:5000".to_owned()),
            help: Some("https://kind.sigs.k8s.io/docs/user/local-registry/".to_owned()),
        }
    }

    #[test]
    fn the_value_is_yaml_in_a_string() {
        let manifest = ours().render();
        assert_eq!(manifest.object.to_string(), "ConfigMap kube-public/local-registry-hosting");
        assert_eq!(
            manifest.body()["data"][KEY],
            "host: localhost:5001\nhostFromContainerRuntime: localhost:5001\nhostFromClusterNetwork: hythe:5000\n\
             help: https://kind.sigs.k8s.io/docs/user/local-registry/\n"
        );
        assert_eq!(read(Some(&manifest.body()["data"])), Ok(ours()));
    }

    #[test]
    fn the_forms_that_others_write_are_understood() {
        let host = Some("localhost:5001".to_owned());
        for (text, host) in [
            ("    host: \"localhost:5001\"\n    help: \"https://x\"\n", host.clone()),
            ("{host: localhost:5001, somethingNew: 1, help: https://x}", host),
            ("help: https://x", None),
        ] {
            let found = read(Some(&json!({ KEY: text }))).unwrap();
            assert_eq!((found.host, found.help.as_deref()), (host, Some("https://x")));
        }
    }

    #[test]
    fn data_that_no_reader_understands_is_malformed() {
        for (data, reason) in [
            (json!({}), "has no key"),
            (json!({ "localRegistryHosting.v1.host": "localhost:5001" }), "keys of their own"),
            (json!({ KEY: "host: [" }), "is not YAML"),
            (json!({ KEY: "localhost:5001" }), "is not YAML"),
            (json!({ KEY: "hostFromContainerRuntime: a:1" }), "without `host`"),
        ] {
            let error = read(Some(&data)).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
