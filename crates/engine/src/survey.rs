//! Finds the way by which hythe gets the bytes of an engine's image.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bollard::models::SystemInfo;
use bytes::Bytes;
use hythe_oci::{Digest, ImageName, Platform};
use hythe_transfer::Layout;

use crate::disk::Disk;
use crate::engine::{Engine, EngineError};
use crate::helper::Helper;
use crate::store::{Ask, Form, Store};

/// The type of containerd's store in the engine's description of itself.
const CONTAINERD: &str = "io.containerd.snapshotter.v1";

/// The folder of containerd's blobs in its root.
const CONTENT: &str = "io.containerd.content.v1.content";

/// hythe's own image, for a helper container.
#[derive(Clone, Debug)]
pub struct OwnImage {
    /// A name that only the image of this very binary has in the engine.
    pub name: ImageName,
    /// The platform of the binary.
    pub platform: Platform,
    /// Makes the image: its usual name, and its archive in the format of `docker save`.
    pub make: fn() -> Result<(String, Bytes), String>,
}

/// The way to an image's layers.
#[derive(Clone, Debug)]
pub enum Way {
    /// hythe reads the layers that the registry lacks.
    Store(Disk),
    /// hythe reads the blobs that the registry lacks, as they are.
    Blobs(Arc<Layout>),
    /// The engine's own push.
    Engine,
}

/// The way to an image's layers, and why.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The way.
    pub way: Way,
    /// The way and its reason, as a sentence without a period.
    pub reason: String,
}

/// What an engine says about its store.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    /// containerd's store. Its blobs are in one of these folders.
    Containerd(Vec<PathBuf>),
    /// A store that hythe can read, if it may.
    Known {
        store: Store,
        /// Why a helper container could not read it.
        no_helper: Option<&'static str>,
    },
    /// Another store, and what it is.
    Unknown(String),
}

impl Found {
    fn of(info: &SystemInfo, is_podman: bool) -> Self {
        let mut status = info.driver_status.iter().flatten();
        if status.any(|line| line.iter().any(|word| word == CONTAINERD)) {
            // A containerd that the engine starts has its folder in the engine's; another one has its own.
            let own = info.docker_root_dir.as_deref().map(|root| Path::new(root).join("containerd/daemon"));
            let roots = own.into_iter().chain([PathBuf::from("/var/lib/containerd")]);
            return Self::Containerd(roots.map(|root| root.join(CONTENT)).collect());
        }
        let driver = info.driver.clone().unwrap_or_default();
        let form = if is_podman { Form::Podman } else { Form::Docker };
        let root = info.docker_root_dir.as_deref().filter(|root| root.starts_with('/'));
        match root {
            Some(root) if Store::is_known(form, &driver) => {
                let options = info.security_options.iter().flatten();
                let names: Vec<&str> = options.filter_map(|option| option.split(',').next()).collect();
                let no_helper = if is_podman {
                    Some("hythe starts no helper containers in Podman")
                } else if names.contains(&"name=rootless") {
                    Some("the engine is rootless")
                } else if names.contains(&"name=userns") {
                    Some("the engine maps the users of its containers")
                } else {
                    None
                };
                Self::Known { store: Store { form, driver, root: PathBuf::from(root) }, no_helper }
            }
            Some(_) => Self::Unknown(format!("hythe does not read layers of the storage driver {driver}")),
            None => Self::Unknown("the engine does not say where its data is".to_owned()),
        }
    }
}

impl Survey {
    /// Finds the way to the layers of the image with this id. `own` makes hythe's image, for a helper container.
    pub async fn of(
        engine: &Engine,
        image: &Digest,
        own: impl FnOnce() -> Result<OwnImage, String>,
    ) -> Result<Self, EngineError> {
        let by_engine =
            |why: &str| Self { way: Way::Engine, reason: format!("by the engine's own push: {why}") };
        let (store, no_helper) = match Found::of(&engine.info().await?, engine.is_podman()) {
            Found::Containerd(folders) => {
                let local = folders.into_iter().filter(|_| engine.remote().is_none());
                return Ok(match blobs(local, image).await {
                    Ok((folder, layout)) => Self {
                        way: Way::Blobs(Arc::new(layout)),
                        reason: format!(
                            "from the engine's containerd store: hythe may read {}",
                            folder.display()
                        ),
                    },
                    Err(why) => by_engine(&why),
                });
            }
            Found::Unknown(why) => return Ok(by_engine(&why)),
            Found::Known { store, no_helper } => (store, no_helper),
        };
        let root = store.root.display().to_string();
        if engine.remote().is_none() {
            let disk = Disk::Here(Arc::new(store.clone()));
            // The configuration has the image's digest, so this folder is the engine's, or is as good.
            if disk.read(Ask::Config(*image)).await.is_ok() {
                let reason = format!("from the engine's store: hythe may read {root}");
                return Ok(Self { way: Way::Store(disk), reason });
            }
        }
        let unreadable = format!("hythe may not read the engine's store in {root}");
        if let Some(why) = no_helper {
            return Ok(by_engine(&format!("{unreadable}, and {why}")));
        }
        let helped = async {
            let helper = helper(engine, &store, own).await?;
            let disk = Disk::Helper(helper);
            disk.read(Ask::Config(*image)).await.map_err(|error| error.to_string())?;
            Ok(disk)
        };
        Ok(match helped.await {
            Ok(disk) => Self {
                way: Way::Store(disk),
                reason: format!("from the engine's store, read by a helper container: {unreadable} itself"),
            },
            Err(why) => {
                let why: String = why;
                by_engine(&format!("{unreadable}, and a helper container could not: {why}"))
            }
        })
    }
}

/// The first of these folders that has the image with all its blobs, or why none has.
async fn blobs(folders: impl Iterator<Item = PathBuf>, image: &Digest) -> Result<(PathBuf, Layout), String> {
    let mut why = "hythe may not read its containerd store".to_owned();
    for folder in folders.filter(|folder| folder.is_dir()) {
        let layout = Layout::of_blobs(&folder);
        match layout.lacks(image).await {
            Ok(None) => return Ok((folder, layout)),
            Ok(Some(what)) => why = format!("its containerd store in {} lacks {what}", folder.display()),
            Err(error) => why = error.to_string(),
        }
    }
    Err(why)
}

async fn helper(
    engine: &Engine,
    store: &Store,
    own: impl FnOnce() -> Result<OwnImage, String>,
) -> Result<Helper, String> {
    let own = own()?;
    let platform = Platform::new("linux", engine.architecture(), None);
    if own.platform != platform {
        return Err(format!("the engine runs binaries for {platform}, and this one is for {}", own.platform));
    }
    let told = |error: EngineError| error.to_string();
    let name = own.name.to_string();
    if engine.image(&name).await.map_err(told)?.is_none() {
        let (reference, archive) = (own.make)()?;
        if engine.image(&reference).await.map_err(told)?.is_none() {
            engine.load(&reference, archive).await.map_err(told)?;
        }
        engine.tag(&reference, &own.name).await.map_err(told)?;
    }
    Helper::start(engine, &name, &store.driver, &store.root).await.map_err(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(driver: &str, status: &[&str], options: &[&str]) -> SystemInfo {
        SystemInfo {
            driver: Some(driver.to_owned()),
            driver_status: Some(vec![status.iter().map(|word| (*word).to_owned()).collect()]),
            docker_root_dir: Some("/data".to_owned()),
            security_options: Some(options.iter().map(|option| (*option).to_owned()).collect()),
            ..SystemInfo::default()
        }
    }

    #[test]
    fn the_description_of_an_engine_tells_its_store() {
        let known = |no_helper| Found::Known {
            store: Store { form: Form::Docker, driver: "overlay2".to_owned(), root: "/data".into() },
            no_helper,
        };
        for (info, expected) in [
            (
                info("overlayfs", &["driver-type", CONTAINERD], &[]),
                Found::Containerd(vec![
                    "/data/containerd/daemon/io.containerd.content.v1.content".into(),
                    "/var/lib/containerd/io.containerd.content.v1.content".into(),
                ]),
            ),
            (
                info("overlay2", &["Backing Filesystem", "extfs"], &["name=seccomp,profile=default"]),
                known(None),
            ),
            (info("overlay2", &[], &["name=rootless"]), known(Some("the engine is rootless"))),
            (
                info("overlay2", &[], &["name=userns"]),
                known(Some("the engine maps the users of its containers")),
            ),
        ] {
            assert_eq!(Found::of(&info, false), expected);
        }
        assert!(
            matches!(Found::of(&info("zfs", &[], &[]), false), Found::Unknown(why) if why.contains("zfs"))
        );
    }
}
