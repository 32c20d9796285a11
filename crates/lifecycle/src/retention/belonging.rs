//! What stays and goes together.

use super::contents::{Contents, Place};

/// The manifests to judge: those that `tagged` names, those that belong to no other, and then one of each circle that is
/// left. Everything else belongs to one of them.
pub(super) fn heads(contents: &Contents, tagged: impl IntoIterator<Item = Place>) -> Vec<Place> {
    let mut heads: Vec<Place> = tagged.into_iter().collect();
    let is_owned = contents.is_owned();
    heads.extend((0..contents.manifests.len()).filter(|place| !is_owned[*place]));
    let mut is_reached = vec![false; contents.manifests.len()];
    let mut reach = |from: Place| {
        let mut waiting = vec![from];
        let mut is_new = false;
        while let Some(place) = waiting.pop() {
            if !std::mem::replace(&mut is_reached[place], true) {
                is_new = true;
                waiting.extend(contents.owned(place));
            }
        }
        is_new
    };
    for head in &heads {
        reach(*head);
    }
    heads.extend((0..contents.manifests.len()).filter(|place| reach(*place)));
    heads.sort_unstable();
    heads.dedup();
    heads
}

/// For each manifest, whether it stays because it is one of `roots`, or because one that stays needs it: a listed
/// manifest, a subject, a referrer.
pub(super) fn staying(contents: &Contents, roots: impl IntoIterator<Item = Place>) -> Vec<bool> {
    let mut stays = vec![false; contents.manifests.len()];
    let mut waiting: Vec<Place> = roots.into_iter().collect();
    while let Some(place) = waiting.pop() {
        if !std::mem::replace(&mut stays[place], true) {
            waiting.extend(contents.owned(place));
            waiting.extend(contents.subjects[place]);
        }
    }
    stays
}

/// The manifests that go, in groups that belong together. In each group, an owner comes before what belongs to it.
pub(super) fn groups(contents: &Contents, stays: &[bool]) -> Vec<Vec<Place>> {
    let goes = |place: &Place| !stays[*place];
    // How many owners of each manifest also go, and have not been placed yet.
    let mut owners = vec![0_usize; stays.len()];
    let mut links: Vec<(Place, Place)> = Vec::new();
    for place in (0..stays.len()).filter(goes) {
        for owned in contents.owned(place).filter(goes) {
            owners[owned] += 1;
            links.push((owned, place));
        }
    }
    links.sort_unstable();
    let owners_of = |place: Place| {
        let first = links.partition_point(|(owned, _)| *owned < place);
        links[first..].iter().take_while(move |(owned, _)| *owned == place).map(|(_, owner)| *owner)
    };
    let mut groups = Vec::new();
    let mut is_grouped = vec![false; stays.len()];
    for first in (0..stays.len()).filter(goes) {
        if is_grouped[first] {
            continue;
        }
        let (mut members, mut waiting) = (Vec::new(), vec![first]);
        while let Some(place) = waiting.pop() {
            if !std::mem::replace(&mut is_grouped[place], true) {
                members.push(place);
                waiting.extend(contents.owned(place).filter(goes));
                waiting.extend(owners_of(place));
            }
        }
        let mut free: Vec<Place> = members.iter().copied().filter(|place| owners[*place] == 0).collect();
        let mut group = Vec::with_capacity(members.len());
        while let Some(place) = free.pop() {
            group.push(place);
            for owned in contents.owned(place).filter(goes) {
                owners[owned] -= 1;
                if owners[owned] == 0 {
                    free.push(owned);
                }
            }
        }
        // A circle has no first member: an index may list its own subject, and tags may name anything.
        members.retain(|place| owners[*place] > 0);
        group.append(&mut members);
        groups.push(group);
    }
    groups
}
