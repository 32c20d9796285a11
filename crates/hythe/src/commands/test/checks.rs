//! The checks, one file for each part of the API.

mod blobs;
mod cache;
mod catalog;
mod concurrency;
mod cors;
mod deletes;
mod errors;
mod health;
mod image;
mod manifests;
mod media_types;
mod mounts;
mod ranges;
mod referrers;
mod resumes;
mod tags;
mod times;
mod uploads;

use super::check::Check;

/// All checks in the order in which they run.
pub(super) fn all() -> impl Iterator<Item = &'static Check> {
    let groups: [&'static [Check]; 18] = [
        health::CHECKS,
        uploads::CHECKS,
        resumes::CHECKS,
        mounts::CHECKS,
        blobs::CHECKS,
        ranges::CHECKS,
        manifests::CHECKS,
        media_types::CHECKS,
        image::CHECKS,
        tags::CHECKS,
        catalog::CHECKS,
        referrers::CHECKS,
        errors::CHECKS,
        cors::CHECKS,
        cache::CHECKS,
        concurrency::CHECKS,
        times::CHECKS,
        deletes::CHECKS,
    ];
    groups.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_check_has_a_name_of_its_own() {
        let names: BTreeSet<_> = all().map(|check| (check.group, check.name)).collect();
        assert_eq!(names.len(), all().count());
    }
}
