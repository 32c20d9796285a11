//! A running contender.

use std::env;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process};

use crate::contender::{Contender, Kind};
use crate::error::{Context as _, Error, Result};
use crate::process::Tree;

/// How long a contender may take to its first answer, and to end after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(20);

/// Time between two attempts to reach a starting contender. It is short, because the start is measured in milliseconds.
const ATTEMPT: Duration = Duration::from_micros(100);

/// A running contender. It ends when this value is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    /// Which contender it is.
    pub(crate) kind: Kind,
    /// Its port on loopback.
    pub(crate) port: u16,
    /// Time from the start of the process to its first `200` for `/v2/`.
    pub(crate) ready_after: Duration,
    child: Child,
}

/// The folder of the files that nginx serves.
pub(crate) fn web_root(dir: &Path) -> PathBuf {
    dir.join("www")
}

impl Server {
    /// Starts `contender` with the data in `dir`, and waits for its first answer. With `origin`, the contender is a
    /// cache of the upstream on that port.
    pub(crate) fn start(contender: &Contender, port: u16, dir: &Path, origin: Option<u16>) -> Result<Self> {
        let kind = contender.kind;
        fs::create_dir_all(dir).context(|| format!("creating {}", dir.display()))?;
        let log_path = dir.join("log");
        let log = File::create(&log_path).context(|| format!("creating {}", log_path.display()))?;
        let errors = log.try_clone().context(|| format!("opening {}", log_path.display()))?;
        let mut command = command(contender, port, dir, origin)?;
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        // Contenders run with their default settings, so remove the settings that this shell exports.
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("HYTHE_") || name.starts_with("REGISTRY_")) {
                command.env_remove(name);
            }
        }
        let began = Instant::now();
        let child = command.spawn().context(|| format!("starting {}", contender.program.display()))?;
        let mut server = Self { kind, port, ready_after: Duration::ZERO, child };
        while !answers(port) {
            let ended = server.child.try_wait().context(|| format!("waiting for {kind}"))?;
            if ended.is_some() || began.elapsed() > PATIENCE {
                let said = fs::read_to_string(&log_path).unwrap_or_default();
                let last: Vec<&str> = said.lines().rev().take(5).collect();
                return Err(Error::Setup(format!(
                    "{kind} does not answer GET /v2/ with 200 on 127.0.0.1:{port} ({}): {}",
                    ended.map_or_else(|| "still running".to_owned(), |status| status.to_string()),
                    last.into_iter().rev().collect::<Vec<_>>().join(" | ")
                )));
            }
            thread::sleep(ATTEMPT);
        }
        server.ready_after = began.elapsed();
        Ok(server)
    }

    /// Its processes.
    pub(crate) fn tree(&self) -> Tree {
        Tree::new(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Send SIGTERM first: nginx's master then ends its workers, which would survive a SIGKILL of the master.
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let asked = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if asked.elapsed() > PATIENCE {
                let _ = self.child.kill();
                let _ = self.child.wait();
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

fn answers(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(format!("GET /v2/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n").as_bytes())?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        Ok(status == *b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}

fn command(contender: &Contender, port: u16, dir: &Path, origin: Option<u16>) -> Result<Command> {
    let proxy =
        origin.map_or_else(String::new, |port| format!("proxy: {{remoteurl: 'http://127.0.0.1:{port}'}}\n"));
    let mut command = Command::new(&contender.program);
    let data = dir.join("data");
    match contender.kind {
        Kind::Hythe => {
            command.arg("serve").arg("--listen").arg(format!("127.0.0.1:{port}")).arg("--data").arg(data);
            if let Some(origin) = origin {
                command.arg("--upstream").arg(format!("up.example=http://127.0.0.1:{origin}"));
            }
        }
        Kind::Nginx => {
            fs::create_dir_all(web_root(dir)).context(|| format!("creating {}", web_root(dir).display()))?;
            let file = write(dir, "nginx.conf", &nginx(port, dir))?;
            command.arg("-p").arg(dir).arg("-e").arg(dir.join("error.log")).arg("-c").arg(file);
        }
        Kind::Registry2 => {
            command.arg("serve").arg(write(dir, "config.yml", &(registry2(port, &data) + &proxy))?);
        }
        Kind::Distribution => {
            command.arg("serve").arg(write(dir, "config.yml", &(distribution(port, &data) + &proxy))?);
        }
        Kind::Loop | Kind::LoopBeside => {
            command.arg("sink").arg("--port").arg(port.to_string()).arg("--dir").arg(data);
            if contender.kind == Kind::LoopBeside {
                command.arg("--beside");
            }
        }
    }
    Ok(command)
}

fn write(dir: &Path, name: &str, content: &str) -> Result<PathBuf> {
    let file = dir.join(name);
    fs::write(&file, content).context(|| format!("writing {}", file.display()))?;
    Ok(file)
}

/// nginx's configuration, tuned for static files as its documentation says. By default nginx closes a connection after
/// 1,000 requests, so that a load of small requests would measure new connections instead of answers.
fn nginx(port: u16, dir: &Path) -> String {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let root = web_root(dir);
    let dir = dir.display();
    // Workers that run as another user could not read root's temporary folder.
    let user = if geteuid().is_root() { "user root;" } else { "" };
    format!(
        "daemon off; {user} worker_processes {workers}; worker_rlimit_nofile 8192;
pid {dir}/nginx.pid; error_log {dir}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000;
  open_file_cache max=10000 inactive=1h; open_file_cache_valid 1h;
  default_type application/octet-stream;
  client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3;
  uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
  server {{
    listen 127.0.0.1:{port}; root {root};
    location = /v2/ {{ return 200 '{{}}'; }}
  }}
}}
",
        root = root.display()
    )
}

/// The default configuration of Debian's package and of the image of distribution 2.8.
fn registry2(port: u16, data: &Path) -> String {
    format!(
        "version: 0.1
log: {{fields: {{service: registry}}}}
storage:
  cache: {{blobdescriptor: inmemory}}
  filesystem: {{rootdirectory: '{}'}}
  delete: {{enabled: true}}
http:
  addr: 127.0.0.1:{port}
  headers: {{X-Content-Type-Options: [nosniff]}}
health:
  storagedriver: {{enabled: true, interval: 10s, threshold: 3}}
",
        data.display()
    )
}

/// The default configuration of distribution 3's image.
fn distribution(port: u16, data: &Path) -> String {
    format!(
        "version: 0.1
log: {{fields: {{service: registry}}}}
storage:
  cache: {{blobdescriptor: inmemory}}
  filesystem: {{rootdirectory: '{}'}}
  delete: {{enabled: true}}
  tag: {{concurrencylimit: 8}}
http:
  addr: 127.0.0.1:{port}
  headers: {{X-Content-Type-Options: [nosniff]}}
health:
  storagedriver: {{enabled: true, interval: 10s, threshold: 3}}
",
        data.display()
    )
}
