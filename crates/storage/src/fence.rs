//! Fences: of all owners of an upload, only the newest can change its bytes.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use hythe_oci::UploadId;
use parking_lot::{Mutex, MutexGuard};

use crate::{Error, Result};

/// Newer than every owner: for an upload that was removed.
const REMOVED: i64 = i64::MAX;

/// The fences of the uploads that are in use. Each storage has one value.
#[derive(Debug, Default)]
pub(crate) struct Fences(Arc<Map>);

type Map = Mutex<HashMap<UploadId, Weak<State>>>;

#[derive(Debug)]
struct State {
    id: UploadId,
    /// The epoch of the newest owner that the storage has seen. Locked while an owner changes the upload: so a newer
    /// owner begins when that change is complete, and refuses the next one.
    newest: Mutex<i64>,
    fences: Arc<Map>,
}

impl Drop for State {
    fn drop(&mut self) {
        let mut fences = self.fences.lock();
        // Somebody may have asked for the fence again meanwhile: then the map has a new state.
        if fences.get(&self.id).is_some_and(|state| state.strong_count() == 0) {
            fences.remove(&self.id);
        }
    }
}

impl Fences {
    pub(crate) fn of(&self, id: UploadId) -> Fence {
        let mut fences = self.0.lock();
        if let Some(state) = fences.get(&id).and_then(Weak::upgrade) {
            return Fence(state);
        }
        let state = Arc::new(State { id, newest: Mutex::new(0), fences: Arc::clone(&self.0) });
        fences.insert(id, Arc::downgrade(&state));
        Fence(state)
    }

    /// Fences every owner of the upload off, because the upload is about to be removed. Waits for a change that is in
    /// progress.
    pub(crate) fn close(&self, id: UploadId) {
        let Fence(state) = self.of(id);
        *state.newest.lock() = REMOVED;
    }
}

/// The fence of one upload.
///
/// Whoever takes an upload session over asks for the fence *before* claiming the session in the catalog. Owners are
/// ordered by their claims, and the storage compares an owner with the newest one that it has seen. It remembers the
/// newest as long as somebody holds the fence: so an owner that claims early and comes late finds the newer owner here,
/// even if that one has finished.
#[derive(Debug)]
pub struct Fence(Arc<State>);

impl Fence {
    /// The owner of the claim with this epoch.
    pub fn owned_by(self, epoch: i64) -> Owner {
        Owner { state: self.0, epoch }
    }
}

/// An owner of an upload: the holder of one claim. A later claim has a greater epoch.
#[derive(Clone, Debug)]
pub struct Owner {
    state: Arc<State>,
    epoch: i64,
}

impl Owner {
    /// The id of the upload.
    pub fn id(&self) -> UploadId {
        self.state.id
    }

    /// The epoch of the claim.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// Returns [`Error::UploadTaken`] once the storage has seen a newer owner. For a back end in which what an earlier
    /// owner still writes does no harm.
    pub(crate) fn check(&self) -> Result<()> {
        self.enter().map(drop)
    }

    /// Whether the upload was removed.
    pub(crate) fn is_removed(&self) -> bool {
        *self.state.newest.lock() == REMOVED
    }

    /// The permission to change the upload, until dropped. Waits for a change that is in progress. Returns
    /// [`Error::UploadTaken`] once the storage has seen a newer owner.
    pub(crate) fn enter(&self) -> Result<Entered<'_>> {
        let mut newest = self.state.newest.lock();
        if *newest > self.epoch {
            return Err(Error::UploadTaken { id: self.state.id });
        }
        *newest = self.epoch;
        Ok(Entered { _newest: newest })
    }
}

/// The permission to change an upload.
pub(crate) struct Entered<'a> {
    _newest: MutexGuard<'a, i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_is_forgotten_with_its_last_holder() {
        let (fences, id) = (Fences::default(), UploadId::random());
        let (early, late) = (fences.of(id), fences.of(id).owned_by(2));
        late.enter().unwrap();
        drop(late);
        assert!(early.owned_by(1).enter().is_err(), "the early claim comes late");
        assert!(fences.0.lock().is_empty());
        fences.of(id).owned_by(1).enter().unwrap();
        assert!(fences.0.lock().is_empty());
    }
}
