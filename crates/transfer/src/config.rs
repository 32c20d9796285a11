//! Configurations of images, as a place has them.

use hythe_oci::{Descriptor, Digest, Platform};
use serde::de::DeserializeOwned;
use tokio::io::AsyncReadExt as _;

use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::store::Source;

/// The most bytes of a configuration.
const CONFIG: u64 = 4 << 20;

/// The configuration, read as `T`; `None` if it is too large, or has another form, as that of an artifact does.
pub async fn read_config<T: DeserializeOwned>(place: &dyn Source, config: &Descriptor) -> Result<Option<T>> {
    if config.size > CONFIG {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let body = place.open(config, 0).await?;
    let failed = |source| Error::Read { place: place.place().to_owned(), digest: config.digest, source };
    body.take(CONFIG).read_to_end(&mut bytes).await.map_err(failed)?;
    // The place may give other bytes: a wrong list of layers would make a wrong image.
    let found = Digest::of(config.digest.algorithm(), &bytes);
    if found != config.digest {
        let (place, what) = (place.place().to_owned(), format!("blob `{}`", config.digest));
        return Err(Error::Content { place, what, found });
    }
    Ok(serde_json::from_slice(&bytes).ok())
}

/// The platform of an image that is no index, from its configuration; `None` if the configuration names none.
pub async fn platform_of(place: &dyn Source, manifest: &Manifest) -> Result<Option<Platform>> {
    let Some(config) = &manifest.config else { return Ok(None) };
    let platform: Option<Platform> = read_config(place, config).await?;
    Ok(platform.filter(Platform::is_known))
}

/// Checks that an image that is no index is for a platform. An image that does not name its platform passes.
pub async fn expect_platform(place: &dyn Source, manifest: &Manifest, wanted: &Platform) -> Result<()> {
    match platform_of(place, manifest).await? {
        Some(there) if !is_for(wanted, &there) => Err(Error::Platform {
            what: place.place().to_owned(),
            wanted: wanted.to_string(),
            there: there.to_string(),
        }),
        _ => Ok(()),
    }
}

/// Whether an image for the platform `there` is one for the platform `wanted`. Old images leave out the variant.
pub fn is_for(wanted: &Platform, there: &Platform) -> bool {
    wanted.takes(there) || there.takes(wanted)
}
