//! A cluster's API, as a context of the user's kubeconfig reaches it.

mod apply;
mod error;
mod kubeconfig;
mod object;
mod proxy;

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::time::Duration;

use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};

pub use apply::{Change, FIELD_MANAGER, is_ours};
pub use error::{ApiError, Owner, Verb};
pub use kubeconfig::{KubeconfigError, kubeconfig_files};
pub use object::{Kind, MANAGED_BY, Manifest, Object};

/// A cluster of the user's answers within this, or is not there: nobody waits half a minute to hear that it is stopped.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Longer than an API server takes for anything that is asked of it here, its own admission webhooks included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// A cluster's API, as one user of it. Cheap to clone.
#[derive(Clone)]
pub struct Access {
    client: Client,
    context: String,
    server: String,
}

impl Access {
    /// By a context of these files, or by their current one. The API is asked once, so that one that is not reachable
    /// is an error here.
    pub async fn from_files(files: &[PathBuf], context: Option<&str>) -> Result<Self, ApiError> {
        Self::from_kubeconfig(kubeconfig::read(files)?, context).await
    }

    /// By a kubeconfig's text, as a control plane has it for itself; the server is asked at `address` instead
    /// (`https://127.0.0.1:6443`) where that is given, and still has to prove the name that the text gives it.
    pub async fn from_text(text: &str, address: Option<&str>) -> Result<Self, ApiError> {
        let mut kubeconfig = kubeconfig::parse(text)?;
        if let Some(address) = address {
            kubeconfig::move_servers(&mut kubeconfig, address);
        }
        Self::from_kubeconfig(kubeconfig, None).await
    }

    async fn from_kubeconfig(kubeconfig: Kubeconfig, context: Option<&str>) -> Result<Self, ApiError> {
        let context = kubeconfig::choose(&kubeconfig, context)?;
        kubeconfig::check_token(&kubeconfig, &context)?;
        let plugin = kubeconfig::plugin(&kubeconfig, &context).cloned();
        let unusable = |reason: String| KubeconfigError::Context { context: context.clone(), reason };
        let login_failed = |reason: String| match &plugin {
            Some(plugin) => {
                let hint = plugin
                    .install_hint
                    .as_deref()
                    .map(|hint| format!(". {}", hint.trim()))
                    .unwrap_or_default();
                let command = plugin.command.as_deref().unwrap_or("without a name");
                unusable(format!("its login program {command} failed: {reason}{hint}"))
            }
            None => unusable(reason),
        };
        let proxy = kubeconfig::own_proxy(&kubeconfig, &context);
        let options = KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .map_err(|error| unusable(error.to_string()))?;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        if !proxy {
            config.proxy_url = proxy::of_environment(&config.cluster_url);
        }
        let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        // What a login program says is sent as it is, and the client takes for granted that it can be.
        let made = std::panic::catch_unwind(AssertUnwindSafe(|| Client::try_from(config)));
        let client = made
            .map_err(|_| login_failed("it gave a token that a header cannot have".to_owned()))?
            .map_err(|error| login_failed(error::reason(&error)))?;
        let access = Self { client, context, server };
        access.check().await?;
        Ok(access)
    }

    /// Whether the API answers, and takes this user for somebody.
    async fn check(&self) -> Result<(), ApiError> {
        self.ask(Verb::Get, || "the version".to_owned(), self.client.apiserver_version()).await.map(drop)
    }

    /// The context's name.
    pub fn context(&self) -> &str {
        &self.context
    }

    /// Where the API is.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Asks, in bounded time; what is refused is told with what was wanted.
    pub(crate) async fn ask<T>(
        &self,
        verb: Verb,
        what: impl FnOnce() -> String,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, ApiError> {
        match tokio::time::timeout(REQUEST_TIMEOUT, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(ApiError::new(self, verb, what(), &error)),
            Err(_) => Err(ApiError::Unreachable {
                context: self.context.clone(),
                server: self.server.clone(),
                reason: format!("no answer within {} seconds", REQUEST_TIMEOUT.as_secs()),
            }),
        }
    }

    /// As [`Access::ask`]; what is not there is none.
    pub(crate) async fn find<T>(
        &self,
        what: impl FnOnce() -> String,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<Option<T>, ApiError> {
        let request = async {
            match request.await {
                Ok(found) => Ok(Some(found)),
                Err(kube::Error::Api(status)) if status.is_not_found() => Ok(None),
                Err(error) => Err(error),
            }
        };
        self.ask(Verb::Get, what, request).await
    }
}
