//! Reads the log of a deployed registry.

use std::time::Duration;

use futures_util::{AsyncBufRead, AsyncReadExt as _};
use kube::ResourceExt as _;
use kube::api::LogParams;
use tokio::time::sleep;

use super::{DeployError, Target, existing, pods};
use crate::api::{Access, Verb};

/// How long a follower waits before it looks for the next Pod.
const INTERVAL: Duration = Duration::from_secs(1);

/// Which part of the log to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Also read new lines, from this Pod and from those that replace it.
    pub follow: bool,
    /// Lines from the end of the log; `None` means all lines.
    pub tail: Option<u32>,
    /// Read the lines of the container before its last restart.
    pub previous: bool,
}

/// Reads the log of the newest Pod. With `follow`, this returns only if it fails.
pub async fn logs(
    access: &Access,
    target: &Target,
    options: LogOptions,
    output: &mut (dyn FnMut(&[u8]) + Send),
) -> Result<(), DeployError> {
    existing::require(access, target).await?;
    let mut tail = options.tail;
    let mut read: Option<String> = None;
    loop {
        let newest = pods::list(access, target).await?.pop().map(|pod| pod.name_any());
        let Some(name) = newest.filter(|name| read.as_ref() != Some(name)) else {
            if !options.follow || read.is_none() {
                return Err(DeployError::NoPod(target.clone()));
            }
            sleep(INTERVAL).await;
            continue;
        };
        let params = LogParams {
            follow: options.follow,
            tail_lines: tail.map(i64::from),
            previous: options.previous,
            ..LogParams::default()
        };
        let pod = access.namespaced::<k8s_openapi::api::core::v1::Pod>(target.namespace.as_str());
        let what = || format!("the log of Pod {}/{name}", target.namespace);
        match access.ask(Verb::Get, what, pod.log_stream(&name, &params)).await {
            Ok(stream) => copy(stream, output).await,
            // A container that is starting has no log yet.
            Err(_) if options.follow && starting(access, target, &name).await => {
                sleep(INTERVAL).await;
                continue;
            }
            Err(error) => return Err(error.into()),
        }
        if !options.follow {
            return Ok(());
        }
        // The next Pod's log is read from its beginning. If the container restarts in this Pod, only new lines are.
        tail = if ended(access, target, &name).await {
            read = Some(name);
            None
        } else {
            Some(0)
        };
        sleep(INTERVAL).await;
    }
}

async fn copy(stream: impl AsyncBufRead, output: &mut (dyn FnMut(&[u8]) + Send)) {
    let mut stream = std::pin::pin!(stream);
    let mut buffer = vec![0; 16 << 10];
    // A broken connection counts as the end: with `follow`, the caller opens the log again.
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        output(&buffer[..count]);
    }
}

async fn state_of(access: &Access, target: &Target, name: &str) -> Option<super::PodState> {
    let pods = pods::list(access, target).await.ok()?;
    pods.iter().map(pods::state).find(|state| state.name == name)
}

async fn starting(access: &Access, target: &Target, name: &str) -> bool {
    state_of(access, target, name).await.is_some_and(|state| state.phase == "Pending" && !state.is_final())
}

async fn ended(access: &Access, target: &Target, name: &str) -> bool {
    state_of(access, target, name).await.is_none_or(|state| state.phase != "Running")
}
