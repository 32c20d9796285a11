//! Ctrl-C and the signal that asks a process to end.

use crate::failure::Failure;

/// Does the work until a signal interrupts it. The work is then dropped, which removes its temporary files. `what` names the
/// work in the error.
pub(in crate::commands) async fn unless_interrupted(
    what: &str,
    work: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    tokio::select! {
        // First, so that the signal is caught from the beginning of the work on.
        biased;
        () = interrupted() => Err(Failure::Images(format!("the {what} was interrupted"))),
        done = work => done,
    }
}

/// SIGINTs and SIGTERMs. They count from the moment that this value is made.
pub(in crate::commands) struct Interrupts {
    #[cfg(unix)]
    signals: Option<(tokio::signal::unix::Signal, tokio::signal::unix::Signal)>,
}

impl Interrupts {
    pub(in crate::commands) fn listen() -> Self {
        Self {
            #[cfg(unix)]
            signals: {
                use tokio::signal::unix::{SignalKind, signal};

                signal(SignalKind::terminate()).ok().zip(signal(SignalKind::interrupt()).ok())
            },
        }
    }

    /// Waits for the next signal.
    pub(in crate::commands) async fn next(&mut self) {
        #[cfg(unix)]
        match &mut self.signals {
            Some((term, int)) => {
                tokio::select! {
                    _ = term.recv() => {}
                    _ = int.recv() => {}
                }
            }
            None => std::future::pending().await,
        }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Waits for SIGINT or SIGTERM.
pub(in crate::commands) async fn interrupted() {
    Interrupts::listen().next().await;
}
