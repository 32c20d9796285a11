//! Hands this user's logins to the registry in its container. Credential helpers run on this machine, not in the
//! container.

use std::time::Duration;

use hythe_cluster::registry::{self, Found, Logins, RegistrySettings};
use hythe_cluster::step::{Outcome, Report, Step};
use hythe_engine::Engine;
use hythe_oci::Authority;

use super::configuration;
use crate::config::{ConfigError, Environment};
use crate::failure::Failure;

/// Time between two lookups of the logins: some logins are valid for an hour only.
const RENEWAL: Duration = Duration::from_mins(10);
/// Time to the next lookup after a failure: the network may not be up yet.
const AGAIN: Duration = Duration::from_secs(30);

/// The logins that the registry's configuration takes from this user.
#[derive(Default)]
pub(super) struct Handed {
    /// How the registry's container is created so that it can take them.
    pub(super) logins: Logins,
    /// The upstreams that they are for.
    upstreams: Vec<String>,
    /// The logins as a Docker configuration file.
    config: String,
    /// Upstreams with a login for which the configuration does not say who may pull their private images (`share`).
    unshared: Vec<String>,
    /// The logins that could not be looked up, and why.
    missing: Option<ConfigError>,
}

impl Handed {
    /// Looks the logins up. This may run credential helpers.
    pub(super) async fn find(
        settings: &RegistrySettings,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        // Only a configuration file can ask for logins, and a file of this user's own server does not apply to the
        // container.
        if settings.config.is_none() {
            return Ok(Self::default());
        }
        // Keep the user's variables, which credential helpers need, but not the settings of this user's own server.
        let is_setting = |name: &str| name.starts_with("HYTHE_") || name.starts_with("REGISTRY_");
        let mut variables = environment.variables.clone();
        variables.retain(|name, _| !is_setting(name));
        let (mut loaded, environment) = configuration(settings, variables)?;
        let looked = tokio::task::spawn_blocking(move || {
            let missing = loaded.log_in(&environment).err();
            (loaded, missing)
        });
        let (loaded, missing) = looked.await.map_err(Failure::internal("looking up logins"))?;
        let (upstreams, config) = loaded.docker_logins();
        let text = |names: Vec<&Authority>| names.iter().map(ToString::to_string).collect();
        let handed = !upstreams.is_empty();
        Ok(Self {
            logins: Logins { handed, shared: handed && settings.address.is_loopback() },
            upstreams: text(upstreams),
            config,
            unshared: text(loaded.unshared_logins()),
            missing,
        })
    }

    /// Fails if a login could not be looked up.
    pub(super) fn whole(self) -> Result<Self, Failure> {
        match self.missing {
            Some(error) => Err(error.into()),
            None => Ok(self),
        }
    }

    /// Hands the logins to the registry, if its container was created to take them.
    pub(super) async fn hand_over(
        &self,
        engine: &Engine,
        settings: &RegistrySettings,
        report: Report<'_>,
    ) -> Result<(), Failure> {
        if !self.logins.handed {
            return Ok(());
        }
        let is_new = registry::hand_logins(engine, settings, &self.config).await?;
        let whom = match self.unshared.as_slice() {
            [] => String::new(),
            _ if settings.logins.shared => {
                "; this machine and attached clusters get the images that they open".to_owned()
            }
            _ => format!("; {}", given_to(&self.unshared, "nobody")),
        };
        let upstreams = self.upstreams.join(", ");
        report(if is_new {
            Step::new("logins", Outcome::Changed, format!("handed over for {upstreams}{whom}"))
        } else {
            Step::new(
                "logins",
                Outcome::Unchanged,
                format!("the registry already has those for {upstreams}{whom}"),
            )
        });
        Ok(())
    }
}

/// A clause that says who gets the images that logins open, if the configuration does not say it, and how to change
/// that.
pub(super) fn given_to(upstreams: &[String], whom: &str) -> String {
    format!(
        "images that need the login of {} are served to {whom}: to serve them to everybody who reaches the registry, \
         set share = \"all\" below its [upstream.\"NAME\"]",
        upstreams.join(" and ")
    )
}

/// Hands logins over now, at each start of the registry, and again before they expire.
pub(super) async fn keep(
    engine: &Engine,
    settings: &RegistrySettings,
    environment: &Environment,
    report: Report<'_>,
) -> Result<(), Failure> {
    if !settings.logins.handed {
        return std::future::pending().await;
    }
    let hand_over = async || {
        let changes = |step: Step| {
            if step.outcome != Outcome::Unchanged {
                report(step);
            }
        };
        let handed = async {
            if !matches!(registry::find(engine, &settings.name).await?, Found::Ours(_)) {
                return Ok(());
            }
            let handed = Handed::find(settings, environment).await?;
            handed.hand_over(engine, settings, &changes).await?;
            handed.whole().map(drop)
        };
        match handed.await {
            Ok(()) => RENEWAL,
            Err(error) => {
                report(Step::new("logins", Outcome::Failed, error.to_string()));
                AGAIN
            }
        }
    };
    registry::at_each_start(engine, &settings.name, hand_over).await.map_err(Failure::from)
}
