//! The server's own log events, written to the same log as the request lines.

use hythe_server::{Format, Log};
use tracing_subscriber::Registry;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::reload::{Handle, Layer as Reloadable};

use super::wiring;
use crate::settings::Log as LogSettings;
use crate::values::LogLevel;

/// Changes the level while the server runs.
pub(in crate::commands) struct Levels(Handle<LevelFilter, Registry>);

impl Levels {
    pub(super) fn set(&self, level: LogLevel) {
        // The subscriber lives as long as the process.
        let _ = self.0.reload(filter(level));
    }
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

/// Sends events to `log`, in the format of the request lines.
pub(in crate::commands) fn start(settings: &LogSettings, log: &Log) -> Levels {
    let (level, handle) = Reloadable::new(filter(settings.level));
    let writer = log.clone();
    let events = layer().with_ansi(false).with_target(false).with_writer(move || Line(writer.clone()));
    let events: Box<dyn Layer<_> + Send + Sync> = match wiring::format(settings.format) {
        Format::Text => Box::new(events),
        Format::Json => Box::new(events.json().flatten_event(true)),
    };
    // A process has one server. A second server (in tests) keeps the first one's subscriber.
    let _ = tracing::subscriber::set_global_default(Registry::default().with(level).with(events));
    Levels(handle)
}

/// Writes one event to the log; the formatter writes each event in one call.
struct Line(Log);

impl std::io::Write for Line {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.line(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
