//! The bench's own network namespace, in which loopback runs cubic.
//!
//! Many distributions use BBR by default. Its pacing halves the throughput of loopback and multiplies its CPU, so
//! measurements of large transfers would be noise. The system may refuse to change this with `sysctl`. So the routes of
//! a private namespace choose cubic.

use std::env;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use rustix::net::sockopt;
use rustix::process::{Resource, Rlimit, geteuid, getrlimit, setrlimit};

use crate::error::{Context as _, Error, Result};

/// The environment variable that marks the second run of the program, inside the namespace.
const INSIDE: &str = "BENCH_NAMESPACE";

/// Open files that are enough for 1,000 connections, in the servers and in this program.
const FILES: u64 = 4096;

/// Moves the program into a network namespace of its own. On success, it returns only inside the namespace.
pub(crate) fn enter() -> Result<()> {
    if env::var_os(INSIDE).is_none() {
        return Err(replace_with_unshare());
    }
    configure()?;
    verify()?;
    raise_open_files()
}

fn replace_with_unshare() -> Error {
    let program = match env::current_exe() {
        Ok(program) => program,
        Err(source) => return Error::Io { what: "finding this program's file".to_owned(), source },
    };
    let mut unshare = Command::new("unshare");
    if !geteuid().is_root() {
        unshare.arg("--map-root-user");
    }
    let source =
        unshare.arg("--net").arg("--").arg(program).args(env::args_os().skip(1)).env(INSIDE, "1").exec();
    Error::Io { what: "starting `unshare` (Debian package util-linux)".to_owned(), source }
}

fn configure() -> Result<()> {
    ip(&["link", "set", "lo", "up"])?;
    for destination in ["127.0.0.0/8", "127.0.0.1/32"] {
        ip(&["route", "replace", "local", destination, "dev", "lo", "congctl", "cubic", "table", "local"])?;
    }
    Ok(())
}

fn ip(arguments: &[&str]) -> Result<()> {
    let output = Command::new("ip")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .context(|| "starting `ip` (Debian package iproute2)".to_owned())?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::Setup(format!(
        "`ip {}` failed in the bench's network namespace: {}",
        arguments.join(" "),
        said.trim()
    )))
}

/// Checks that both ends of a connection use cubic, as the route says. Otherwise all large transfers would be wrong.
fn verify() -> Result<()> {
    let what = || "connecting over loopback in the bench's network namespace".to_owned();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context(what)?;
    let client = TcpStream::connect(listener.local_addr().context(what)?).context(what)?;
    let (server, _) = listener.accept().context(what)?;
    for (end, socket) in [("client", &client), ("server", &server)] {
        let control = sockopt::tcp_congestion(socket).context(what)?;
        if control != "cubic" {
            return Err(Error::Setup(format!(
                "loopback's congestion control is `{control}` on the {end}'s side, not `cubic`, so the results would \
                 be noise. Load the kernel module tcp_cubic"
            )));
        }
    }
    Ok(())
}

fn raise_open_files() -> Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if maximum.is_some_and(|maximum| maximum < FILES) {
        return Err(Error::Setup(format!("1,000 connections need {FILES} open files; raise `ulimit -Hn`")));
    }
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .context(|| "raising the number of open files".to_owned())
}
