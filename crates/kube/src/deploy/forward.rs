//! Forwards a local port to a deployed registry, through the cluster's API.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::{DeployError, PORT, Target, existing, pods};
use crate::api::{Access, Verb};

/// How long a connection waits for a ready Pod. A replaced Pod is ready again within this time.
const PATIENCE: Duration = Duration::from_secs(30);

/// The pause between two looks for a Pod.
const INTERVAL: Duration = Duration::from_millis(500);

/// What happens while a port is forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForwardEvent {
    /// Connections go to this Pod from now on.
    Pod(String),
    /// No Pod is ready; connections wait for one.
    Waiting,
    /// A connection could not be forwarded.
    Failed(String),
}

/// Forwards the listeners' connections to the registry, until the future is dropped. Fails at the start if the registry
/// does not exist. Later, connections wait for the Pod that replaces the one before.
pub async fn forward(
    access: Access,
    target: Target,
    listeners: Vec<TcpListener>,
    event: impl Fn(ForwardEvent) + Send + Sync + 'static,
) -> Result<(), DeployError> {
    existing::require(&access, &target).await?;
    let forward = Arc::new(Forward { access, target, pod: Mutex::default(), event: Box::new(event) });
    forward.choose(None).await;
    let accepting = listeners.into_iter().map(|listener| accept(listener, forward.clone()));
    futures_util::future::join_all(accepting).await;
    Ok(())
}

async fn accept(listener: TcpListener, forward: Arc<Forward>) {
    loop {
        match listener.accept().await {
            Ok((connection, _)) => {
                let forward = forward.clone();
                tokio::spawn(async move { forward.lead(connection).await });
            }
            // The process has no file descriptor left: wait until other connections end.
            Err(_) => sleep(INTERVAL).await,
        }
    }
}

struct Forward {
    access: Access,
    target: Target,
    pod: Mutex<Chosen>,
    event: Box<dyn Fn(ForwardEvent) + Send + Sync>,
}

/// The Pod to which connections go.
#[derive(Default)]
struct Chosen {
    /// The Pod that was ready last.
    name: Option<String>,
    /// Whether [`ForwardEvent::Waiting`] was reported and no Pod is ready since.
    waiting: bool,
}

impl Forward {
    /// Forwards one connection. No byte of it is read before a Pod's port is open, so another Pod can be tried.
    async fn lead(&self, mut connection: TcpStream) {
        let end = Instant::now() + PATIENCE;
        let mut failed: Option<String> = None;
        let mut reason = "no Pod of the registry is ready".to_owned();
        while Instant::now() < end {
            if let Some(name) = self.choose(failed.as_deref()).await {
                match self.open(&name, &mut connection).await {
                    Ok(()) => return,
                    Err(error) => (reason, failed) = (error, Some(name)),
                }
            }
            sleep(INTERVAL).await;
        }
        (self.event)(ForwardEvent::Failed(reason));
    }

    /// The Pod to which connections go: the same as before, unless it failed.
    async fn choose(&self, failed: Option<&str>) -> Option<String> {
        let mut chosen = self.pod.lock().await;
        if let Some(name) = chosen.name.as_ref().filter(|name| failed != Some(name.as_str())) {
            return Some(name.clone());
        }
        let pods = pods::list(&self.access, &self.target).await.unwrap_or_default();
        let ready = pods.iter().map(pods::state).rev().find(|state| state.ready).map(|state| state.name);
        match &ready {
            Some(name) if chosen.waiting || chosen.name.as_ref() != Some(name) => {
                (self.event)(ForwardEvent::Pod(name.clone()));
            }
            None if !chosen.waiting => (self.event)(ForwardEvent::Waiting),
            _ => {}
        }
        chosen.waiting = ready.is_none();
        chosen.name.clone_from(&ready);
        ready
    }

    /// Opens the Pod's port and copies in both directions, until both sides end.
    async fn open(&self, name: &str, connection: &mut TcpStream) -> Result<(), String> {
        let pods = self.access.namespaced::<Pod>(self.target.namespace.as_str());
        let what = || format!("a port of Pod {}/{name}", self.target.namespace);
        let opened = self.access.ask(Verb::Get, what, pods.portforward(name, &[PORT])).await;
        let mut forwarder = opened.map_err(|error| error.to_string())?;
        let Some(mut stream) = forwarder.take_stream(PORT) else { return Ok(()) };
        let carried: io::Result<(u64, u64)> = copy_bidirectional(connection, &mut stream).await;
        drop(stream);
        forwarder.abort();
        // The Pod ended during the copy: the next connection looks for its successor.
        if carried.is_err() {
            self.pod.lock().await.name = None;
        }
        Ok(())
    }
}
