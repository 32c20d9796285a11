//! The error for an image that the engine does not have.

use hythe_engine::Engine;
use hythe_oci::ImageNameParts;

use crate::failure::Failure;

/// The most names that the message lists.
const NAMES: usize = 5;

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
