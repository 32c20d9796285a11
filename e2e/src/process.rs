//! A program that runs beside a test. Dropping the value ends the program, and shows its log if the test failed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::command::Output;

/// Time that a program has to end after SIGTERM, before it is killed.
const END: Duration = Duration::from_secs(20);

/// A running program.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`, called `name` in messages, with its output in the file `log`.
    pub fn spawn(name: &str, command: &mut Command, log: &Path) -> Self {
        let file = File::create(log).expect("the folder is ours");
        command.stdout(file.try_clone().expect("a second handle")).stderr(file);
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        Self { name: name.to_owned(), child, log: log.to_owned() }
    }

    /// Waits until `probe` succeeds, while the program runs.
    pub fn answers(&mut self, patience: Duration, mut probe: impl FnMut() -> Output) {
        let begin = Instant::now();
        loop {
            let output = probe();
            if output.code == Some(0) {
                return;
            }
            let (name, ended) = (&self.name, self.child.try_wait().expect("it is our child"));
            assert!(
                ended.is_none() && begin.elapsed() < patience,
                "{name} does not answer ({ended:?}): {output:?}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The program's output so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Sends SIGTERM, kills the program if it does not end in time, and waits.
    pub fn end(&mut self) -> Option<ExitStatus> {
        if let Ok(Some(status)) = self.child.try_wait() {
            return Some(status);
        }
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let begin = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if begin.elapsed() > END {
                let _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.child.wait().ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(30).collect();
            eprintln!("--- the end of {}'s log", self.name);
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
        }
        self.end();
    }
}
