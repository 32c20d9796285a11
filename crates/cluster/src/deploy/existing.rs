//! What of the registry is in the cluster already, and what of it stays as it is.

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PodSpec};

use super::{Data, DeployError, HostPath, Options, Quantity, Target, Workload};
use crate::api::{Access, ApiError, Kind, Object, is_ours};

/// What of the registry is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Existing {
    /// What runs the Pod, and the node's folder that has the data, if one has.
    pub(super) workload: Option<(Workload, Option<String>)>,
    /// The claim.
    pub(super) claim: Option<Claim>,
}

/// A claim that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) size: String,
    pub(super) class: Option<String>,
    pub(super) phase: Option<String>,
}

/// That there is a registry, though perhaps nothing of it runs.
pub(super) async fn require(access: &Access, target: &Target) -> Result<(), DeployError> {
    match read(access, target).await?.workload {
        Some(_) => Ok(()),
        None => Err(DeployError::Absent(target.clone())),
    }
}

/// Reads it. An object of a name that is needed, which hythe did not make, is an error before anything is done.
pub(super) async fn read(access: &Access, target: &Target) -> Result<Existing, ApiError> {
    let (namespace, name) = (target.namespace.as_str(), target.name.as_str());
    for object in
        [target.object(Kind::Service), target.node_port_service(), target.object(Kind::NetworkPolicy)]
    {
        if let Some(found) = access.get(&object).await? {
            check_ours(&found, &object)?;
        }
    }
    let mut existing = Existing::default();
    let object = target.object(Kind::Deployment);
    let deployments = access.namespaced::<Deployment>(namespace);
    if let Some(found) = access.find(|| object.to_string(), deployments.get(name)).await? {
        check_ours(&found, &object)?;
        let pod = found.spec.and_then(|spec| spec.template.spec);
        existing.workload = Some((Workload::Deployment, host_path(pod)));
    }
    let object = target.object(Kind::StatefulSet);
    let sets = access.namespaced::<StatefulSet>(namespace);
    if let Some(found) = access.find(|| object.to_string(), sets.get(name)).await? {
        check_ours(&found, &object)?;
        let pod = found.spec.and_then(|spec| spec.template.spec);
        existing.workload = Some((Workload::StatefulSet, host_path(pod)));
    }
    let object = target.object(Kind::PersistentVolumeClaim);
    let claims = access.namespaced::<PersistentVolumeClaim>(namespace);
    if let Some(found) = access.find(|| object.to_string(), claims.get(name)).await? {
        check_ours(&found, &object)?;
        existing.claim = Some(claim(found));
    }
    Ok(existing)
}

fn check_ours(found: &impl kube::ResourceExt, object: &Object) -> Result<(), ApiError> {
    if is_ours(found) { Ok(()) } else { Err(ApiError::NotOurs { what: object.to_string() }) }
}

fn host_path(pod: Option<PodSpec>) -> Option<String> {
    pod?.volumes?.into_iter().find_map(|volume| Some(volume.host_path?.path))
}

fn claim(found: PersistentVolumeClaim) -> Claim {
    let spec = found.spec.unwrap_or_default();
    let requests = spec.resources.and_then(|resources| resources.requests);
    let size = requests.and_then(|mut requests| requests.remove("storage"));
    Claim {
        size: size.map(|size| size.0).unwrap_or_default(),
        class: spec.storage_class_name,
        phase: found.status.and_then(|status| status.phase),
    }
}

impl Existing {
    /// The options with what stays as it is: images are not to vanish because a flag was left out.
    pub(super) fn settle(&self, options: &Options) -> Result<Options, DeployError> {
        let mut settled = options.clone();
        settled.data = self.settle_data(&options.data, &options.target)?;
        Ok(settled)
    }

    fn settle_data(&self, asked: &Data, target: &Target) -> Result<Data, DeployError> {
        let moved = |from: &str, to: &str| DeployError::Moves { from: from.to_owned(), to: to.to_owned() };
        let claim_name = || format!("the claim {}/{}", target.namespace, target.name);
        match (&self.workload, asked) {
            // A path that is refused today was written by an older hythe, or by hand: it is not one to be kept.
            (Some((_, Some(path))), Data::Claim { size: None, class: None }) => {
                return match path.parse::<HostPath>() {
                    Ok(path) => Ok(Data::HostPath(path)),
                    Err(_) => Err(moved(path, &claim_name())),
                };
            }
            (Some((_, Some(path))), Data::Claim { .. }) => return Err(moved(path, &claim_name())),
            (Some((_, Some(path))), Data::HostPath(asked)) if path != asked.as_str() => {
                return Err(moved(path, asked.as_str()));
            }
            (Some((_, None)), Data::HostPath(asked)) => return Err(moved(&claim_name(), asked.as_str())),
            _ => {}
        }
        match (asked, &self.claim) {
            (Data::Claim { size, class }, Some(claim)) => claim.settle(size.clone(), class.as_ref(), target),
            _ => Ok(asked.clone()),
        }
    }
}

impl Claim {
    fn settle(
        &self,
        size: Option<Quantity>,
        class: Option<&super::StorageClass>,
        target: &Target,
    ) -> Result<Data, DeployError> {
        let claim = format!("{}/{}", target.namespace, target.name);
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
        // What the cluster chose by default is written as if it had been asked for: it cannot change any more.
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

    fn settle(existing: &Existing, data: Data) -> Result<Data, String> {
        let image = super::super::Source::Nodes("localhost/hythe:1".parse().unwrap());
        let options = Options { data, ..Options::new(target(), image).unwrap() };
        existing.settle(&options).map(|options| options.data).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_said_stays_as_it_is() {
        let claim = Claim { size: "20Gi".to_owned(), class: Some("standard".to_owned()), phase: None };
        let there = Existing { workload: Some((Workload::Deployment, None)), claim: Some(claim.clone()) };
        assert_eq!(settle(&there, claimed(None, None)), Ok(claimed(Some("20Gi"), Some("standard"))));
        assert_eq!(settle(&there, claimed(Some("30Gi"), None)), Ok(claimed(Some("30Gi"), Some("standard"))));
        // The claim that was left when the registry was removed.
        let left = Existing { workload: None, claim: Some(claim) };
        assert_eq!(settle(&left, claimed(None, None)), Ok(claimed(Some("20Gi"), Some("standard"))));
        assert_eq!(settle(&left, on("/data")), Ok(on("/data")));

        let folder =
            Existing { workload: Some((Workload::Deployment, Some("/data".to_owned()))), claim: None };
        assert_eq!(settle(&folder, claimed(None, None)), Ok(on("/data")));
        assert_eq!(settle(&Existing::default(), claimed(None, None)), Ok(claimed(None, None)));
    }

    #[test]
    fn data_is_not_left_behind_and_a_claim_does_not_shrink() {
        let claim = Claim { size: "20Gi".to_owned(), class: Some("standard".to_owned()), phase: None };
        let there = Existing { workload: Some((Workload::Deployment, None)), claim: Some(claim) };
        let folder =
            Existing { workload: Some((Workload::StatefulSet, Some("/data".to_owned()))), claim: None };
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
