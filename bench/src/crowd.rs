//! A thousand slow connections.

use std::io::{ErrorKind, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::RecvFlags;

use crate::client::Client;
use crate::error::{Context as _, Error, Result};
use crate::process::Tree;

/// Number of connections.
pub(crate) const CROWD: usize = 1000;

/// How long the connections stay open.
const STAY: Duration = Duration::from_secs(5);

/// Time between two passes over all connections.
const PASS: Duration = Duration::from_millis(250);

/// Bytes that each connection moves in a pass: 64 KiB/s, like a slow link.
const SIP: usize = 16 << 10;

/// Announced bytes of each upload: more than a connection sends while it stays open.
const UPLOAD: usize = 1 << 20;

/// GETs `target` on each connection and reads slowly. Returns the server's largest resident memory meanwhile, in bytes.
pub(crate) fn pull(tree: Tree, port: u16, target: &str) -> Result<u64> {
    let open = |_| {
        let mut client = Client::connect_narrow(port, 64 << 10)?;
        let head = client.ask("GET", target, "")?;
        match head.status() {
            Some(200) => Ok(client.into_stream()),
            _ => Err(answer(&format!("GET {target}"), "200", head.first)),
        }
    };
    let crowd = (0..CROWD).map(open).collect::<Result<Vec<_>>>()?;
    let mut dropped = vec![0; SIP];
    stay(tree, &crowd, |stream| {
        match rustix::net::recv(stream, &mut dropped[..], RecvFlags::TRUNC | RecvFlags::DONTWAIT) {
            Ok((_, 0)) => Err(answer(&format!("GET {target}"), "a body that is still coming", "its end")),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error).context(|| format!("reading GET {target} slowly")),
        }
    })
}

/// Starts an upload on each connection and sends slowly. Returns the server's largest resident memory meanwhile, in
/// bytes.
pub(crate) fn push(tree: Tree, port: u16, uploads: &str) -> Result<u64> {
    let mut client = Client::connect(port)?;
    let fields = format!("Content-Type: application/octet-stream\r\nContent-Length: {UPLOAD}\r\n");
    let mut open = |_| {
        let location = client.start_upload(uploads)?;
        let mut stream = Client::connect(port)?.into_stream();
        let what = || format!("starting PATCH {location}");
        stream.write_all(Client::request(port, "PATCH", &location, &fields).as_bytes()).context(what)?;
        stream.set_nonblocking(true).context(what)?;
        Ok(stream)
    };
    let crowd = (0..CROWD).map(&mut open).collect::<Result<Vec<_>>>()?;
    let bytes = vec![0x5a; SIP];
    stay(tree, &crowd, |mut stream| match stream.write(&bytes) {
        Err(error) if error.kind() != ErrorKind::WouldBlock => {
            Err(error).context(|| "uploading slowly".to_owned())
        }
        _ => Ok(()),
    })
}

fn stay(tree: Tree, crowd: &[TcpStream], mut each: impl FnMut(&TcpStream) -> Result<()>) -> Result<u64> {
    let began = Instant::now();
    let mut most = 0;
    while began.elapsed() < STAY {
        let pass = Instant::now();
        for stream in crowd {
            each(stream)?;
        }
        most = tree.resident().max(most);
        thread::sleep(PASS.saturating_sub(pass.elapsed()));
    }
    Ok(most)
}

fn answer(request: &str, expected: &str, got: impl Into<String>) -> Error {
    Error::Answer { request: request.to_owned(), expected: expected.to_owned(), got: got.into() }
}
