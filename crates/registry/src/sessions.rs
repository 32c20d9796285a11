//! Makes sure that one request of this process at a time writes to an upload session, and that the newest request wins.
//! Claims in the catalog do the same between processes (`uploads.rs`, `claim`).
//!
//! A client whose connection broke may come back before the server has noticed the break. So the new request does not
//! wait for the old request's deadline: it asks the old one to stop, and continues when that one has saved its bytes.

use std::collections::HashMap;
use std::sync::Arc;

use hythe_oci::UploadId;
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, watch};

#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<UploadId, Arc<Session>>>);

struct Session {
    turn: Arc<AsyncMutex<()>>,
    /// The newest ticket; the holder of an older ticket is superseded.
    newest: watch::Sender<u64>,
}

/// The exclusive permission to write to one session, until dropped.
pub(crate) struct Turn<'a> {
    sessions: &'a Sessions,
    id: UploadId,
    ticket: u64,
    /// `None` once the turn has ended.
    newest: Option<watch::Receiver<u64>>,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Sessions {
    /// Asks the current writer to stop, and waits for the turn.
    pub(crate) async fn take(&self, id: UploadId) -> Turn<'_> {
        let (session, mut turn) = {
            let mut sessions = self.0.lock();
            let session = sessions
                .entry(id)
                .or_insert_with(|| Arc::new(Session { turn: Arc::default(), newest: watch::Sender::new(0) }));
            let mut ticket = 0;
            session.newest.send_modify(|newest| {
                *newest += 1;
                ticket = *newest;
            });
            // The turn is created before the wait, so that its drop cleans up if the caller goes away while it waits.
            // The turn subscribes under the lock, so that another turn which ends meanwhile does not remove the session
            // as unused: a third request would then write beside this one.
            let newest = Some(session.newest.subscribe());
            (Arc::clone(session), Turn { sessions: self, id, ticket, newest, guard: None })
        };
        turn.guard = Some(Arc::clone(&session.turn).lock_owned().await);
        turn
    }

    /// Asks the current writer to stop, if there is one. Does nothing if another request waits for the turn: that one
    /// has already asked the writer to stop, and another ticket would stop the waiting request too.
    pub(crate) fn stop(&self, id: UploadId) {
        if let Some(session) = self.0.lock().get(&id)
            && session.newest.receiver_count() == 1
        {
            session.newest.send_modify(|newest| *newest += 1);
        }
    }

    /// The turn, if no request has it or waits for it.
    pub(crate) fn try_take(&self, id: UploadId) -> Option<Turn<'_>> {
        let mut sessions = self.0.lock();
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
        // The sender lives in the map as long as this turn does. If it were gone, no request could supersede this one.
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
        let mut sessions = self.sessions.0.lock();
        // The receiver is dropped under the lock: if two turns end at once, the second one counts no receivers, and
        // removes the session.
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
    async fn a_new_request_supersedes_the_writer_and_waits_for_it_to_stop() {
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
        assert!(sessions.0.lock().is_empty(), "the last turn removes the session");
        assert!(sessions.try_take(id).is_some());
    }

    #[tokio::test]
    async fn a_new_request_that_gives_up_leaves_nothing_behind() {
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
        assert!(sessions.0.lock().is_empty());
    }

    #[tokio::test]
    async fn a_stop_reaches_the_writer_and_not_the_request_that_waits() {
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
        // The second request is the writer now.
        sessions.stop(id);
        second.superseded().await;
    }
}
