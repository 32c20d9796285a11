//! The engine's named volumes.

use std::collections::HashMap;

use bollard::models::VolumeCreateRequest;
use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveVolumeOptions};

use super::{DELETION, Engine, EngineError, PATIENCE, absent, within};

impl Engine {
    /// The names of the containers, stopped ones included, that mount a volume.
    pub async fn containers_with(&self, volume: &str) -> Result<Vec<String>, EngineError> {
        let filters = HashMap::from([("volume", vec![volume])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let listed =
            within(PATIENCE, "list its containers", self.docker.list_containers(Some(options))).await?;
        let names = listed.into_iter().filter_map(|container| container.names?.into_iter().next());
        Ok(names.map(|name| name.trim_start_matches('/').to_owned()).collect())
    }

    /// The labels of the volume of this name, if it exists.
    pub async fn volume(&self, name: &str) -> Result<Option<HashMap<String, String>>, EngineError> {
        let inspected = self.docker.inspect_volume(name);
        let found = absent(within(PATIENCE, format!("inspect the volume {name}"), inspected).await)?;
        Ok(found.map(|volume| volume.labels))
    }

    /// Creates an empty volume with labels. Labels cannot be changed later.
    pub async fn create_volume(
        &self,
        name: &str,
        labels: HashMap<String, String>,
    ) -> Result<(), EngineError> {
        let request = VolumeCreateRequest {
            name: Some(name.to_owned()),
            labels: Some(labels),
            ..VolumeCreateRequest::default()
        };
        let created = self.docker.create_volume(request);
        within(PATIENCE, format!("create the volume {name}"), created).await.map(drop)
    }

    /// Removes a named volume with its content.
    pub async fn remove_volume(&self, name: &str) -> Result<(), EngineError> {
        let removed = self.docker.remove_volume(name, None::<RemoveVolumeOptions>);
        absent(within(DELETION, format!("remove the volume {name}"), removed).await).map(drop)
    }
}
