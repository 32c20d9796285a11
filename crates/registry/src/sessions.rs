//! Who writes to an upload session: one request at a time, and the newest wins.
//!
//! A client whose connection broke comes back before the server has noticed. So a newcomer does not wait for the
//! old request's deadline: it asks the old one to stop, and goes on when that has saved what it had.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hythe_oci::UploadId;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, watch};

#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<UploadId, Arc<Session>>>);

struct Session {
    turn: Arc<AsyncMutex<()>>,
    /// The newest ticket given out; the holder of an older one has been superseded.
    newest: watch::Sender<u64>,
}

/// The right to write to one session, until dropped.
pub(crate) struct Turn<'a> {
    sessions: &'a Sessions,
    id: UploadId,
    ticket: u64,
    /// None once it has ended.
    newest: Option<watch::Receiver<u64>>,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, HashMap<UploadId, Arc<Session>>> {
        // Each critical section is one map operation, so a panic leaves nothing half-done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the present writer to stop, and waits for the turn.
    pub(crate) async fn take(&self, id: UploadId) -> Turn<'_> {
        let (session, mut turn) = {
            let mut sessions = self.lock();
            let session = sessions
                .entry(id)
                .or_insert_with(|| Arc::new(Session { turn: Arc::default(), newest: watch::Sender::new(0) }));
            let mut ticket = 0;
            session.newest.send_modify(|newest| {
                *newest += 1;
                ticket = *newest;
            });
            // The turn exists before the wait, so that a caller that goes away while waiting cleans up too; and it
            // subscribes under the lock, so that a turn which ends meanwhile does not take the session for unused
            // and let a third request write beside this one.
            let newest = Some(session.newest.subscribe());
            (Arc::clone(session), Turn { sessions: self, id, ticket, newest, guard: None })
        };
        turn.guard = Some(Arc::clone(&session.turn).lock_owned().await);
        turn
    }

    /// Asks the present writer to stop, if there is one. Where another waits for the turn it was asked to already, and
    /// to ask again would stop the one that waits.
    pub(crate) fn stop(&self, id: UploadId) {
        if let Some(session) = self.lock().get(&id)
            && session.newest.receiver_count() == 1
        {
            session.newest.send_modify(|newest| *newest += 1);
        }
    }

    /// The turn, if nobody has it or waits for it.
    pub(crate) fn try_take(&self, id: UploadId) -> Option<Turn<'_>> {
        let mut sessions = self.lock();
        if sessions.contains_key(&id) {
            return None;
        }
        let session = Arc::new(Session { turn: Arc::default(), newest: watch::Sender::new(1) });
        let guard = Arc::clone(&session.turn).try_lock_owned().ok()?;
        let newest = Some(session.newest.subscribe());
        sessions.insert(id, session);
        Some(Turn { sessions: self, id, ticket: 1, newest, guard: Some(guard) })
    }
}

impl Turn<'_> {
    /// Resolves when a newer request wants the session.
    pub(crate) async fn superseded(&mut self) {
        let ticket = self.ticket;
        // The sender lives in the map as long as this turn does; were it gone, nobody could supersede.
        let newer = match &mut self.newest {
            Some(newest) => newest.wait_for(|newest| *newest > ticket).await.is_ok(),
            None => false,
        };
        if !newer {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.guard = None;
        let mut sessions = self.sessions.lock();
        // Under the lock: of two that end at once the second counts none, and takes the session with it.
        self.newest = None;
        if sessions.get(&self.id).is_some_and(|session| session.newest.receiver_count() == 0) {
            sessions.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_newcomer_supersedes_the_writer_and_waits_for_it_to_stop() {
        let sessions = Sessions::default();
        let id = UploadId::random();
        let mut first = sessions.take(id).await;
        let second = sessions.take(id);
        tokio::pin!(second);
        tokio::select! {
            _ = &mut second => panic!("two writers at once"),
            () = first.superseded() => {}
        }
        drop(first);
        let mut second = second.await;
        tokio::select! {
            biased;
            () = second.superseded() => panic!("nobody came after it"),
            () = tokio::task::yield_now() => {}
        }
        assert!(sessions.try_take(id).is_none());
        drop(second);
        assert!(sessions.lock().is_empty(), "the last one cleans up");
        assert!(sessions.try_take(id).is_some());
    }

    #[tokio::test]
    async fn a_newcomer_that_gives_up_leaves_nothing_behind() {
        let sessions = Sessions::default();
        let id = UploadId::random();
        let first = sessions.take(id).await;
        {
            let waiting = sessions.take(id);
            tokio::pin!(waiting);
            tokio::select! {
                biased;
                _ = &mut waiting => panic!("two writers at once"),
                () = tokio::task::yield_now() => {}
            }
        }
        drop(first);
        assert!(sessions.lock().is_empty());
    }

    #[tokio::test]
    async fn a_writer_is_asked_to_stop_and_who_waits_for_it_is_not() {
        let sessions = Sessions::default();
        let id = UploadId::random();
        let mut first = sessions.take(id).await;
        let second = sessions.take(id);
        tokio::pin!(second);
        tokio::select! {
            _ = &mut second => panic!("two writers at once"),
            () = first.superseded() => {}
        }
        sessions.stop(id);
        drop(first);
        let mut second = second.await;
        tokio::select! {
            biased;
            () = second.superseded() => panic!("nobody came after it"),
            () = tokio::task::yield_now() => {}
        }
        // Now it is the one that writes.
        sessions.stop(id);
        second.superseded().await;
    }
}
