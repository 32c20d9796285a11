//! A client of a cluster's API, by a context of the user's kubeconfig.

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

/// How long a connection to the API may take. A stopped cluster should be reported soon, not after half a minute.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a request may take: longer than an API server and its admission webhooks need for hythe's requests.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// A client of a cluster's API, logged in as one user. Cheap to clone.
#[derive(Clone)]
pub struct Access {
    client: Client,
    context: String,
    server: String,
    namespace: String,
}

impl Access {
    /// Connects by a context of these files, or by their current context. It asks the API once, so an API that cannot
    /// be reached is an error here.
    pub async fn from_files(files: &[PathBuf], context: Option<&str>) -> Result<Self, ApiError> {
        Self::from_kubeconfig(kubeconfig::read(files)?, context).await
    }

    /// Connects by the text of a kubeconfig, such as a control plane's own. If there is an `address`
    /// (`https://127.0.0.1:6443`), the API is asked there; its certificate still has to have the name in the text.
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
                unusable(format!("the login program {command} of its user failed: {reason}{hint}"))
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
        let namespace = config.default_namespace.clone();
        // The client puts a login program's token into a header as it is, and panics if the header cannot have it.
        let made = std::panic::catch_unwind(AssertUnwindSafe(|| Client::try_from(config)));
        let client = made
            .map_err(|_| {
                login_failed("its token has a character that an HTTP header cannot have".to_owned())
            })?
            .map_err(|error| login_failed(error::reason(&error)))?;
        let access = Self { client, context, server, namespace };
        access.check().await?;
        Ok(access)
    }

    /// Fails if the API does not answer, or does not accept this user.
    async fn check(&self) -> Result<(), ApiError> {
        self.ask(Verb::Get, || "the version".to_owned(), self.client.apiserver_version()).await.map(drop)
    }

    /// The context's name.
    pub fn context(&self) -> &str {
        &self.context
    }

    /// The context's namespace; `default` if it names none.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The API's address.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Makes a request, for at most [`REQUEST_TIMEOUT`]. The error names the verb and the object.
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

    /// As [`Access::ask`]; none if the object does not exist.
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
