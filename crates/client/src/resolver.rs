//! Resolves host names with `/etc/hosts` and then the name servers of `/etc/resolv.conf`, and removes the addresses
//! that must not be dialled.

use std::error::Error as StdError;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hyper_util::client::legacy::connect::dns::Name;
use parking_lot::Mutex;
use tower_service::Service;

use crate::address::is_public;
use crate::guard::{Guard, RefusedHost, Way};

/// The system's files for name resolution. They change when a machine moves to another network.
const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// When each of the files was last changed; `None` for a missing file.
type Changed = [Option<SystemTime>; FILES.len()];

/// A resolver that is created when it is first needed, and again when one of the system's files changes. Clones share
/// it.
#[derive(Clone)]
pub(crate) struct Resolver {
    made: Arc<Mutex<Option<(Changed, TokioResolver)>>>,
    patience: Duration,
}

fn changed() -> Changed {
    FILES.map(|file| std::fs::metadata(file).and_then(|file| file.modified()).ok())
}

impl Resolver {
    /// A resolver for connections that may take `connect_timeout` in all.
    pub(crate) fn new(connect_timeout: Duration) -> Self {
        Self { made: Arc::default(), patience: connect_timeout / 3 }
    }

    fn get(&self) -> Result<TokioResolver, String> {
        let changed = changed();
        let mut resolver = self.made.lock();
        if let Some((_, resolver)) = resolver.as_ref().filter(|(of, _)| *of == changed) {
            return Ok(resolver.clone());
        }
        // A system without name servers still has `/etc/hosts` and localhost. This program must not choose name servers
        // for it.
        let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|_| {
            let none = ResolverConfig::from_parts(None, Vec::new(), Vec::new());
            TokioResolver::builder_with_config(none, TokioRuntimeProvider::default())
        });
        let options = builder.options_mut();
        options.ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
        // The system's default of five seconds exceeds the time for a connection. A shorter timeout sends a lost
        // datagram again in time.
        options.timeout = options.timeout.min(self.patience);
        let made = builder.build();
        let made = made.map_err(|error| format!("could not set up name lookup: {error}"))?;
        *resolver = Some((changed, made.clone()));
        Ok(made)
    }

    async fn addresses(self, name: String) -> Result<Vec<IpAddr>, String> {
        let found = self.get()?.lookup_ip(&name).await;
        match found {
            Ok(found) => Ok(found.iter().collect()),
            Err(error) if error.is_no_records_found() => Err(format!("the name `{name}` has no address")),
            Err(error) => Err(format!("could not look up the name `{name}`: {error}")),
        }
    }
}

/// A resolver for connections made in one [`Way`].
#[derive(Clone)]
pub(crate) struct GuardedResolver {
    pub(crate) resolver: Resolver,
    pub(crate) guard: Guard,
    pub(crate) way: Way,
}

impl GuardedResolver {
    async fn addresses(self, name: String) -> Result<Addresses, BoxError> {
        let free = self.way == Way::Named || self.guard.is_proxy(&name);
        let mut addresses = self.resolver.addresses(name.clone()).await?;
        let refused = addresses.iter().copied().find(|address| !free && !is_public(*address));
        addresses.retain(|address| free || is_public(*address));
        match refused {
            Some(address) if addresses.is_empty() => Err(RefusedHost::private(&name, address).into()),
            _ => Ok(addresses.into_iter().map(with_any_port as _)),
        }
    }
}

pub(crate) type BoxError = Box<dyn StdError + Send + Sync>;

type Addresses = std::iter::Map<std::vec::IntoIter<IpAddr>, fn(IpAddr) -> SocketAddr>;

/// The connector sets the port.
fn with_any_port(address: IpAddr) -> SocketAddr {
    SocketAddr::new(address, 0)
}

impl Service<Name> for GuardedResolver {
    type Response = Addresses;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Addresses, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(self.clone().addresses(name.as_str().to_owned()))
    }
}
