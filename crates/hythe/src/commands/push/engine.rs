//! Pushes an image of a container engine.

use std::sync::Arc;

use hythe_cluster::image::Image;
use hythe_engine::{Disk, Engine, EngineImage, OwnImage, StoreImage, Survey, Way};
use hythe_oci::{ImageName, ImageNameParts, Reference, Tag};
use hythe_transfer::{Error, Source};

use super::pusher::{Pushed, Pusher};
use crate::args::Via;
use crate::failure::Failure;

/// The most names that a message lists.
const NAMES: usize = 5;

impl Pusher<'_> {
    /// Pushes an image of the engine.
    pub(super) async fn push_of_engine(&self, image: &str, to: &ImageName) -> Result<Pushed, Failure> {
        let engine = self.engine().await?;
        let Some(found) = engine.find_image(image).await? else {
            return Err(absent(engine, image).await);
        };
        let by_choice = "by the engine's own push, as --via engine asks".to_owned();
        let reason = match self.args.via {
            Via::Engine => by_choice,
            Via::Auto | Via::Store => {
                let survey = Survey::of(engine, &found.id, own_image).await?;
                match survey.way {
                    Way::Store(disk) => {
                        self.note(&format!("{image}: {}", survey.reason));
                        match self.push_of_store(disk, image, &found, to).await? {
                            Ok(pushed) => return Ok(Pushed { way: ("store", survey.reason), ..pushed }),
                            Err(why) if self.args.via == Via::Store => return Err(Failure::Images(why)),
                            Err(why) => format!("by the engine's own push: {why}"),
                        }
                    }
                    Way::Engine if self.args.via == Via::Store => {
                        let problem =
                            format!("{image} cannot be read from the engine's store: {}", survey.reason);
                        return Err(Failure::Images(problem));
                    }
                    Way::Engine => survey.reason,
                }
            }
        };
        self.note(&format!("{image}: {reason}"));
        self.push_by_engine(engine, image, &found, to, reason).await
    }

    /// Reads the layers that the registry lacks from the engine's store. The inner error says why the store could not be
    /// read; the registry's errors are the outer ones.
    async fn push_of_store(
        &self,
        disk: Disk,
        name: &str,
        found: &EngineImage,
        to: &ImageName,
    ) -> Result<Result<Pushed, String>, Failure> {
        let target = self.registries.remote(to)?;
        let tag = to.tag().cloned().unwrap_or_else(Tag::latest);
        let reference = Reference::Tag(tag.clone());
        let ready = async {
            let image = StoreImage::open(disk, found.id, name).await?;
            image.ready(Some((&target, &reference))).await
        };
        let ready = match ready.await {
            Ok(ready) => Arc::new(ready),
            Err(error @ Error::Read { .. }) => return Ok(Err(error.to_string())),
            Err(error) => return Err(error.into()),
        };
        let (digest, have) = (ready.digest(), ready.have);
        let source: Arc<dyn Source> = Arc::clone(&ready) as Arc<dyn Source>;
        let by_digest = Reference::Digest(digest);
        let copied =
            hythe_transfer::copy(&source, &by_digest, &target, &[tag], &self.plan, &self.watch).await;
        let mut copied = match copied {
            Ok(copied) => copied,
            Err(error) if ready.is_damaged() => {
                return Ok(Err(format!(
                    "the engine's store does not give the layers' exact bytes ({error})"
                )));
            }
            Err(error @ Error::Read { .. }) => return Ok(Err(error.to_string())),
            Err(error) => return Err(error.into()),
        };
        copied.mounted += have.mounted as u64;
        let existing = copied.existing.saturating_sub(have.mounted as u64);
        let now = self.engine().await?.find_image(name).await?.map(|now| now.id);
        if now.is_some_and(|now| now != found.id) {
            self.note(&format!(
                "{name} was built again during the push: the registry has the earlier image; push again for the new one"
            ));
        }
        Ok(Ok(Pushed {
            reference: to.clone(),
            digest,
            way: ("store", String::new()),
            existing,
            copied: Some(copied),
        }))
    }

    /// Lets the engine push. The name at the registry is given to the image for as long as the push takes.
    async fn push_by_engine(
        &self,
        engine: &Engine,
        image: &str,
        found: &EngineImage,
        to: &ImageName,
        reason: String,
    ) -> Result<Pushed, Failure> {
        let login = self.login(to.registry())?;
        let id = found.id.to_string();
        let former = engine.find_image(to.as_str()).await?;
        let is_named = former.as_ref().is_some_and(|former| former.id == found.id);
        if !is_named {
            engine.tag(image, to).await?;
        }
        let pushed = engine.push(to, login.as_ref()).await;
        if !is_named {
            match &former {
                Some(former) => engine.tag(&former.id.to_string(), to).await?,
                // An image whose only name is removed would be removed with it.
                None if found.names.is_empty() => {
                    self.note(&format!("{id} had no name, so it keeps {to}"));
                }
                None => engine.remove_image(to.as_str()).await?,
            }
        }
        pushed?;
        let target = self.registries.remote(to)?;
        let tag = Reference::Tag(to.tag().cloned().unwrap_or_else(Tag::latest));
        let digest = target.resolve(&tag).await?;
        Ok(Pushed { reference: to.clone(), digest, way: ("engine", reason), copied: None, existing: 0 })
    }
}

/// hythe's own image, for a helper container.
fn own_image() -> Result<OwnImage, String> {
    let Image { reference, architecture, archive } =
        Image::of(None, env!("CARGO_PKG_VERSION")).map_err(|error| error.to_string())?;
    Ok(OwnImage { reference, architecture, archive })
}

/// The error for an image that the engine does not have, with names that are near.
pub(in crate::commands) async fn absent(engine: &Engine, image: &str) -> Failure {
    let names = engine.image_names().await.unwrap_or_default();
    let title = engine.title();
    let path = |name: &str| ImageNameParts::of(name).path.to_owned();
    let wanted = path(image);
    let mut near: Vec<(usize, &String)> = names
        .iter()
        .map(|name| (strsim::osa_distance(&path(name), &wanted), name))
        .filter(|(distance, _)| *distance <= 1 + wanted.chars().count().min(100) / 4)
        .collect();
    near.sort();
    let near: Vec<&str> = near.iter().take(NAMES).map(|(_, name)| name.as_str()).collect();
    let program = if engine.is_podman() { "podman" } else { "docker" };
    let what_to_do = if near.is_empty() {
        format!("`{program} images` lists its images")
    } else {
        format!("it has {}", near.join(", "))
    };
    Failure::Images(format!("{title} has no image {image}: {what_to_do}"))
}
