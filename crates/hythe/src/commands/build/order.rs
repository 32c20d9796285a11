//! The order of a project's images: bases first.

use std::collections::{BTreeMap, BTreeSet};

use hythe_oci::ImageName;

use super::image::Image;
use crate::failure::BuildError;

/// The positions of the images under each of their names.
pub(super) fn positions(images: &[Image]) -> BTreeMap<ImageName, usize> {
    let mut positions = BTreeMap::new();
    for (position, image) in images.iter().enumerate() {
        for name in image.names() {
            positions.entry(name).or_insert(position);
        }
    }
    positions
}

/// The positions of the images in the order in which they are built. `bases` has the bases of each image that are images of the
/// project. Images that do not depend on each other keep their order.
pub(super) fn sorted(
    bases: &BTreeMap<usize, BTreeSet<usize>>,
    images: &[Image],
) -> Result<Vec<usize>, BuildError> {
    let mut sorted: Vec<usize> = Vec::new();
    while sorted.len() < bases.len() {
        let next = bases
            .iter()
            .find(|(position, of)| !sorted.contains(position) && of.iter().all(|base| sorted.contains(base)));
        let Some((position, _)) = next else {
            let left = bases.keys().filter(|position| !sorted.contains(position));
            let images = left.map(|position| images[*position].name.clone()).collect();
            return Err(BuildError::Circle { images });
        };
        sorted.push(*position);
    }
    Ok(sorted)
}
