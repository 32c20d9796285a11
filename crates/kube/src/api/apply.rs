//! Writes objects by server-side apply: a field belongs to its last writer, and hythe takes none over unless told to.

use std::collections::BTreeMap;

use k8s_openapi::NamespaceResourceScope;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PropagationPolicy, ValidationDirective,
};
use kube::{Api, Resource, ResourceExt};
use serde_json::Value;

use super::{Access, ApiError, MANAGED_BY, Manifest, Object, Verb};

/// hythe's name among the writers of a field.
pub const FIELD_MANAGER: &str = "hythe";

/// What an apply did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// The object is new.
    Created,
    /// The object changed.
    Changed,
    /// The object was already as written.
    Unchanged,
}

/// Whether hythe made an object, by its label.
pub fn is_ours(object: &impl ResourceExt) -> bool {
    object.labels().get(MANAGED_BY.0).is_some_and(|value| value == MANAGED_BY.1)
}

impl Access {
    fn dynamic(&self, object: &Object) -> Api<DynamicObject> {
        let resource = object.kind.resource();
        match &object.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        }
    }

    /// The API of a type's objects in a namespace.
    pub(crate) fn namespaced<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// The API of a resource's objects in a namespace.
    pub(crate) fn namespaced_with(&self, namespace: &str, resource: &ApiResource) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, resource)
    }

    /// The API of a type's objects without a namespace, or in all namespaces.
    pub(crate) fn cluster_wide<K: Resource<DynamicType = ()>>(&self) -> Api<K> {
        Api::all(self.client.clone())
    }

    /// The object, if it exists.
    pub(crate) async fn get(&self, object: &Object) -> Result<Option<DynamicObject>, ApiError> {
        let api = self.dynamic(object);
        self.find(|| object.to_string(), api.get(&object.name)).await
    }

    /// Whether the object exists.
    pub async fn exists(&self, object: &Object) -> Result<bool, ApiError> {
        Ok(self.get(object).await?.is_some())
    }

    /// Asks whether the API would accept an object, and changes nothing.
    pub(crate) async fn try_apply(&self, manifest: &Manifest, force: bool) -> Result<(), ApiError> {
        let params = PatchParams { dry_run: true, ..params(force) };
        self.patch(manifest, &params).await.map(drop)
    }

    /// Creates an object, or changes it to what is written.
    pub(crate) async fn apply(&self, manifest: &Manifest, force: bool) -> Result<Change, ApiError> {
        let before = self.get(&manifest.object).await?;
        let after = self.patch(manifest, &params(force)).await?;
        Ok(match before {
            None => Change::Created,
            Some(before) if says(&before) == says(&after) => Change::Unchanged,
            Some(_) => Change::Changed,
        })
    }

    async fn patch(&self, manifest: &Manifest, params: &PatchParams) -> Result<DynamicObject, ApiError> {
        let object = &manifest.object;
        let (api, patch) = (self.dynamic(object), Patch::Apply(manifest.body()));
        self.ask(Verb::Patch, || object.to_string(), api.patch(&object.name, params, &patch)).await
    }

    /// Removes an object, and says whether it existed. Objects that belong to it, such as a workload's Pods, go later.
    pub(crate) async fn delete(&self, object: &Object) -> Result<bool, ApiError> {
        let api = self.dynamic(object);
        let params = DeleteParams {
            propagation_policy: Some(PropagationPolicy::Background),
            ..DeleteParams::default()
        };
        let request = async {
            match api.delete(&object.name, &params).await {
                Ok(_) => Ok(true),
                Err(kube::Error::Api(status)) if status.is_not_found() => Ok(false),
                Err(error) => Err(error),
            }
        };
        self.ask(Verb::Delete, || object.to_string(), request).await
    }
}

/// The labels and fields of an object, without those that the cluster keeps about it. Applying the same claim the first
/// time makes a new version of it with the same content.
fn says(object: &DynamicObject) -> (&BTreeMap<String, String>, BTreeMap<&str, &Value>) {
    let fields = object.data.as_object().into_iter().flatten();
    let fields = fields.filter(|(name, _)| *name != "status").map(|(name, value)| (name.as_str(), value));
    (object.labels(), fields.collect())
}

fn params(force: bool) -> PatchParams {
    PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        // A field that the server does not know is an error of hythe's, so the server must not drop it silently.
        field_validation: Some(ValidationDirective::Strict),
        force,
        ..PatchParams::default()
    }
}
