//! Pushes an image of a container engine.

use std::sync::Arc;

use hythe_engine::{Compression, Disk, Engine, EngineImage, StoreImage, Survey, Target, Way};
use hythe_oci::{ImageName, Reference, Tag};
use hythe_transfer::{Error, Source};

use super::compression::compression;
use super::pusher::{Pushed, Pusher};
use crate::args::Via;
use crate::commands::engine::{absent, engine_login, own_image, saved};
use crate::commands::interrupt::interrupted;
use crate::console::count_of;
use crate::failure::Failure;

impl Pusher<'_> {
    /// Pushes an image of the engine.
    pub(super) async fn push_of_engine(&self, image: &str, to: &ImageName) -> Result<Pushed, Failure> {
        let engine = self.engine().await?;
        let Some(found) = engine.find_image(image).await? else {
            return Err(absent(engine, image).await);
        };
        let reason = match self.args.via {
            Via::Engine => "by the engine's own push, as --via engine asks".to_owned(),
            Via::Auto | Via::Store => {
                let survey = Survey::of(engine, &found.id, own_image).await?;
                match survey.way {
                    Way::Store(disk) => {
                        self.note(&format!("{image}: {}", survey.reason));
                        match self.push_of_store(disk, image, &found, to).await? {
                            Ok(pushed) => return Ok(Pushed { way: ("store", survey.reason), ..pushed }),
                            Err(why) if self.args.via == Via::Store => return Err(Failure::Images(why)),
                            Err(why) => why,
                        }
                    }
                    Way::Blobs(layout) => {
                        self.note(&format!("{image}: {}", survey.reason));
                        let source: Arc<dyn Source> = layout;
                        let image = Reference::Digest(found.id);
                        return self.copy_from(&source, &image, to, ("store", survey.reason)).await;
                    }
                    Way::Engine if self.args.via == Via::Store => {
                        let problem = format!("the layers of {image} cannot be read: {}", survey.reason);
                        return Err(Failure::Images(problem));
                    }
                    Way::Engine => survey.reason,
                }
            }
        };
        if engine.is_podman() && self.args.via != Via::Engine {
            // Podman's own push refuses plain HTTP unless its configuration allows it.
            let reason = format!("from an archive that Podman writes: {reason}");
            self.note(&format!("{image}: {reason}"));
            let saved = saved(engine, image).await?;
            let source: Arc<dyn Source> = saved.source;
            return self.copy_from(&source, &saved.reference, to, ("archive", reason)).await;
        }
        let reason = match reason.strip_prefix("by the engine's own push") {
            Some(_) => reason,
            None => format!("by the engine's own push: {reason}"),
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
        let remote = self.registries.remote(to)?;
        let tag = to.tag().cloned().unwrap_or_else(Tag::latest);
        let reference = Reference::Tag(tag.clone());
        let ready = async {
            let image = StoreImage::open(disk, found.id, name).await?;
            let base: Option<ImageName> = image.base().and_then(|base| base.parse().ok());
            let base = base.filter(|base| base.registry() == to.registry());
            let base = base.and_then(|base| Some((self.registries.remote(&base).ok()?, base.reference())));
            let base = base.as_ref().map(|(remote, reference)| (remote, reference));
            let there = image.look_up(Some(Target { remote: &remote, reference: &reference, base })).await?;
            let (missing, mounted) = (there.missing(), there.mounted() as u64);
            let compression = compression(self.args.compression, to.registry()).await;
            if missing > 0 && compression != Compression::None {
                let layers = count_of(missing as u64, "layer");
                let how = if compression == Compression::Gzip { "gzip" } else { "zstd" };
                self.note(&format!("{name}: compressing {layers} with {how}"));
            }
            Ok((there.ready(compression).await?, mounted))
        };
        let (ready, mounted) = match ready.await {
            Ok((ready, mounted)) => (Arc::new(ready), mounted),
            Err(error @ Error::Read { .. }) => return Ok(Err(error.to_string())),
            Err(error) => return Err(error.into()),
        };
        let digest = ready.digest();
        let source: Arc<dyn Source> = Arc::clone(&ready) as Arc<dyn Source>;
        let by_digest = Reference::Digest(digest);
        let copied =
            hythe_transfer::copy(&source, &by_digest, &remote, &[tag], &self.plan, &self.watch).await;
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
        copied.mounted += mounted;
        let existing = copied.existing.saturating_sub(mounted);
        let now = self.engine().await?.find_image(name).await?.map(|now| now.id);
        if now.is_some_and(|now| now != found.id) {
            self.note(&format!(
                "{name} was built again during the push: the registry has the earlier image; push again for the new one"
            ));
        }
        let way = ("store", String::new());
        Ok(Ok(Pushed { reference: to.clone(), digest, way, existing, copied: Some(copied) }))
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
        let login = engine_login(self.environment, to.registry())?;
        let former = engine.find_image(to.as_str()).await?;
        let is_named = former.as_ref().is_some_and(|former| former.id == found.id);
        if !is_named {
            engine.tag(image, to).await?;
        }
        let pushed = tokio::select! {
            pushed = engine.push(to, login.as_ref()) => pushed.map_err(Failure::from),
            () = interrupted() => Err(Failure::Images(format!("the push of {to} was interrupted"))),
        };
        let restored = async {
            // A build may have given the name to another image meanwhile.
            let now = engine.find_image(to.as_str()).await?.map(|now| now.id);
            match &former {
                _ if is_named || now != Some(found.id) => Ok(()),
                Some(former) => engine.tag(&former.id.to_string(), to).await,
                // An image whose only name is removed would be removed with it.
                None if found.names.is_empty() => {
                    self.note(&format!("{} had no name, so it keeps {to}", found.id));
                    Ok(())
                }
                None => engine.remove_image(to.as_str()).await,
            }
        };
        if let Err(failure) = pushed {
            restored.await?;
            return Err(failure);
        }
        let remote = self.registries.remote(to)?;
        let tag = Reference::Tag(to.tag().cloned().unwrap_or_else(Tag::latest));
        let (restored, digest) = tokio::join!(restored, remote.resolve(&tag));
        let digest = digest?;
        restored?;
        Ok(Pushed { reference: to.clone(), digest, way: ("engine", reason), copied: None, existing: 0 })
    }
}
