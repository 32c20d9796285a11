//! Reads what the cluster already has of the registry, and decides which settings stay as they are.

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PodSpec};
use kube::ResourceExt as _;
use kube::api::ListParams;

use super::{Data, DeployError, DeployOptions, HostPath, Name, Quantity, Target, Workload};
use crate::api::{Access, ApiError, Kind, Object, Verb, is_ours};

/// What the cluster has of the registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Existing {
    /// The workload that runs the Pod, if it exists.
    pub(super) workload: Option<Running>,
    /// The claim, if it exists.
    pub(super) claim: Option<Claim>,
}

/// An existing workload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Running {
    pub(super) kind: Workload,
    /// The node's folder with the data, if the data is in a folder.
    pub(super) folder: Option<String>,
    /// The claim with the data, if the data is in a claim.
    pub(super) claim: Option<String>,
    /// The ConfigMap of the server's variables, if the workload has one.
    pub(super) config_map: Option<String>,
}

/// An existing claim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) name: String,
    pub(super) size: String,
    pub(super) class: Option<String>,
    pub(super) phase: Option<String>,
}

/// Fails if the registry does not exist. A registry without a Pod exists.
pub(super) async fn require(access: &Access, target: &Target) -> Result<(), DeployError> {
    match read(access, target).await?.workload {
        Some(_) => Ok(()),
        None => Err(DeployError::Absent(target.clone())),
    }
}

/// Reads what the cluster has of the registry. If hythe needs the name of an object that it did not make, this fails,
/// before anything is changed.
pub(super) async fn read(access: &Access, target: &Target) -> Result<Existing, ApiError> {
    let (namespace, name) = (target.namespace.as_str(), target.name.as_str());
    for object in
        [target.object(Kind::Service), target.node_port_service(), target.object(Kind::NetworkPolicy)]
    {
        require_ours(access, &object).await?;
    }
    let mut existing = Existing::default();
    let object = target.object(Kind::Deployment);
    let deployments = access.namespaced::<Deployment>(namespace);
    if let Some(found) = access.find(|| object.to_string(), deployments.get(name)).await? {
        check_ours(&found, &object)?;
        let pod = found.spec.and_then(|spec| spec.template.spec);
        existing.workload = Some(Running::of(Workload::Deployment, pod.unwrap_or_default()));
    }
    let object = target.object(Kind::StatefulSet);
    let sets = access.namespaced::<StatefulSet>(namespace);
    if let Some(found) = access.find(|| object.to_string(), sets.get(name)).await? {
        check_ours(&found, &object)?;
        let pod = found.spec.and_then(|spec| spec.template.spec);
        existing.workload = Some(Running::of(Workload::StatefulSet, pod.unwrap_or_default()));
    }
    existing.claim = find_claim(access, target, existing.workload.as_ref()).await?;
    Ok(existing)
}

/// The claim with the data, by the workload's name for it, or by its labels if there is no workload.
async fn find_claim(
    access: &Access,
    target: &Target,
    running: Option<&Running>,
) -> Result<Option<Claim>, ApiError> {
    let claims = access.namespaced::<PersistentVolumeClaim>(target.namespace.as_str());
    let named = running.and_then(|running| running.claim.as_deref()).unwrap_or(target.name.as_str());
    let object = Object::new(Kind::PersistentVolumeClaim, target.namespace.as_str(), named);
    if let Some(found) = access.find(|| object.to_string(), claims.get(named)).await? {
        check_ours(&found, &object)?;
        return Ok(Some(claim(found)));
    }
    if running.is_some() {
        return Ok(None);
    }
    let params = ListParams::default().labels(&target.selector());
    let listed = access.ask(Verb::List, || "PersistentVolumeClaims".to_owned(), claims.list(&params)).await?;
    Ok(listed.items.into_iter().find(is_ours).map(claim))
}

/// Fails if the object exists and hythe did not make it.
pub(super) async fn require_ours(access: &Access, object: &Object) -> Result<(), ApiError> {
    match access.get(object).await? {
        Some(found) => check_ours(&found, object),
        None => Ok(()),
    }
}

impl Running {
    fn of(kind: Workload, pod: PodSpec) -> Self {
        let volumes = pod.volumes.unwrap_or_default();
        let sources = pod.containers.into_iter().flat_map(|container| container.env_from.unwrap_or_default());
        Self {
            kind,
            folder: volumes.iter().find_map(|volume| Some(volume.host_path.as_ref()?.path.clone())),
            claim: volumes
                .iter()
                .find_map(|volume| Some(volume.persistent_volume_claim.as_ref()?.claim_name.clone())),
            config_map: sources.into_iter().find_map(|source| Some(source.config_map_ref?.name)),
        }
    }
}

fn check_ours(found: &impl kube::ResourceExt, object: &Object) -> Result<(), ApiError> {
    if is_ours(found) { Ok(()) } else { Err(ApiError::NotOurs { what: object.to_string() }) }
}

fn claim(found: PersistentVolumeClaim) -> Claim {
    let name = found.name_any();
    let spec = found.spec.unwrap_or_default();
    let requests = spec.resources.and_then(|resources| resources.requests);
    let size = requests.and_then(|mut requests| requests.remove("storage"));
    Claim {
        name,
        size: size.map(|size| size.0).unwrap_or_default(),
        class: spec.storage_class_name,
        phase: found.status.and_then(|status| status.phase),
    }
}

impl Existing {
    /// The options, completed with the settings that stay: no image may vanish because a flag was left out.
    pub(super) fn settle(&self, options: &DeployOptions) -> Result<DeployOptions, DeployError> {
        let mut settled = options.clone();
        if let (Data::Claim { .. }, Some(claim)) = (&options.data, &self.claim) {
            settled.claim = Some(claim.settle_name(options)?);
        }
        let map = self.workload.as_ref().and_then(|running| running.config_map.as_deref());
        settled.config_map = options.config_map.clone().or_else(|| map?.parse().ok());
        settled.data = self.settle_data(&options.data, &options.target)?;
        Ok(settled)
    }

    fn settle_data(&self, asked: &Data, target: &Target) -> Result<Data, DeployError> {
        let moved = |from: &str, to: &str| DeployError::Moves { from: from.to_owned(), to: to.to_owned() };
        let running = self.workload.as_ref();
        let name = running.and_then(|running| running.claim.as_deref()).unwrap_or(target.name.as_str());
        let claim_name = || format!("the claim {}/{name}", target.namespace);
        let folder = running.map(|running| running.folder.as_deref());
        match (folder, asked) {
            // An older hythe or a user may have written a path that is refused today. Such a path is not kept.
            (Some(Some(path)), Data::Claim { size: None, class: None }) => {
                return match path.parse::<HostPath>() {
                    Ok(path) => Ok(Data::HostPath(path)),
                    Err(_) => Err(moved(path, &claim_name())),
                };
            }
            (Some(Some(path)), Data::Claim { .. }) => return Err(moved(path, &claim_name())),
            (Some(Some(path)), Data::HostPath(asked)) if path != asked.as_str() => {
                return Err(moved(path, asked.as_str()));
            }
            (Some(None), Data::HostPath(asked)) => return Err(moved(&claim_name(), asked.as_str())),
            _ => {}
        }
        match (asked, &self.claim) {
            (Data::Claim { size, class }, Some(claim)) => claim.settle(size.clone(), class.as_ref(), target),
            _ => Ok(asked.clone()),
        }
    }
}

impl Claim {
    /// The claim's name. It cannot change: with another claim the registry would begin empty.
    fn settle_name(&self, options: &DeployOptions) -> Result<Name, DeployError> {
        let namespace = &options.target.namespace;
        match &options.claim {
            Some(asked) if asked.as_str() != self.name => Err(DeployError::Moves {
                from: format!("the claim {namespace}/{}", self.name),
                to: format!("the claim {namespace}/{asked}"),
            }),
            _ => Ok(self.name.parse().unwrap_or_else(|_| options.target.name.clone())),
        }
    }

    fn settle(
        &self,
        size: Option<Quantity>,
        class: Option<&super::StorageClass>,
        target: &Target,
    ) -> Result<Data, DeployError> {
        let claim = format!("{}/{}", target.namespace, self.name);
        let has: Option<Quantity> = self.size.parse().ok();
        if let (Some(has), Some(size)) = (&has, &size)
            && size < has
        {
            return Err(DeployError::Shrinks { claim, has: has.clone(), asked: size.clone() });
        }
        let own = self.class.as_deref().unwrap_or_default();
        if let Some(class) = class
            && class.as_str() != own
        {
            return Err(DeployError::OtherClass { claim, has: own.to_owned(), asked: class.clone() });
        }
        // The class that the cluster chose by default is written out, as a claim's class cannot change.
        Ok(Data::Claim { size: size.or(has), class: own.parse().ok() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target { namespace: "registry".parse().unwrap(), name: "registry".parse().unwrap() }
    }

    fn claimed(size: Option<&str>, class: Option<&str>) -> Data {
        Data::Claim {
            size: size.map(|text| text.parse().unwrap()),
            class: class.map(|text| text.parse().unwrap()),
        }
    }

    fn on(path: &str) -> Data {
        Data::HostPath(path.parse().unwrap())
    }

    fn a_claim() -> Claim {
        let (size, class) = ("20Gi".to_owned(), Some("standard".to_owned()));
        Claim { name: "registry".to_owned(), size, class, phase: None }
    }

    fn in_folder() -> Running {
        Running { folder: Some("/data".to_owned()), ..Running::default() }
    }

    #[test]
    fn chosen_names_stay_and_the_claims_name_cannot_change() {
        let name = |text: &str| Some(text.parse().unwrap());
        let claim = Claim { name: "registry-storage".to_owned(), ..a_claim() };
        let running = Running {
            claim: Some("registry-storage".to_owned()),
            config_map: Some("registry-config".to_owned()),
            ..Running::default()
        };
        let there = Existing { workload: Some(running), claim: Some(claim) };
        let image = super::super::ImageSource::Nodes("localhost/hythe:1".parse().unwrap());
        let options = DeployOptions::new(target(), image).unwrap();
        let settled = there.settle(&options).unwrap();
        assert_eq!((settled.claim, settled.config_map), (name("registry-storage"), name("registry-config")));
        let error =
            there.settle(&DeployOptions { claim: name("other"), ..options.clone() }).unwrap_err().to_string();
        assert!(error.contains("registry/registry-storage") && error.contains("registry/other"), "{error}");
        let settled = there.settle(&DeployOptions { config_map: name("other"), ..options }).unwrap();
        assert_eq!(settled.config_map, name("other"));
    }

    fn settle(existing: &Existing, data: Data) -> Result<Data, String> {
        let image = super::super::ImageSource::Nodes("localhost/hythe:1".parse().unwrap());
        let options = DeployOptions { data, ..DeployOptions::new(target(), image).unwrap() };
        existing.settle(&options).map(|options| options.data).map_err(|error| error.to_string())
    }

    #[test]
    fn data_options_that_are_left_out_stay_as_they_are() {
        let claim = a_claim();
        let there = Existing { workload: Some(Running::default()), claim: Some(claim.clone()) };
        assert_eq!(settle(&there, claimed(None, None)), Ok(claimed(Some("20Gi"), Some("standard"))));
        assert_eq!(settle(&there, claimed(Some("30Gi"), None)), Ok(claimed(Some("30Gi"), Some("standard"))));
        // `hythe deploy remove` left this claim.
        let left = Existing { workload: None, claim: Some(claim) };
        assert_eq!(settle(&left, claimed(None, None)), Ok(claimed(Some("20Gi"), Some("standard"))));
        assert_eq!(settle(&left, on("/data")), Ok(on("/data")));

        let folder = Existing { workload: Some(in_folder()), claim: None };
        assert_eq!(settle(&folder, claimed(None, None)), Ok(on("/data")));
        assert_eq!(settle(&Existing::default(), claimed(None, None)), Ok(claimed(None, None)));
    }

    #[test]
    fn data_is_not_left_behind_and_a_claim_does_not_shrink() {
        let there = Existing { workload: Some(Running::default()), claim: Some(a_claim()) };
        let folder = Existing { workload: Some(in_folder()), claim: None };
        for (existing, data, reason) in [
            (&there, claimed(Some("10Gi"), None), "has 20Gi"),
            (&there, claimed(None, Some("fast")), "`standard`"),
            (&there, on("/data"), "the claim registry/registry"),
            (&folder, claimed(Some("10Gi"), None), "/data"),
            (&folder, on("/other"), "/other"),
        ] {
            let error = settle(existing, data).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
