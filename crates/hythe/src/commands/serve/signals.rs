//! The signals that stop a server, or ask it to read its configuration again.

use crate::commands::interrupt::Interrupts;

/// Resolves on SIGTERM and SIGINT. A second signal ends the process at once, as an impatient user expects.
pub(super) async fn asked_to_stop(mut interrupts: Interrupts) {
    interrupts.next().await;
    tracing::info!("stopping: running requests may finish; a second signal ends the process at once");
    tokio::spawn(async move {
        interrupts.next().await;
        std::process::exit(1);
    });
}

/// SIGHUPs, which ask the server to read its configuration again. Signals count from the moment that this value is
/// made. Systems without SIGHUP yield none.
pub(super) struct Hangups {
    #[cfg(unix)]
    signals: Option<tokio::signal::unix::Signal>,
}

impl Hangups {
    pub(super) fn listen() -> Self {
        Self {
            #[cfg(unix)]
            signals: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).ok(),
        }
    }

    pub(super) async fn next(&mut self) -> Option<()> {
        #[cfg(unix)]
        if let Some(signals) = &mut self.signals {
            return signals.recv().await;
        }
        None
    }
}
