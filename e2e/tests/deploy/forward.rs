//! Runs `hythe forward` beside a test.

use std::time::{Duration, Instant};

use hythe_e2e::client::Client;
use hythe_e2e::command::Output;
use hythe_e2e::home::Home;
use hythe_e2e::number::fresh_seed;
use hythe_e2e::process::Process;
use hythe_e2e::repository::Repository;
use hythe_e2e::sample::Sample;
use hythe_e2e::server::free_port;

const PATIENCE: Duration = Duration::from_mins(2);

/// A local port that `hythe forward` forwards to the registry.
pub(crate) struct Forward {
    port: u16,
    _process: Process,
}

impl Forward {
    pub(crate) fn start(home: &Home, words: &[&str]) -> Self {
        let port = free_port();
        let process = home.spawn(&[&["forward", &port.to_string()][..], words].concat());
        let forward = Self { port, _process: process };
        eventually("the registry answers", || forward.client().get("/v2/").is_ok());
        forward
    }

    /// Starts the command that the output of `hythe deploy` suggests, on a free port.
    pub(crate) fn suggested(home: &Home, deployed: &Output) -> Self {
        let line = deployed.suggestion("hythe forward");
        let words: Vec<&str> = line.split(' ').skip(2).collect();
        Self::start(home, &words)
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(([127, 0, 0, 1], self.port).into())
    }

    pub(crate) fn push(&self, name: &str) -> Sample {
        let sample = Sample::busybox(fresh_seed());
        sample.push(&mut Repository::new(&mut self.client(), name), "v1");
        sample
    }
}

/// Waits until `holds` is true, and prints how long that took.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
    println!("{what}: after {:?}", began.elapsed());
}
