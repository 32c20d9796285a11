//! Refused requests in the registry's own log. Engines show the status of an answer and not its body, which has the
//! reason.

use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::timeout;

use hythe_engine::Engine;

/// Lines from the end of the log that are searched.
const LINES: u64 = 400;
/// Refusals that are shown at most.
const SHOWN: usize = 3;
/// How long the engine may take to give the log.
const PATIENCE: Duration = Duration::from_secs(5);
/// The statuses with which hythe answers if the client is not at fault.
const STATUSES: [&str; 5] = ["500", "502", "503", "504", "507"];

/// The last refusals in the log of the registry with this name that have the status in the message.
pub async fn refusals(engine: &Engine, name: &str, message: &str) -> Vec<String> {
    let read = async {
        let mut log = String::new();
        let mut pieces = Box::pin(engine.logs(name, false, Some(LINES)));
        while let Some(Ok(piece)) = pieces.next().await {
            log.push_str(&String::from_utf8_lossy(&piece.bytes));
        }
        log
    };
    of_log(&timeout(PATIENCE, read).await.unwrap_or_default(), message)
}

fn of_log(log: &str, message: &str) -> Vec<String> {
    let said = STATUSES.into_iter().filter(|status| message.contains(status));
    let marks: Vec<_> =
        said.flat_map(|status| [format!(" {status} "), format!("\"status\":{status}")]).collect();
    let is_refusal =
        |line: &&str| line.contains("error") && marks.iter().any(|mark| line.contains(mark.as_str()));
    let mut lines: Vec<&str> = log.lines().filter(is_refusal).collect();
    lines.drain(..lines.len().saturating_sub(SHOWN));
    lines.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_refusals_with_the_messages_status_are_shown() {
        let line = |id: u8, status: u16| {
            format!(
                "2026-11-21T10:00:00Z  INFO PUT /v2/a/blobs/uploads/{id} {status} 9B 0.1ms error=\"UNAVAILABLE: full\"\n"
            )
        };
        let log: String =
            [(1, 507), (2, 507), (3, 502), (4, 507), (5, 507)].map(|(id, status)| line(id, status)).concat();
        let found = of_log(&log, "received unexpected HTTP status: 507 Insufficient Storage");
        assert_eq!(found.len(), 3);
        assert!(found[0].contains("uploads/2 507") && found[2].contains("uploads/5 507"), "{found:?}");
        assert_eq!(of_log(&log, "received unexpected HTTP status: 500 Internal Server Error"), [""; 0]);
        let json = "{\"level\":\"INFO\",\"status\":502,\"error\":\"UNAVAILABLE: x\"}\n";
        assert_eq!(of_log(json, "502 Bad Gateway").len(), 1);
    }
}
