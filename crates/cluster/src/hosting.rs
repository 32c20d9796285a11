//! The `ConfigMap` by which a cluster says which registry is its own (KEP-1755): Tilt, Skaffold and ctlptl read it.

use kube::ResourceExt as _;
use serde_json::json;

use crate::api::{Access, ApiError, Change, Kind, Manifest, Object, is_ours};

/// Where it is, as the KEP has it.
const NAMESPACE: &str = "kube-public";
const NAME: &str = "local-registry-hosting";
const KEY: &str = "localRegistryHosting.v1";

/// What it says. A reader of version 1 knows these fields and no others.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Hosting {
    /// Where images are pushed from outside the cluster, and by default what manifests name: `localhost:5001`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// What manifests name, where that is another name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_from_container_runtime: Option<String>,
    /// Where Pods push.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_from_cluster_network: Option<String>,
    /// A page for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// What is published, compared with what should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// Nothing is.
    Absent,
    /// It cannot be understood; readers take it for nothing.
    Malformed {
        /// Why not.
        reason: String,
    },
    /// What should be.
    Same,
    /// Something else.
    Differs {
        /// What it says.
        found: Hosting,
        /// Who wrote it.
        writers: Vec<String>,
    },
}

/// What became of it when it was to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It is gone.
    Removed,
    /// It was not there.
    Absent,
    /// Somebody else made it, and it was left.
    NotOurs,
}

fn object() -> Object {
    Object::new(Kind::ConfigMap, NAMESPACE, NAME)
}

impl Hosting {
    /// The `ConfigMap`. Its value is YAML in a string.
    pub fn render(&self) -> Manifest {
        // Four optional strings are always YAML.
        let value = serde_saphyr::to_string(self).unwrap_or_default();
        Manifest::new(object(), &[], json!({ "data": { KEY: value } }))
    }

    /// Publishes it. What another writer says instead is only replaced by force.
    pub async fn publish(&self, access: &Access, force: bool) -> Result<Change, ApiError> {
        access.apply(&self.render(), force).await
    }

    /// What is published, compared with this.
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

/// Removes it, if hythe made it.
pub async fn remove(access: &Access) -> Result<Removal, ApiError> {
    match access.get(&object()).await? {
        None => Ok(Removal::Absent),
        Some(map) if !is_ours(&map) => Ok(Removal::NotOurs),
        Some(_) => Ok(if access.delete(&object()).await? { Removal::Removed } else { Removal::Absent }),
    }
}

/// What a `ConfigMap`'s data says. Fields that are not known are a later version's, and no fault.
fn read(data: Option<&serde_json::Value>) -> Result<Hosting, String> {
    let data = data.and_then(serde_json::Value::as_object);
    let Some(text) = data.and_then(|data| data.get(KEY)).and_then(serde_json::Value::as_str) else {
        // Seen in the wild: the fields as keys of their own, which no reader takes.
        let flattened = data.is_some_and(|data| data.keys().any(|key| key.starts_with(KEY)));
        let hint = if flattened { "; its fields stand as keys of their own, where nobody looks" } else { "" };
        return Err(format!("it has no key `{KEY}`{hint}"));
    };
    let hosting: Hosting = serde_saphyr::from_str(text).map_err(|error| {
        let error = error.to_string();
        format!(
            "the value of `{KEY}` is not YAML with the fields of the KEP: {}",
            error.lines().next().unwrap_or("")
        )
    })?;
    if hosting.host.is_none() && hosting.host_from_container_runtime.is_some() {
        return Err("it has `hostFromContainerRuntime` without `host`".to_owned());
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
    fn what_others_write_is_understood() {
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
    fn what_no_reader_understands_is_malformed() {
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
