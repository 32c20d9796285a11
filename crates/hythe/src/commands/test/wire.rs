//! Sends the requests of the checks, logs them, and refuses them after an interrupt.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use http::HeaderMap;
use hythe_client::{Client, Error, RawAnswer, RawRequest};

use super::ledger::Ledger;
use super::verdict::Stop;
use crate::console::Printer;

/// Headers whose value may be a secret.
const SECRET: [&str; 4] = ["authorization", "set-cookie", "cookie", "www-authenticate"];

/// The connection of all checks to the registry.
pub(super) struct Wire {
    client: Client,
    /// Where the requests are logged, with `--verbose`.
    log: Option<Printer>,
    pub(super) ledger: Ledger,
    is_stopped: AtomicBool,
    has_cache_header: AtomicBool,
}

impl Wire {
    pub(super) fn new(client: Client, log: Option<Printer>) -> Self {
        Self {
            client,
            log,
            ledger: Ledger::default(),
            is_stopped: AtomicBool::new(false),
            has_cache_header: AtomicBool::new(false),
        }
    }

    /// Refuses the requests of checks from now on. Those under way go on.
    pub(super) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    /// Whether an answer had `X-Cache`.
    pub(super) fn has_cache_header(&self) -> bool {
        self.has_cache_header.load(Ordering::Relaxed)
    }

    /// Sends a request of a check.
    pub(super) async fn send(&self, request: RawRequest) -> Result<RawAnswer, Stop> {
        if self.is_stopped() {
            return Err(Stop::Skipped("interrupted".to_owned()));
        }
        let what = format!("a whole answer to {} {}", request.method, request.place);
        self.send_always(&request).await.map_err(|error| {
            let advice = "see the registry's log, and the network between it and this machine";
            Stop::failed(what, error.cause(), advice)
        })
    }

    /// Sends a request, also after an interrupt.
    pub(super) async fn send_always(&self, request: &RawRequest) -> Result<RawAnswer, Error> {
        let began = Instant::now();
        let answer = self.client.send_raw(request).await;
        if let Ok(answer) = &answer
            && answer.headers.contains_key("x-cache")
        {
            self.has_cache_header.store(true, Ordering::Relaxed);
        }
        if let Some(printer) = self.log {
            // One message, so that the lines of requests that run at the same time do not mix.
            let (method, place) = (&request.method, &request.place);
            let asked = format!("> {method} {place}{}", lines('>', &request.headers));
            let took = began.elapsed().as_secs_f64() * 1000.0;
            let answered = match &answer {
                Ok(answer) => {
                    let (status, length) = (answer.status.as_u16(), answer.body.len());
                    let headers = lines('<', &answer.headers);
                    format!("< {status} in {took:.1} ms, {length} bytes{headers}")
                }
                Err(error) => format!("< no answer in {took:.1} ms: {error}"),
            };
            printer.note(format_args!("{asked}\n{answered}"));
        }
        answer
    }
}

/// The headers, a line for each. The query of a `Location` may be a signature, which is a secret.
fn lines(mark: char, headers: &HeaderMap) -> String {
    let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        let value = value.to_str().unwrap_or("(not text)");
        let shown = match name.as_str() {
            name if SECRET.contains(&name) => "(not shown)",
            "location" => value.split('?').next().unwrap_or_default(),
            _ => value,
        };
        format!("\n{mark}   {name}: {shown}")
    };
    headers.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn secrets_are_not_logged() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("set-cookie", "a=secret"), ("location", "/v2/x?_state=secret"), ("etag", "e")]
        {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let shown = lines('<', &headers);
        assert!(!shown.contains("secret") && shown.contains("location: /v2/x\n"), "{shown}");
    }
}
