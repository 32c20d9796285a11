//! Removes a registry from a cluster.

use super::{DeployError, Progress, Target, Workload, existing};
use crate::api::{Access, Kind, Object, is_ours};

/// What a removal removed, and what it left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// The objects that were removed.
    pub objects: Vec<Object>,
    /// What was left.
    pub left: Vec<Left>,
}

/// What a removal leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    /// The claim with the data, which the next deployment of this name uses again.
    Claim(Object),
    /// The node's folder with the data, which the cluster's API cannot remove.
    Folder(String),
    /// The namespace, in which others may have objects by now.
    Namespace(Object),
}

/// Removes the registry, and with `data` its claim.
pub async fn remove(
    access: &Access,
    target: &Target,
    data: bool,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Removed, DeployError> {
    // This also fails if hythe did not make one of the objects.
    let existing = existing::read(access, target).await?;
    let mut objects = vec![
        target.object(Workload::Deployment.kind()),
        target.object(Workload::StatefulSet.kind()),
        target.node_port_service(),
        target.object(Kind::Service),
        target.object(Kind::NetworkPolicy),
    ];
    let running = existing.workload.unwrap_or_default();
    let named = |kind: Kind, name: Option<String>| {
        name.map_or_else(|| target.object(kind), |name| Object::new(kind, target.namespace.as_str(), &name))
    };
    let map = named(Kind::ConfigMap, running.config_map);
    if access.get(&map).await?.is_some_and(|found| is_ours(&found)) {
        objects.push(map);
    }
    let has_claim = existing.claim.is_some();
    let claim = named(Kind::PersistentVolumeClaim, existing.claim.map(|claim| claim.name));
    if data {
        objects.push(claim.clone());
    }
    let mut removed = Removed::default();
    for object in objects {
        if access.get(&object).await?.is_some() && access.delete(&object).await? {
            progress(Progress::Removed(object.clone()));
            removed.objects.push(object);
        }
    }
    if removed.objects.is_empty() && (data || !has_claim) {
        return Err(DeployError::Absent(target.clone()));
    }
    if !data && has_claim {
        removed.left.push(Left::Claim(claim));
    }
    removed.left.extend(running.folder.map(Left::Folder));
    let namespace = Object::namespace(target.namespace.as_str());
    if access.get(&namespace).await?.is_some_and(|found| is_ours(&found)) {
        removed.left.push(Left::Namespace(namespace));
    }
    Ok(removed)
}
