//! Checks of the registry's container: whether it runs, why not, and whether it and its data outlive a restart.

use hythe_engine::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, MountPoint, RestartPolicyNameEnum,
};

use super::{Check, Id, Repair};
use crate::image::DATA_FOLDER;
use crate::registry::{Data, RegistrySettings};

/// Restarts after which a container that is not running counts as one that keeps failing.
const MANY: i64 = 3;

/// Why a registry ended, by the end of its log or by the engine's words, and what to do about it.
struct End {
    cause: &'static str,
    fix: &'static str,
}

/// The checks of the container, from what the engine reports about it and the end of its log.
pub(super) fn checks(
    settings: &RegistrySettings,
    container: &ContainerInspectResponse,
    log: &str,
) -> Vec<Check> {
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
        let started = if restarts > 0 { format!(", restarted {restarts} times") } else { String::new() };
        return Check::good(Id::RegistryRuns, subject, format!("since {since}{started}"));
    }
    if state.status == Some(ContainerStateStatusEnum::PAUSED) {
        return Check::bad(Id::RegistryRuns, subject, "the container is paused")
            .because("a user or a program paused the container, so it answers no request")
            .fixed_by(unpause(subject));
    }
    let said = state.error.unwrap_or_default();
    let mut evidence = if falls {
        format!("the engine restarted the container {restarts} times; its last exit code is {code}")
    } else {
        format!("the container is stopped; its exit code is {code}")
    };
    if state.oom_killed == Some(true) {
        evidence.push_str("; the kernel killed it, as it was out of memory");
    }
    // If the registry ended without a failure, its last log lines are about requests and explain nothing.
    let words = if code == 0 && !falls { "" } else { log };
    for line in [said.as_str()].into_iter().chain(last_lines(words)).filter(|line| !line.is_empty()) {
        evidence.push('\n');
        evidence.push_str(line);
    }
    let check = Check::bad(Id::RegistryRuns, subject, evidence);
    match end(&format!("{said}\n{words}"), state.oom_killed == Some(true)) {
        Some(End { cause, fix }) => check.because(cause).fixed_by(fix),
        None if falls => check
            .because("the registry fails at each start; its log says why")
            .fixed_by("`hythe logs --tail 100`"),
        // It ended without a failure, or by the signals that `docker stop` and `docker kill` send.
        None if [0, 137, 143].contains(&code) => {
            check.because("the registry was stopped").fixed_by("`hythe up`").repaired_by(Repair::Registry)
        }
        None => check
            .because("the registry ended with a failure; its log says why")
            .fixed_by("`hythe up`; `hythe logs --tail 100`")
            .repaired_by(Repair::Registry),
    }
}

fn unpause(subject: &str) -> String {
    format!("docker unpause {}", subject.trim_start_matches("registry "))
}

fn last_lines(log: &str) -> impl Iterator<Item = &str> {
    let mut lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    // A registry that fails at each start repeats its last line.
    lines.dedup();
    lines.into_iter().rev().take(3).rev()
}

/// Why a registry ended, by the words of its log and of the engine.
fn end(said: &str, is_out_of_memory: bool) -> Option<End> {
    let said = said.to_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| said.contains(part));
    let (cause, fix) = if is_out_of_memory {
        (
            "the registry needs more memory than its container's limit",
            "raise the limit: docker update --memory 256m --memory-swap 256m NAME, then `hythe up`",
        )
    } else if has(&["already allocated", "address already in use", "is taken: another program"]) {
        (
            "another program uses the registry's port",
            "choose another port: `hythe up --port 5002`; or stop the program that listens there",
        )
    } else if has(&["no space left", "no space is left", "disk is full"]) {
        ("the disk is full", "free space: `hythe gc`; `hythe cache clear`; docker system prune")
    } else if has(&["newer version", "knows formats up to"]) {
        (
            "a newer version of hythe wrote the registry's data",
            "run that version or a later one: `hythe upgrade --binary NEWER`",
        )
    } else if has(&["read-only file system"]) {
        (
            "the registry's data folder is on a read-only file system",
            "mount the folder for writing, or use another one: `hythe up --data FOLDER`",
        )
    } else if has(&["permission denied"]) {
        (
            "the registry's user may not write to its data folder",
            "give the folder to user 1000, or use another one: `hythe up --data FOLDER`",
        )
    } else if has(&["network file system"]) {
        (
            "the registry's data folder is on a network file system",
            "use a folder on a disk of this machine: `hythe up --data FOLDER`",
        )
    } else if has(&["bind source path does not exist", "no such file or directory"]) {
        (
            "a folder that the container mounts no longer exists",
            "create the folder, or use another one: `hythe up --data FOLDER`",
        )
    } else {
        return None;
    };
    Some(End { cause, fix })
}

/// Whether the container's network mode allows it to join a cluster's network; rootless Podman's default does not.
fn network_mode(subject: &str, container: &ContainerInspectResponse) -> Check {
    let host = container.host_config.as_ref();
    let mode = host.and_then(|host| host.network_mode.clone()).unwrap_or_else(|| "default".to_owned());
    let name = mode.split(':').next().unwrap_or_default();
    if matches!(name, "slirp4netns" | "pasta" | "host" | "none" | "container") {
        return Check::bad(
            Id::RegistryNetworkMode,
            subject,
            format!("the container's network mode is {mode}"),
        )
        .because("a container in this network mode cannot join a cluster's network")
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
            Check::bad(
                Id::RegistryRestartPolicy,
                subject,
                format!("the container's restart policy is {shown}"),
            )
            .because("with this policy the engine does not start the registry after a reboot of the machine")
            .fixed_by(format!("docker update --restart always {}", subject.trim_start_matches("registry ")))
        }
    }
}

/// Whether the data outlives the container. Images persist in a folder, or in the volume that the registry's settings
/// name. They do not persist in an anonymous volume that came with the container, nor in the container itself.
fn data(subject: &str, settings: &RegistrySettings, container: &ContainerInspectResponse) -> Check {
    let lost = |check: Check| {
        check
            .because("a new container would not have the images that were pushed to this one")
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
    // hythe mounts the volume of its settings by name. That volume persists even if its name is that of an anonymous
    // volume, as the volume of a replaced registry may be.
    let is_nameless = is_volume && name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_nameless && !is_asked {
        return lost(Check::bad(
            Id::RegistryData,
            subject,
            format!("the registry's data is in an anonymous volume, {name}"),
        ));
    }
    if mount.rw == Some(false) {
        return Check::bad(Id::RegistryData, subject, format!("{found} is mounted for reading only"))
            .because("the registry cannot store pushed images, nor images from upstreams")
            .fixed_by("`hythe up`")
            .repaired_by(Repair::Registry);
    }
    // Only volumes are compared: Docker Desktop shows the host's folders under other paths.
    if is_volume && !is_asked {
        let evidence = format!("the registry's data is in {found}; its settings name {}", settings.data);
        return lost(Check::bad(Id::RegistryData, subject, evidence));
    }
    Check::good(Id::RegistryData, subject, found.to_string())
}

/// The mount at the data folder.
pub(super) fn mount(container: &ContainerInspectResponse) -> Option<&MountPoint> {
    let mut mounts = container.mounts.iter().flatten();
    mounts.find(|mount| mount.destination.as_deref() == Some(DATA_FOLDER))
}

#[cfg(test)]
mod tests;
