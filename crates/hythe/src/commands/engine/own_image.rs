//! hythe's own image, for a helper container.

#[cfg(target_os = "linux")]
use std::os::unix::fs::MetadataExt as _;

#[cfg(target_os = "linux")]
use hythe_cluster::image::{Image, REPOSITORY};
use hythe_engine::OwnImage;
#[cfg(target_os = "linux")]
use hythe_oci::{Algorithm, Digest, Platform};

/// The image of this binary. Its second name follows from the binary's file, so that the engine's copy is found without
/// reading and hashing the binary at each push.
#[cfg(target_os = "linux")]
pub(in crate::commands) fn own_image() -> Result<OwnImage, String> {
    let file = std::fs::metadata("/proc/self/exe").map_err(|error| error.to_string())?;
    let identity = [
        file.dev(),
        file.ino(),
        file.size(),
        file.mtime().cast_unsigned(),
        file.mtime_nsec().cast_unsigned(),
    ];
    let identity: Vec<u8> = identity.iter().flat_map(|number| number.to_be_bytes()).collect();
    let hash = Digest::of(Algorithm::Sha256, &identity).hex();
    let version = env!("CARGO_PKG_VERSION");
    let name = format!("{REPOSITORY}:{version}-file-{}", &hash[..16]);
    Ok(OwnImage {
        name: name.parse().map_err(|error| format!("{error}"))?,
        platform: Platform::of_host(),
        make: || {
            let image = Image::of(None, env!("CARGO_PKG_VERSION")).map_err(|error| error.to_string())?;
            Ok((image.reference, image.archive))
        },
    })
}

/// The image of this binary.
#[cfg(not(target_os = "linux"))]
pub(in crate::commands) fn own_image() -> Result<OwnImage, String> {
    Err("this binary is not for Linux".to_owned())
}
