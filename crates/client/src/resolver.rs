//! What a name means: `/etc/hosts`, then the name servers of `/etc/resolv.conf`, less the addresses that may not be
//! dialled.

use std::error::Error as StdError;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hyper_util::client::legacy::connect::dns::Name;
use tower_service::Service;

use crate::address::is_public;
use crate::guard::{Guard, RefusedHost, Way};

/// What the system says of names, which changes when a machine comes to another network.
const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// When each of the files was last changed; `None` for one that is not there.
type Changed = [Option<SystemTime>; FILES.len()];

/// A resolver that is made when it is first needed, and anew when the system says something else. Its clones are one.
#[derive(Clone)]
pub(crate) struct Resolver {
    made: Arc<Mutex<Option<(Changed, TokioResolver)>>>,
    patience: Duration,
}

fn changed() -> Changed {
    FILES.map(|file| std::fs::metadata(file).and_then(|file| file.modified()).ok())
}

impl Resolver {
    /// One for connections that have so much time in all.
    pub(crate) fn new(connect_timeout: Duration) -> Self {
        Self { made: Arc::default(), patience: connect_timeout / 3 }
    }

    fn get(&self) -> Result<TokioResolver, String> {
        let changed = changed();
        let mut resolver = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, resolver)) = resolver.as_ref().filter(|(of, _)| *of == changed) {
            return Ok(resolver.clone());
        }
        // A system that names no name servers has `/etc/hosts`, and localhost. It is not for this program to choose
        // others for it.
        let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|_| {
            let none = ResolverConfig::from_parts(None, Vec::new(), Vec::new());
            TokioResolver::builder_with_config(none, TokioRuntimeProvider::default())
        });
        let options = builder.options_mut();
        options.ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
        // The system's five seconds are more than the connection has: a datagram that is lost is sent again sooner.
        options.timeout = options.timeout.min(self.patience);
        let made = builder.build();
        let made = made.map_err(|error| format!("names cannot be looked up: {error}"))?;
        *resolver = Some((changed, made.clone()));
        Ok(made)
    }

    async fn addresses(self, name: String) -> Result<Vec<IpAddr>, String> {
        let found = self.get()?.lookup_ip(&name).await;
        match found {
            Ok(found) => Ok(found.iter().collect()),
            Err(error) if error.is_no_records_found() => Err(format!("the name `{name}` has no address")),
            Err(error) => Err(format!("the name `{name}` cannot be looked up: {error}")),
        }
    }
}

/// The resolver of one way of connecting.
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

/// Who connects sets the port.
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
