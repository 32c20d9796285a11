//! `hythe forward`: forwards a local port to the registry in a cluster.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use hythe_kube::deploy::{self, ForwardEvent};
use tokio::net::TcpListener;

use super::deploy::{access, target};
use super::runtime::run;
use crate::args::ForwardArgs;
use crate::config::Environment;
use crate::console::Printer;
use crate::failure::{Failure, StartError};

/// Forwards the port until Ctrl-C.
pub(super) fn forward(
    args: &ForwardArgs,
    environment: &Environment,
    printer: Printer,
) -> Result<(), Failure> {
    run(async {
        let listeners = bind(args.port).await?;
        let access = access(&args.target, environment).await?;
        let target = target(&args.target);
        printer.note(format_args!(
            "forwarding localhost:{} to the registry {}/{} of context `{}`; Ctrl-C ends it",
            args.port,
            target.namespace,
            target.name,
            access.context()
        ));
        let forwarding = deploy::forward(access, target, listeners, move |event| tell(printer, &event));
        tokio::select! {
            ended = forwarding => ended.map_err(Failure::from),
            _ = tokio::signal::ctrl_c() => Ok(()),
        }
    })
}

/// Binds both loopback addresses: `localhost` means either, depending on the client and the system.
async fn bind(port: u16) -> Result<Vec<TcpListener>, Failure> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let first = TcpListener::bind(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            let instead = format!("`hythe forward {}`", port.checked_add(1).unwrap_or(5001));
            Failure::PortTaken { address, instead }
        }
        _ => StartError::bind(address, None, error).into(),
    })?;
    let port = first.local_addr().map_or(port, |address| address.port());
    // A system without IPv6 has only the first.
    let second = TcpListener::bind(SocketAddr::from((Ipv6Addr::LOCALHOST, port))).await;
    Ok([Some(first), second.ok()].into_iter().flatten().collect())
}

fn tell(printer: Printer, event: &ForwardEvent) {
    match event {
        ForwardEvent::Pod(name) => printer.note(format_args!("connected to Pod {name}")),
        ForwardEvent::Waiting => {
            printer.note("no Pod of the registry is ready; connections wait until one is");
        }
        ForwardEvent::Failed(reason) => printer.note(format_args!("a connection failed: {reason}")),
    }
}
