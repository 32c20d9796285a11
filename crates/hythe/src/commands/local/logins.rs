//! Logins of this user, handed to the registry in its container: credential helpers run here.

use std::time::Duration;

use hythe_cluster::engine::Engine;
use hythe_cluster::registry::{self, Found, Logins, Settings};
use hythe_cluster::step::{Outcome, Report, Step};
use hythe_oci::Authority;

use super::{configuration, failed};
use crate::config::{ConfigError, Environment};
use crate::failure::Failure;

/// How often they are looked up again: some are good for an hour.
const RENEWAL: Duration = Duration::from_mins(10);
/// The same where something failed: the network may not be there yet.
const AGAIN: Duration = Duration::from_secs(30);

/// What the registry's configuration leaves to this user.
#[derive(Default)]
pub(super) struct Handed {
    /// What the registry is made with for them.
    pub(super) logins: Logins,
    /// Their upstreams.
    upstreams: Vec<String>,
    /// They, as a configuration of Docker's.
    config: String,
    /// Those of which nothing says who gets what they open.
    unshared: Vec<String>,
    /// Those that could not be looked up, and why.
    missing: Option<ConfigError>,
}

impl Handed {
    /// Looks them up. Programs may be run for it.
    pub(super) async fn find(settings: &Settings, environment: &Environment) -> Result<Self, Failure> {
        // Only a file says so; and one of this user's own server is none of the container's.
        if settings.config.is_none() {
            return Ok(Self::default());
        }
        // What else this user's programs need to know.
        let is_setting = |name: &str| name.starts_with("HYTHE_") || name.starts_with("REGISTRY_");
        let mut variables = environment.variables.clone();
        variables.retain(|name, _| !is_setting(name));
        let (mut loaded, environment) = configuration(settings, variables)?;
        let looked = tokio::task::spawn_blocking(move || {
            let missing = loaded.log_in(&environment).err();
            (loaded, missing)
        });
        let (loaded, missing) =
            looked.await.map_err(|error| Failure::Other(format!("logins were not looked up: {error}")))?;
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

    /// All of them, or why one could not be looked up.
    pub(super) fn whole(self) -> Result<Self, Failure> {
        match self.missing {
            Some(error) => Err(error.into()),
            None => Ok(self),
        }
    }

    /// Hands them over, to a registry that was made for it.
    pub(super) async fn hand_over(
        &self,
        engine: &Engine,
        settings: &Settings,
        report: Report<'_>,
    ) -> Result<(), Failure> {
        if !self.logins.handed {
            return Ok(());
        }
        let is_new = registry::hand_logins(engine, settings, &self.config).await.map_err(failed)?;
        let whom = match self.unshared.as_slice() {
            [] => String::new(),
            _ if settings.logins.shared => {
                "; this machine and attached clusters get what they open".to_owned()
            }
            _ => format!("; {}", given_to(&self.unshared, "nobody")),
        };
        let upstreams = self.upstreams.join(", ");
        report(if is_new {
            Step::new("logins", Outcome::Changed, format!("handed over for {upstreams}{whom}"))
        } else {
            Step::new("logins", Outcome::Unchanged, format!("it has those for {upstreams}{whom}"))
        });
        Ok(())
    }
}

/// Who gets what logins open of which nothing says who does, and what changes that.
pub(super) fn given_to(upstreams: &[String], whom: &str) -> String {
    format!(
        "what the login of {} opens is given to {whom}: share = \"all\" below its [upstream.\"NAME\"] gives it to whoever \
         reaches the registry",
        upstreams.join(" and ")
    )
}

/// Hands over what there is, now, at each start of the registry, and before what was handed over is too old.
pub(super) async fn keep(
    engine: &Engine,
    settings: &Settings,
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
            if !matches!(registry::find(engine, &settings.name).await.map_err(failed)?, Found::Ours(_)) {
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
    registry::at_each_start(engine, &settings.name, hand_over).await.map_err(failed)
}
