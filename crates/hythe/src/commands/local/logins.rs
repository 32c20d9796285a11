//! Logins of this user, handed to the registry in its container: credential helpers run here.

use std::collections::BTreeMap;
use std::time::Duration;

use hythe_cluster::engine::Engine;
use hythe_cluster::registry::{self, Logins, Settings};
use hythe_cluster::step::{Outcome, Report, Step};

use super::failed;
use crate::config::{Environment, Inputs, load};
use crate::failure::Failure;

/// How often they are looked up again: some are good for an hour.
const RENEWAL: Duration = Duration::from_mins(10);

/// What the registry's configuration leaves to this user.
pub(super) struct Handed {
    /// What the registry is made with for them.
    pub(super) logins: Logins,
    /// Their upstreams.
    upstreams: Vec<String>,
    /// They, as a configuration of Docker's.
    config: String,
    /// The upstreams whose logins open what nobody gets.
    kept: Vec<String>,
}

impl Handed {
    /// Looks them up. Programs may be run for it.
    pub(super) async fn find(settings: &Settings, environment: &Environment) -> Result<Self, Failure> {
        let mut handed = Self {
            logins: Logins::default(),
            upstreams: Vec::new(),
            config: String::new(),
            kept: Vec::new(),
        };
        // Only a file says so; and one of this user's own server is none of the container's.
        if settings.config.is_none() {
            return Ok(handed);
        }
        let inputs = Inputs { file: settings.config.clone(), ..Inputs::default() };
        let environment =
            Environment { variables: variables(settings, environment), root: false, system_folder: None };
        let mut loaded = load(&inputs, &environment)?;
        let looked = tokio::task::spawn_blocking(move || loaded.log_in(&environment).map(|()| loaded)).await;
        let loaded =
            looked.map_err(|error| Failure::Other(format!("logins were not looked up: {error}")))??;
        let text = |names: Vec<&hythe_oci::Authority>| names.iter().map(ToString::to_string).collect();
        let unshared = loaded.unshared_logins();
        let (upstreams, config) = loaded.docker_logins();
        handed.logins = Logins {
            handed: !upstreams.is_empty(),
            shared: !unshared.is_empty() && settings.address.is_loopback(),
        };
        (handed.upstreams, handed.config) = (text(upstreams), config);
        if !handed.logins.shared {
            handed.kept = text(unshared);
        }
        Ok(handed)
    }

    /// Hands them over.
    pub(super) async fn hand_over(
        &self,
        engine: &Engine,
        settings: &Settings,
        report: Report<'_>,
    ) -> Result<(), Failure> {
        if !self.kept.is_empty() {
            let text = format!(
                "what those of {} open is given to nobody, as {} is more than this machine's: share = \"all\" below \
                 [upstream.\"{}\"] gives it to whoever reaches the registry",
                self.kept.join(", "),
                settings.address,
                self.kept[0]
            );
            report(Step::new("logins", Outcome::Skipped, text));
        }
        if !self.logins.handed {
            return Ok(());
        }
        let is_new = registry::hand_logins(engine, settings, &self.config).await.map_err(failed)?;
        let whom =
            if self.logins.shared { "; this machine and attached clusters get what they open" } else { "" };
        let upstreams = self.upstreams.join(", ");
        report(if is_new {
            Step::new("logins", Outcome::Changed, format!("handed over for {upstreams}{whom}"))
        } else {
            Step::new("logins", Outcome::Unchanged, format!("it has those for {upstreams}{whom}"))
        });
        Ok(())
    }
}

/// The registry's own settings, and what else this user's programs need to know.
fn variables(settings: &Settings, environment: &Environment) -> BTreeMap<String, std::ffi::OsString> {
    let is_setting = |name: &str| name.starts_with("HYTHE_") || name.starts_with("REGISTRY_");
    let own = environment.variables.iter().filter(|(name, _)| !is_setting(name));
    let mut variables: BTreeMap<_, _> = own.map(|(name, value)| (name.clone(), value.clone())).collect();
    variables.extend(settings.environment.iter().map(|(name, value)| (name.clone(), value.into())));
    variables.insert("HYTHE_DATA".to_owned(), hythe_cluster::image::DATA_FOLDER.into());
    variables
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
        let handed = async {
            let handed = Handed::find(settings, environment).await?;
            handed.hand_over(engine, settings, report).await
        };
        if let Err(error) = handed.await {
            report(Step::new("logins", Outcome::Failed, error.to_string()));
        }
    };
    registry::at_each_start(engine, &settings.name, RENEWAL, hand_over).await.map_err(failed)
}
