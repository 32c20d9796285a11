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

/// Waits for SIGINT or SIGTERM.
pub(in crate::commands) async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};

        let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    }
    #[cfg(not(unix))]
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
