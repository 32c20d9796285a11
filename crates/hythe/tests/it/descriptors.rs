//! A server with a low limit of open files.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use hythe_testing::{Client, bytes, eventually};
use tempfile::TempDir;

struct Serving {
    process: Child,
    client: Client,
    _folder: TempDir,
}

impl Serving {
    /// Starts a server that may have `files` files open.
    fn start(files: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let command = format!("ulimit -n {files}; exec \"$0\" serve --listen 127.0.0.1:0 --data \"$1\"");
        let mut shell = Command::new("sh");
        shell.args(["-c", &command, env!("CARGO_BIN_EXE_hythe")]).arg(folder.path());
        let mut process = shell.stderr(Stdio::piped()).spawn().unwrap();
        let (sender, said) = std::sync::mpsc::channel();
        let stderr = process.stderr.take().unwrap();
        std::thread::spawn(move || {
            let listens = |line: String| Some(line.split_once("hythe listens on http://")?.1.to_owned());
            // Reads to the end, so that the server never blocks on a full pipe.
            BufReader::new(stderr).lines().map_while(Result::ok).filter_map(listens).for_each(|address| {
                let _ = sender.send(address);
            });
        });
        let address =
            said.recv_timeout(std::time::Duration::from_secs(30)).expect("the server says where it listens");
        Self { process, client: Client::new(address.parse::<SocketAddr>().unwrap()), _folder: folder }
    }

    /// The number of files that the server has open.
    fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.process.id())).unwrap().count()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn idle_upload_sessions_leave_open_files_for_others() {
    let serving = Serving::start(256);
    let idle: Vec<_> = (0..400).map(|_| serving.client.start_upload("app")).collect();
    assert!(serving.open_files() < 150, "{}", serving.open_files());
    let digest = serving.client.push_blob("app", &bytes(1, 3_000_000));
    serving.client.get(format!("/v2/app/blobs/{digest}")).send().expect(200);
    for location in [&idle[0], &idle[399]] {
        serving.client.patch(location).body("goes on").send().expect(202);
    }
}

#[test]
fn idle_connections_leave_open_files_for_others_and_waiting_connections_are_served_later() {
    let serving = Serving::start(256);
    // The other connections wait in the kernel's queue, which holds at least 128.
    let mut idle: Vec<_> = (0..160).map(|_| serving.client.connect()).collect();
    eventually("the server accepts as many connections as it serves", || serving.open_files() > 64);
    assert!(serving.open_files() < 200, "{}", serving.open_files());
    // A connection that is served can push while others wait.
    let first = &mut idle[0];
    for _ in 0..3 {
        first
            .send("POST /v2/app/blobs/uploads/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
        first.answer("POST").unwrap().expect(202);
    }
    drop(idle);
    serving.client.push_blob("app", b"content");
}
