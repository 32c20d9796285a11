//! The registry's container: whether it runs, why not, and whether it and its data come back.

use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, MountPoint, RestartPolicyNameEnum,
};

use super::{Check, Id, Repair};
use crate::image::DATA_FOLDER;
use crate::registry::{Data, Settings};

/// After so many starts something is wrong for good.
const MANY: i64 = 3;

/// What the end of a registry's log, or the engine's own words, say of its end.
struct End {
    cause: &'static str,
    fix: &'static str,
}

/// What is known of the container, from what the engine tells of it and the end of its log.
pub(super) fn checks(settings: &Settings, container: &ContainerInspectResponse, log: &str) -> Vec<Check> {
    let subject = format!("registry {}", settings.name);
    vec![
        runs(&subject, container, log),
        network_mode(&subject, container),
        restart_policy(&subject, container),
        data(&subject, settings, container),
    ]
}

fn runs(subject: &str, container: &ContainerInspectResponse, log: &str) -> Check {
    let state = container.state.clone().unwrap_or_default();
    let restarts = container.restart_count.unwrap_or_default();
    let code = state.exit_code.unwrap_or_default();
    let falls = state.restarting == Some(true) || (restarts >= MANY && state.running != Some(true));
    if state.running == Some(true) && !falls {
        let since = state.started_at.unwrap_or_default();
        let started = if restarts > 0 { format!(", started again {restarts} times") } else { String::new() };
        return Check::good(Id::RegistryRuns, subject, format!("since {since}{started}"));
    }
    if state.status == Some(ContainerStateStatusEnum::PAUSED) {
        return Check::bad(Id::RegistryRuns, subject, "it is paused").fixed_by(unpause(subject));
    }
    let said = state.error.unwrap_or_default();
    let mut evidence = if falls {
        format!("it was started {restarts} times and ended with {code} each time")
    } else {
        format!("it is stopped; it ended with {code}")
    };
    if state.oom_killed == Some(true) {
        evidence.push_str(", killed for want of memory");
    }
    // Of one that ended well the last words are those of its last requests.
    let words = if code == 0 && !falls { "" } else { log };
    for line in [said.as_str()].into_iter().chain(last_lines(words)).filter(|line| !line.is_empty()) {
        evidence.push('\n');
        evidence.push_str(line);
    }
    let check = Check::bad(Id::RegistryRuns, subject, evidence);
    match end(&format!("{said}\n{words}"), state.oom_killed == Some(true)) {
        Some(End { cause, fix }) => check.because(cause).fixed_by(fix),
        None if falls => check.because("its log says why").fixed_by("`hythe logs --tail 100`"),
        // By itself, or by the signals that `docker stop` and `docker kill` send.
        None if [0, 137, 143].contains(&code) => {
            check.because("it was stopped").fixed_by("`hythe up`").repaired_by(Repair::Registry)
        }
        None => check
            .because("it ended by itself; its log says why")
            .fixed_by("`hythe up`; `hythe logs --tail 100`")
            .repaired_by(Repair::Registry),
    }
}

fn unpause(subject: &str) -> String {
    format!("docker unpause {}", subject.trim_start_matches("registry "))
}

fn last_lines(log: &str) -> impl Iterator<Item = &str> {
    let mut lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    // Each start ends with the same words.
    lines.dedup();
    lines.into_iter().rev().take(3).rev()
}

/// Why a registry ended, by what it and its engine said.
fn end(said: &str, is_out_of_memory: bool) -> Option<End> {
    let said = said.to_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| said.contains(part));
    let (cause, fix) = if is_out_of_memory {
        (
            "it needs more memory than it may have",
            "docker update --memory 256m --memory-swap 256m NAME, then `hythe up`",
        )
    } else if has(&["already allocated", "address already in use", "is taken: another program"]) {
        ("another program has its port", "`hythe up --port 5002`, or stop what listens there")
    } else if has(&["no space left", "no space is left", "disk is full"]) {
        ("the disk is full", "`hythe gc`; `hythe cache clear`; docker system prune")
    } else if has(&["newer version", "knows formats up to"]) {
        ("a newer hythe wrote its data", "`hythe upgrade --binary NEWER`")
    } else if has(&["read-only file system"]) {
        ("its data folder can only be read", "mount it for writing, or `hythe up --data FOLDER`")
    } else if has(&["permission denied"]) {
        (
            "its user may not write in its data folder",
            "give the folder to user 1000, or `hythe up --data FOLDER`",
        )
    } else if has(&["network file system"]) {
        ("its data is on a network file system", "`hythe up --data FOLDER`, on a disk of this machine")
    } else if has(&["bind source path does not exist", "no such file or directory"]) {
        ("a folder that it was given is gone", "`hythe up --data FOLDER`")
    } else {
        return None;
    };
    Some(End { cause, fix })
}

/// A network mode of rootless Podman's that keeps a container from ever joining a cluster's network.
fn network_mode(subject: &str, container: &ContainerInspectResponse) -> Check {
    let host = container.host_config.as_ref();
    let mode = host.and_then(|host| host.network_mode.clone()).unwrap_or_else(|| "default".to_owned());
    let name = mode.split(':').next().unwrap_or_default();
    if matches!(name, "slirp4netns" | "pasta" | "host" | "none" | "container") {
        return Check::bad(Id::RegistryNetworkMode, subject, format!("its network mode is {mode}"))
            .because("such a container cannot join a cluster's network")
            .fixed_by("`hythe down && hythe up`")
            .repaired_by(Repair::Registry);
    }
    Check::good(Id::RegistryNetworkMode, subject, mode)
}

fn restart_policy(subject: &str, container: &ContainerInspectResponse) -> Check {
    let host = container.host_config.as_ref();
    let name = host.and_then(|host| host.restart_policy.as_ref()?.name);
    match name {
        Some(RestartPolicyNameEnum::ALWAYS | RestartPolicyNameEnum::UNLESS_STOPPED) => Check::good(
            Id::RegistryRestartPolicy,
            subject,
            name.map(|name| name.to_string()).unwrap_or_default(),
        ),
        other => {
            let other = other.map(|name| name.to_string()).filter(|name| !name.is_empty());
            let shown = other.as_deref().unwrap_or("none");
            Check::bad(Id::RegistryRestartPolicy, subject, format!("its restart policy is {shown}"))
                .because("it stays away after the machine was started anew")
                .fixed_by(format!(
                    "docker update --restart always {}",
                    subject.trim_start_matches("registry ")
                ))
        }
    }
}

/// Images persist in a folder, or in a volume that the registry was asked to have; not in an anonymous one that came with the
/// container, and not in the container.
fn data(subject: &str, settings: &Settings, container: &ContainerInspectResponse) -> Check {
    let lost = |check: Check| {
        check
            .because("what was pushed is gone when the container is made anew")
            .fixed_by("`hythe up`")
            .repaired_by(Repair::Registry)
    };
    let Some(mount) = mount(container) else {
        return lost(Check::bad(Id::RegistryData, subject, format!("nothing is mounted on {DATA_FOLDER}")));
    };
    let name = mount.name.as_deref().unwrap_or_default();
    let is_volume = mount.typ.as_deref() == Some("volume");
    let found = if is_volume {
        Data::Volume(name.to_owned())
    } else {
        Data::Folder(mount.source.clone().unwrap_or_default().into())
    };
    let is_asked = found == settings.data;
    // One that it was asked to have outlives it by its name, as any other: that of a registry whose place it took.
    let is_nameless = is_volume && name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_nameless && !is_asked {
        return lost(Check::bad(
            Id::RegistryData,
            subject,
            format!("its data is in an anonymous volume, {name}"),
        ));
    }
    if mount.rw == Some(false) {
        return Check::bad(Id::RegistryData, subject, format!("{found} is mounted for reading only"))
            .because("nothing can be pushed, and nothing kept")
            .fixed_by("`hythe up`")
            .repaired_by(Repair::Registry);
    }
    // Docker Desktop gives folders of its host other paths: only volumes have one name.
    if is_volume && !is_asked {
        let evidence = format!("its data is in {found}, and was asked to be in {}", settings.data);
        return lost(Check::bad(Id::RegistryData, subject, evidence));
    }
    Check::good(Id::RegistryData, subject, found.to_string())
}

/// What is mounted where its data is.
pub(super) fn mount(container: &ContainerInspectResponse) -> Option<&MountPoint> {
    let mut mounts = container.mounts.iter().flatten();
    mounts.find(|mount| mount.destination.as_deref() == Some(DATA_FOLDER))
}

#[cfg(test)]
mod tests;
