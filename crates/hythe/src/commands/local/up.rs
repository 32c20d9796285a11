//! `hythe up`: runs the registry and wires clusters to it.

use std::path::{Path, PathBuf};

use hythe_cluster::attach::{self, Wiring};
use hythe_cluster::engine::{Engine, EngineError};
use hythe_cluster::image::Image;
use hythe_cluster::registry::{self, Data, Found, RegistrySettings, USER};
use hythe_cluster::step::{Outcome, Step};
use hythe_cluster::topology::clusters;
use hythe_storage::check_data_folder;
use serde_json::json;

use super::logins::Handed;
use super::{Steps, confirmed, default_settings, process, service, upstreams, wiring};
use crate::args::UpArgs;
use crate::commands::deploy;
use crate::commands::engine::connect;
use crate::commands::runtime::run;
use crate::config::Environment;
use crate::console::{Printer, count_of};
use crate::failure::{Failure, FileError, LocalError};

/// Runs the registry and attaches the clusters.
pub(in crate::commands) fn up(
    args: &UpArgs,
    environment: &Environment,
    printer: Printer,
) -> Result<(), Failure> {
    check_name("--name", &args.target.name)?;
    if let Some(folder) = &args.data {
        check_folder(folder, environment)?;
    }
    if args.process {
        return process::process(args, environment, printer);
    }
    run(async {
        let engine = connect(&args.target.engine).await?;
        let steps = Steps::new(printer);
        let report = |step| steps.take(step);
        check_paths(args, engine.remote())?;
        let name = &args.target.name;
        if !args.dry_run {
            registry::recover(&engine, name, &report).await?;
        }
        let before = before(&engine, name).await?;
        let mut settings = settings(args, before.clone(), environment)?;
        if args.data.is_none() && engine.remote().is_none() {
            check_data(&settings)?;
        }
        let former = before.map(|before| before.data).filter(|data| *data != settings.data);
        if let Some(former) = &former
            && !args.yes
            && !args.dry_run
            && !confirmed(
                &format!(
                    "The registry would use {} and no longer serve the images in {former}, which stay there. Continue?",
                    settings.data
                ),
                printer,
            )?
        {
            printer.note("nothing was changed");
            return Ok(());
        }
        let image = Image::of(args.binary.as_deref(), env!("CARGO_PKG_VERSION"))?;
        if !args.dry_run {
            // Look up the logins first: a failure must come before any change.
            let handed = Handed::find(&settings, environment).await?.whole()?;
            settings.logins = handed.logins;
            registry::load(&engine, &image, &report).await?;
            let begun = begin(&engine, settings.clone(), args, &image, &steps).await;
            // Also if `begin` failed and restored the previous container: that one has lost its logins too.
            let told = handed.hand_over(&engine, begun.as_ref().unwrap_or(&settings), &report).await;
            settings = begun?;
            told?;
        }
        if let Some(former) = former {
            let text = format!("now in {}; the earlier images stay in {former}", settings.data);
            report(Step::new("data", Outcome::Changed, text));
        }
        printer.registry_port(settings.port);
        if !settings.address.is_loopback() {
            printer.note(format_args!(
                "warning: anybody who can reach {} on port {} can push to the registry and delete from it",
                settings.address, settings.port
            ));
        }
        let wiring = wiring(settings.clone(), environment, args.force, args.dry_run)?;
        let attached =
            if args.no_attach { Attached::default() } else { attach_every(&engine, &wiring, &steps).await? };
        printer.data(summary(&settings, &steps, args.dry_run), || {
            let mut data = steps.json();
            data["registry"] = json!(settings);
            data
        });
        if args.watch && !args.dry_run {
            let service = service::install(&settings.name, engine.address(), environment)?;
            printer.note(format_args!("a service attaches new nodes: {service}"));
        }
        if attached.failed > 0 {
            return Err(LocalError::Unwired.into());
        }
        if !args.dry_run {
            printer.note(attached.hint(settings.port));
        }
        Ok(())
    })
}

/// The settings that an earlier `hythe up` gave the registry, also if its container is gone. None of them is guessed:
/// with a wrong guess the registry's data would seem to be lost.
async fn before(engine: &Engine, name: &str) -> Result<Option<RegistrySettings>, Failure> {
    match registry::find(engine, name).await? {
        Found::Ours(container) => Ok(Some(RegistrySettings::known(&container)?)),
        Found::Absent => registry::remembered(engine, name).await.map_err(Failure::from),
        Found::Theirs(_) => {
            registry::own(engine, name).await?;
            Ok(None)
        }
        Found::Foreign(_) => Ok(None),
    }
}

/// Starts the registry. With `--adopt`, it takes the place of the container that has its name or port.
async fn begin(
    engine: &Engine,
    settings: RegistrySettings,
    args: &UpArgs,
    image: &Image,
    steps: &Steps,
) -> Result<RegistrySettings, Failure> {
    let report = |step| steps.take(step);
    if args.adopt
        && let Some(before) = registry::predecessor(engine, &settings).await?
    {
        let heir = registry::heir(engine, &before, &settings, args.port.is_none()).await?;
        // Fails on settings of the old container that hythe cannot keep, its users for example, before stopping it.
        upstreams(&heir)?;
        registry::adopt(engine, &before, &heir, image, &report).await?;
        return Ok(heir);
    }
    upstreams(&settings)?;
    registry::run(engine, &settings, image, &report).await?;
    Ok(settings)
}

/// The result of attaching clusters.
#[derive(Default)]
pub(super) struct Attached {
    /// Clusters that are attached.
    clusters: usize,
    /// Clusters that could not be attached.
    failed: usize,
    /// Whether some node pulls images of some upstream by another way than the registry.
    is_partial: bool,
}

impl Attached {
    /// What the user can try next. Suggests only what works.
    fn hint(&self, port: u16) -> String {
        let push =
            format!("try it:  docker tag IMAGE localhost:{port}/app && docker push localhost:{port}/app");
        match (self.clusters, self.is_partial) {
            (0, _) => format!("{push}\nafter you create a cluster: `hythe attach --all`"),
            (_, true) => format!(
                "{push}\nthen use image: localhost:{port}/app in a Pod. The lines that begin with - say which images of \
                 upstreams are not pulled through the registry"
            ),
            (_, false) => format!(
                "{push}\nthen use image: localhost:{port}/app in a Pod; images of docker.io and other upstreams are pulled \
                 through the registry under their own names"
            ),
        }
    }
}

/// Attaches every cluster except those that the user detached. Returns whether all of them could be attached.
pub(super) async fn attach_all(engine: &Engine, wiring: &Wiring, steps: &Steps) -> Result<bool, Failure> {
    Ok(attach_every(engine, wiring, steps).await?.failed == 0)
}

async fn attach_every(engine: &Engine, wiring: &Wiring, steps: &Steps) -> Result<Attached, Failure> {
    let report = |step| steps.take(step);
    let mut attached = Attached::default();
    for cluster in clusters(engine).await? {
        if !cluster.is_running() {
            report(Step::new(cluster.to_string(), Outcome::Skipped, "it does not run"));
            continue;
        }
        let wired = async {
            if attach::is_detached(engine, &cluster).await? {
                let text = format!("it was detached; `hythe attach {}` attaches it again", cluster.name);
                report(Step::new(cluster.to_string(), Outcome::Skipped, text));
                return Ok(None);
            }
            attach::attach(engine, &cluster, wiring, &report).await.map(Some)
        };
        // A cluster that fails does not stop the others.
        match wired.await {
            Ok(None) => {}
            Ok(Some(true)) => attached.clusters += 1,
            Ok(Some(false)) => attached.failed += 1,
            Err(error) => {
                let error: EngineError = error;
                report(Step::new(cluster.to_string(), Outcome::Failed, error.to_string()));
                attached.failed += 1;
            }
        }
    }
    let is_left = |step: &Step| step.outcome == Outcome::Skipped && step.subject.starts_with("node ");
    attached.is_partial = steps.all().iter().any(is_left);
    Ok(attached)
}

/// Refuses local folders and files if the engine runs on another machine: it mounts its own machine's.
fn check_paths(args: &UpArgs, remote: Option<&str>) -> Result<(), Failure> {
    let Some(host) = remote else { return Ok(()) };
    let instead = if args.data.is_some() {
        "--data names a folder of this machine"
    } else if args.config.as_ref().is_some_and(|config| !config.as_os_str().is_empty()) {
        "--config names a file of this machine"
    } else {
        return Ok(());
    };
    Err(Failure::Usage(format!(
        "{instead}, but the engine runs on {host}: keep the data in a volume with --volume NAME, give settings with \
         --set KEY=VALUE, or run hythe there"
    )))
}

/// Refuses a folder that has another purpose, because the registry's container becomes the owner of its data folder.
fn check_folder(folder: &Path, environment: &Environment) -> Result<(), Failure> {
    let real = |path: &Path| {
        let found = std::fs::canonicalize(path).or_else(|_| std::path::absolute(path));
        found.unwrap_or_else(|_| path.to_owned())
    };
    let home = environment.variables.get("HOME").map(Path::new);
    let is_home = home.is_some_and(|home| real(home) == real(folder));
    if is_home {
        return Err(Failure::Usage(format!(
            "--data {}: this is your home folder: name a folder in it that only the registry uses",
            folder.display()
        )));
    }
    check_data_folder(folder).map_err(|error| Failure::Usage(error.to_string()))
}

/// Refuses to start without the data folder: its disk may not be mounted, and the registry must not start empty
/// instead.
fn check_data(settings: &RegistrySettings) -> Result<(), Failure> {
    match &settings.data {
        Data::Folder(folder) if !folder.exists() => {
            Err(FileError::DataMissing { folder: folder.clone() }.into())
        }
        Data::Folder(_) | Data::Volume(_) => Ok(()),
    }
}

/// Checks the name of a container, or of the registry in a network.
fn check_name(flag: &str, name: &str) -> Result<(), Failure> {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.bytes().all(is_known) && name.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "{flag} {name}: a name consists of letters, digits, -, _ and ., and begins with a letter or a digit"
    )))
}

/// The registry's settings: the flags, then the previous settings, then the defaults. An empty flag removes a previous
/// setting.
fn settings(
    args: &UpArgs,
    before: Option<RegistrySettings>,
    environment: &Environment,
) -> Result<RegistrySettings, Failure> {
    let mut settings = before.unwrap_or_else(|| default_settings(args.target.name.clone(), environment));
    if !args.alias.is_empty() {
        settings.aliases = args.alias.iter().filter(|alias| !alias.is_empty()).cloned().collect();
        settings.aliases.iter().try_for_each(|alias| check_name("--alias", alias))?;
    }
    settings.address = args.address.unwrap_or(settings.address);
    settings.port = args.port.unwrap_or(settings.port);
    settings.mirror_port = args.mirror_port.or(settings.mirror_port).filter(|port| *port != 0);
    if settings.mirror_port == Some(settings.port) {
        return Err(Failure::Usage(format!(
            "--mirror-port {0}: the registry itself uses port {0}; choose another port for the mirror",
            settings.port
        )));
    }
    if let Some(folder) = &args.data {
        let (folder, user) = data_folder(folder, args.dry_run)?;
        settings.data = Data::Folder(folder);
        settings.user = user;
    }
    if let Some(volume) = &args.volume {
        let volume = Data::Volume(volume.clone());
        if settings.data != volume {
            settings.data = volume;
            settings.user = (USER, USER);
        }
    }
    if let Some(config) = &args.config {
        let absolute = std::path::absolute(config).ok().filter(|path| path.is_file());
        let unreadable = || Failure::Usage(format!("--config {}: no such file", config.display()));
        let is_empty = config.as_os_str().is_empty();
        settings.config = if is_empty { None } else { Some(absolute.ok_or_else(unreadable)?) };
    }
    if !args.settings.is_empty() {
        // Settings that hythe took over from an adopted registry:2 stay.
        settings.environment.retain(|name, _| name.starts_with("REGISTRY_"));
        let given: Vec<String> = args.settings.iter().filter(|text| !text.is_empty()).cloned().collect();
        settings.environment.extend(deploy::variables(&given, deploy::Server::Container)?);
    }
    Ok(settings)
}

/// The data folder, created if it does not exist, and the user that may write to it.
fn data_folder(folder: &Path, dry_run: bool) -> Result<(PathBuf, (u32, u32)), Failure> {
    let unusable = |error: std::io::Error| {
        Failure::Usage(format!("--data {}: the folder cannot be used: {error}", folder.display()))
    };
    let is_new = !folder.exists();
    if is_new && dry_run {
        return Ok((std::path::absolute(folder).map_err(unusable)?, (USER, USER)));
    }
    std::fs::create_dir_all(folder).map_err(unusable)?;
    let folder = std::fs::canonicalize(folder).map_err(unusable)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt as _, chown};
        let metadata = std::fs::metadata(&folder).map_err(unusable)?;
        if metadata.uid() != 0 {
            return Ok((folder, (metadata.uid(), metadata.gid())));
        }
        let is_empty = is_new || std::fs::read_dir(&folder).map_err(unusable)?.next().is_none();
        // hythe does not change the owner of a folder of root's that has content: that is the user's decision.
        if is_empty && (dry_run || chown(&folder, Some(USER), Some(USER)).is_ok()) {
            return Ok((folder, (USER, USER)));
        }
        Ok((folder, (0, 0)))
    }
    #[cfg(not(unix))]
    Ok((folder, (USER, USER)))
}

fn summary(settings: &RegistrySettings, steps: &Steps, dry_run: bool) -> String {
    let changes = steps.changes();
    let told = match (changes, dry_run) {
        (0, true) => "nothing would change".to_owned(),
        (0, false) => "nothing had to be changed".to_owned(),
        (changes, true) => format!("{} would be made", count_of(changes as u64, "change")),
        (changes, false) => count_of(changes as u64, "change"),
    };
    format!("localhost:{} ({}, in clusters {}:5000): {told}", settings.port, settings.data, settings.name)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Args, Command};

    fn settings(args: &UpArgs, before: Option<RegistrySettings>) -> Result<RegistrySettings, Failure> {
        super::settings(args, before, &Environment::default())
    }

    fn asked(flags: &[&str]) -> UpArgs {
        let words = ["hythe", "up", "--name", "reg"].into_iter().chain(flags.iter().copied());
        let Command::Up(args) = Args::try_parse_from(words).unwrap().command else { unreachable!() };
        *args
    }

    #[test]
    fn an_empty_value_removes_a_previous_setting() {
        let config = tempfile::NamedTempFile::new().unwrap();
        let path = config.path().to_str().unwrap();
        let flags =
            ["--alias", "a.b", "--mirror-port", "5002", "--set", "upstream.offline=true", "--config", path];
        let mut before = settings(&asked(&flags), None).unwrap();
        before.environment.insert("REGISTRY_HTTP_SECRET".to_owned(), "x".to_owned());
        assert_eq!((before.aliases.len(), before.mirror_port, before.environment.len()), (1, Some(5002), 2));
        assert!(before.config.is_some());
        assert_eq!(settings(&asked(&[]), Some(before.clone())).unwrap(), before);
        let flags = ["--alias", "", "--mirror-port", "", "--set", "", "--config", ""];
        let after = settings(&asked(&flags), Some(before)).unwrap();
        assert_eq!((after.aliases.len(), after.mirror_port, after.config), (0, None, None));
        assert_eq!(after.environment.keys().collect::<Vec<_>>(), ["REGISTRY_HTTP_SECRET"]);
    }

    #[test]
    fn a_name_that_networks_cannot_have_is_refused() {
        for alias in ["a/b", "-a", ".a", "a b"] {
            let error = settings(&asked(&[&format!("--alias={alias}")]), None).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{alias}");
        }
    }

    #[test]
    fn a_new_volume_does_not_keep_the_user_of_the_former_folder() {
        let mut before = RegistrySettings::new("reg".to_owned());
        (before.data, before.user) = (Data::Folder("/srv".into()), (501, 20));
        let after = settings(&asked(&["--volume", "v"]), Some(before)).unwrap();
        assert_eq!((after.data.clone(), after.user), (Data::Volume("v".to_owned()), (USER, USER)));
        let adopted = RegistrySettings { user: (7, 8), ..after };
        assert_eq!(settings(&asked(&["--volume", "v"]), Some(adopted)).unwrap().user, (7, 8));
    }

    #[test]
    fn a_dry_run_makes_no_folder() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("data");
        let path = folder.to_str().unwrap();
        let made = settings(&asked(&["--dry-run", "--data", path]), None).unwrap();
        assert_eq!(made.data, Data::Folder(folder.clone()));
        assert!(!folder.exists());
    }

    #[test]
    fn a_system_folder_or_a_home_is_refused_as_the_data_folder() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/etc", &link).unwrap();
        let mut environment = Environment::default();
        environment.variables.insert("HOME".to_owned(), "/home/ada".into());
        for refused in ["/", "/etc", "/etc/../etc/", "/usr/share/registry", "/var", "/home/ada", "/proc/1"] {
            let error = check_folder(Path::new(refused), &environment).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{error}");
        }
        for link in [link.clone(), link.join("new")] {
            let error = check_folder(&link, &environment).unwrap_err().to_string();
            assert!(error.contains("/link") && error.contains("system"), "{error}");
        }
        for taken in [folder.path(), &folder.path().join("new/deep"), Path::new("/srv/registry")] {
            check_folder(taken, &environment).unwrap();
        }
    }

    #[test]
    fn a_new_registry_gets_the_port_of_the_users_script() {
        let mut environment = Environment::default();
        environment.variables.insert("REG_PORT".to_owned(), "5009".into());
        assert_eq!(default_settings("reg".to_owned(), &environment).port, 5009);
        environment.variables.insert("REG_PORT".to_owned(), "tcp://10.0.0.1:5000".into());
        assert_eq!(default_settings("reg".to_owned(), &environment).port, 5001);
    }

    #[test]
    fn only_what_works_is_suggested() {
        let none = Attached::default().hint(5007);
        assert!(
            none.contains("localhost:5007/app") && !none.contains("Pod") && !none.contains("docker.io"),
            "{none}"
        );
        let whole = Attached { clusters: 1, ..Attached::default() }.hint(5001);
        assert!(whole.contains("in a Pod") && whole.contains("docker.io"), "{whole}");
        let partial = Attached { clusters: 1, is_partial: true, ..Attached::default() }.hint(5001);
        assert!(partial.contains("not pulled through the registry"), "{partial}");
    }

    #[test]
    fn local_folders_are_refused_for_an_engine_on_another_machine() {
        check_paths(&asked(&["--data", "x"]), None).unwrap();
        check_paths(&asked(&["--volume", "x", "--config", ""]), Some("build")).unwrap();
        let error = check_paths(&asked(&["--data", "x"]), Some("build")).unwrap_err().to_string();
        assert!(error.contains("build") && error.contains("--volume NAME"), "{error}");
    }
}
