//! The objects that hythe makes in a cluster: their kinds, names and content.

use std::fmt;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, PersistentVolumeClaim, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::ApiResource;
use serde_json::{Value, json};

/// The label that names an object's maker, and its value for hythe.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "hythe");

/// The kinds of objects that hythe makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Kind {
    /// A namespace.
    Namespace,
    /// A configuration map.
    ConfigMap,
    /// A claim of storage.
    PersistentVolumeClaim,
    /// A policy of who may connect.
    NetworkPolicy,
    /// A service.
    Service,
    /// A workload whose Pods are interchangeable.
    Deployment,
    /// A workload whose Pods have fixed names; a Pod is gone before its successor starts.
    StatefulSet,
}

impl Kind {
    pub(super) fn resource(self) -> ApiResource {
        match self {
            Self::Namespace => ApiResource::erase::<Namespace>(&()),
            Self::ConfigMap => ApiResource::erase::<ConfigMap>(&()),
            Self::PersistentVolumeClaim => ApiResource::erase::<PersistentVolumeClaim>(&()),
            Self::NetworkPolicy => ApiResource::erase::<NetworkPolicy>(&()),
            Self::Service => ApiResource::erase::<Service>(&()),
            Self::Deployment => ApiResource::erase::<Deployment>(&()),
            Self::StatefulSet => ApiResource::erase::<StatefulSet>(&()),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.resource().kind)
    }
}

/// The name of an object.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Object {
    /// The object's kind.
    pub kind: Kind,
    /// The object's namespace; none for an object outside of namespaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The object's name.
    pub name: String,
}

impl Object {
    /// An object in a namespace.
    pub fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        Self { kind, namespace: Some(namespace.to_owned()), name: name.to_owned() }
    }

    /// A namespace.
    pub fn namespace(name: &str) -> Self {
        Self { kind: Kind::Namespace, namespace: None, name: name.to_owned() }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// An object with its content.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// The object's kind and name.
    pub object: Object,
    body: Value,
}

impl Manifest {
    /// An object with [`MANAGED_BY`] and these labels, and with these fields (`spec`, `data`).
    pub(crate) fn new(object: Object, labels: &[(&str, &str)], fields: Value) -> Self {
        let resource = object.kind.resource();
        let labels: serde_json::Map<String, Value> = labels
            .iter()
            .chain([&MANAGED_BY])
            .map(|(key, value)| ((*key).to_owned(), json!(value)))
            .collect();
        let mut body = json!({
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": { "name": object.name, "labels": labels },
        });
        if let Some(namespace) = &object.namespace {
            body["metadata"]["namespace"] = json!(namespace);
        }
        if let (Value::Object(body), Value::Object(fields)) = (&mut body, fields) {
            body.extend(fields);
        }
        Self { object, body }
    }

    /// The object's content, as the API takes it.
    pub fn body(&self) -> &Value {
        &self.body
    }
}
