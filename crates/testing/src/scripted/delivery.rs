//! Sends answers, with their faults.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use super::connections::Connections;
use super::peer::Peer;
use super::reply::Reply;
use super::rule::Fault;
use super::script::Script;

/// What happens to the connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The next request is read.
    Next,
    /// It is closed normally (FIN).
    Close,
    /// It is reset (RST).
    Reset,
    /// It stays open without further bytes.
    Hold,
}

/// The announced length, and the bytes that are sent.
#[derive(Clone, Copy, Debug)]
struct Delivery {
    /// `None` for a body in chunks.
    said: Option<u64>,
    sent: u64,
    flipped: Option<u64>,
    drip: Option<(usize, Duration)>,
    end: End,
}

impl Delivery {
    fn whole(length: u64) -> Self {
        Self { said: Some(length), sent: length, flipped: None, drip: None, end: End::Next }
    }

    fn of(length: u64, fault: &Fault) -> Self {
        let whole = Self::whole(length);
        match *fault {
            Fault::Truncate { at } => Self { sent: at.min(length), end: End::Close, ..whole },
            Fault::Reset { at } => Self { sent: at.min(length), end: End::Reset, ..whole },
            Fault::Stall { at } => Self { sent: at.min(length), end: End::Hold, ..whole },
            Fault::WrongByte { at } => Self { flipped: Some(at), ..whole },
            Fault::LongerThanSaid { by } => Self { said: Some(length.saturating_sub(by)), ..whole },
            Fault::ShorterLength { by } => Self { said: Some(length + by), end: End::Close, ..whole },
            Fault::MoreToCome { by } => Self { said: Some(length + by), end: End::Hold, ..whole },
            Fault::Drip { bytes, every } => Self { drip: Some((bytes.max(1), every)), ..whole },
            Fault::NoLength => Self { said: None, ..whole },
            Fault::Status { .. }
            | Fault::BlackHole
            | Fault::HangUp
            | Fault::Redirect { .. }
            | Fault::NoDigest
            | Fault::WrongDigestHeader
            | Fault::IgnoreRange
            | Fault::NoContentType
            | Fault::Delay(_) => whole,
        }
    }
}

/// Sends an answer, with its fault if it has one.
pub(super) fn deliver(
    reply: &Reply,
    fault: Option<&Fault>,
    is_head: bool,
    peer: &mut Peer,
    connections: &Connections,
    script: &Script,
) -> io::Result<End> {
    let body = reply.bytes();
    let length = body.len() as u64;
    let delivery = fault.map_or(Delivery::whole(length), |fault| Delivery::of(length, fault));
    peer.send(head(reply, delivery.said).as_bytes())?;
    if is_head {
        return Ok(End::Next);
    }
    let mut rest = &body[..delivery.sent as usize];
    while !rest.is_empty() {
        let at = body[..delivery.sent as usize].len() - rest.len();
        let most = delivery.drip.map_or(rest.len(), |(bytes, _)| bytes.min(rest.len()));
        let (length, wait) = script.pace.take(most);
        connections.pause(wait)?;
        let (slice, others) = rest.split_at(length);
        if reply.is_content {
            script.count_sent(length as u64);
        }
        let flipped = delivery.flipped.and_then(|wrong| (wrong as usize).checked_sub(at));
        match (flipped.filter(|wrong| *wrong < length), delivery.said) {
            (Some(wrong), _) => {
                let mut slice = slice.to_vec();
                slice[wrong] ^= 0xff;
                peer.send(&slice)?;
            }
            (None, Some(_)) => peer.send(slice)?,
            (None, None) => {
                peer.send(format!("{length:x}\r\n").as_bytes())?;
                peer.send(slice)?;
                peer.send(b"\r\n")?;
            }
        }
        rest = others;
        if let Some((_, every)) = delivery.drip.filter(|_| !rest.is_empty()) {
            connections.pause(every)?;
        }
    }
    if delivery.said.is_none() {
        peer.send(b"0\r\n\r\n")?;
    }
    Ok(delivery.end)
}

fn head(reply: &Reply, length: Option<u64>) -> String {
    let mut head = format!("HTTP/1.1 {} Scripted\r\n", reply.status);
    let mut add = |name: &str, value: &str| {
        write!(head, "{name}: {value}\r\n").expect("a string takes text");
    };
    for (name, value) in &reply.headers {
        add(name, value);
    }
    match length {
        None => add("transfer-encoding", "chunked"),
        Some(length) if !reply.has("content-length") => add("content-length", &length.to_string()),
        Some(_) => {}
    }
    head.push_str("\r\n");
    head
}
