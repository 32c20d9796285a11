//! The gate at which every operation of the storage waits until the schedule lets it go on.

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

/// What happens to an operation at the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Go,
    /// The storage reports an error.
    Fail,
    /// The process was killed: nothing happens any more.
    Halt,
}

/// A gate; one process of the registry has one.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    state: Mutex<State>,
    /// Notified when an operation comes to the gate, and when a request ends.
    pub(crate) changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<(&'static str, oneshot::Sender<Verdict>)>,
    is_halted: bool,
    is_open: bool,
}

impl Gate {
    /// Waits at the gate, before or after the operation `what`.
    pub(crate) async fn pass(&self, what: &'static str) -> Verdict {
        let verdict = {
            let mut state = self.state.lock();
            if state.is_halted {
                return Verdict::Halt;
            }
            if state.is_open {
                return Verdict::Go;
            }
            let (sender, verdict) = oneshot::channel();
            state.waiting.push((what, sender));
            verdict
        };
        self.changed.notify_one();
        verdict.await.unwrap_or(Verdict::Halt)
    }

    pub(crate) fn waiting(&self) -> usize {
        self.state.lock().waiting.len()
    }

    /// Lets one operation go; returns which it was.
    pub(crate) fn release(&self, number: usize, verdict: Verdict) -> &'static str {
        let (what, sender) = self.state.lock().waiting.swap_remove(number);
        let _ = sender.send(verdict);
        what
    }

    /// Ends the process: no operation goes on, and none begins.
    pub(crate) fn halt(&self) {
        let mut state = self.state.lock();
        state.is_halted = true;
        state.waiting.clear();
    }

    /// Lets operations pass without waiting, or not any more.
    pub(crate) fn set_open(&self, is_open: bool) {
        let mut state = self.state.lock();
        state.is_open = is_open;
        for (_, sender) in state.waiting.drain(..) {
            let _ = sender.send(Verdict::Go);
        }
    }
}
