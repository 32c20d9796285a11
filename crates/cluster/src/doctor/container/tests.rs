use super::*;
use crate::doctor::Verdict;
use crate::sample::settings;

/// A healthy container as the engine reports it, with the test's changes.
fn container(changes: &serde_json::Value) -> ContainerInspectResponse {
    let mut whole = serde_json::json!({
        "RestartCount": 0,
        "State": { "Running": true, "Restarting": false, "OOMKilled": false, "ExitCode": 0,
                   "StartedAt": "2026-11-21T10:00:00Z" },
        "HostConfig": { "NetworkMode": "bridge", "RestartPolicy": { "Name": "always" } },
        "Mounts": [{ "Type": "volume", "Name": "kind-registry-data", "Destination": DATA_FOLDER, "RW": true }],
    });
    for (key, value) in changes.as_object().into_iter().flatten() {
        match (whole.get_mut(key).and_then(|old| old.as_object_mut()), value.as_object()) {
            (Some(old), Some(new)) => old.extend(new.clone()),
            _ => whole[key] = value.clone(),
        }
    }
    serde_json::from_value(whole).unwrap()
}

fn bad(changes: &serde_json::Value, log: &str) -> Vec<Check> {
    let all = checks(&settings(5001), &container(changes), log);
    all.into_iter().filter(|check| check.verdict == Verdict::Bad).collect()
}

#[test]
fn a_registry_that_runs_and_keeps_its_data_has_no_bad_check() {
    assert_eq!(bad(&serde_json::json!({}), ""), []);
}

#[test]
fn the_cause_of_a_registry_that_keeps_restarting_is_told_from_its_log() {
    let loops = serde_json::json!({
        "RestartCount": 7, "State": { "Running": false, "Restarting": true, "ExitCode": 1 },
    });
    for (log, cause) in [
        (
            "error: the data folder /var/lib/registry has format 9, but this hythe knows formats up to 3: a newer version wrote it.",
            "newer version of hythe",
        ),
        ("error: /var/lib/registry: Permission denied (os error 13)", "may not write"),
        ("error: no space is left for /var/lib/registry/catalog.sqlite", "disk is full"),
        ("error: Read-only file system (os error 30)", "read-only file system"),
        ("error: port 5000 is taken: another program listens on 0.0.0.0:5000.", "uses the registry's port"),
        ("error: the data folder /data is on a network file system (nfs), where", "network file system"),
        ("something else", "its log says why"),
    ] {
        let found = bad(&loops, &format!("first\nsecond\nthird\n{log}\n"));
        assert_eq!(found.len(), 1, "{found:?}");
        let (check, seen) = (&found[0], &found[0].evidence);
        assert_eq!(check.id, Id::RegistryRuns);
        assert!(
            seen.contains("restarted the container 7 times") && seen.contains(log) && !seen.contains("first"),
            "{seen}"
        );
        assert!(check.cause.as_deref().unwrap().contains(cause), "{check}");
    }
}

#[test]
fn a_stopped_registry_is_started_or_the_obstacle_is_named() {
    let stopped = serde_json::json!({ "State": { "Running": false, "ExitCode": 0 } });
    assert_eq!(bad(&stopped, "")[0].repair, Some(Repair::Registry));
    // "The registry was stopped" is said only if its exit code is that of a stop.
    let fell = serde_json::json!({ "State": { "Running": false, "ExitCode": 101 } });
    let (fell, stopped) = (bad(&fell, "it was strange"), bad(&stopped, ""));
    assert_eq!(stopped[0].cause.as_deref(), Some("the registry was stopped"));
    assert!(fell[0].cause.as_deref().unwrap().contains("ended with a failure"), "{}", fell[0]);
    let killed = serde_json::json!({ "State": { "Running": false, "ExitCode": 137, "OOMKilled": true } });
    let check = &bad(&killed, "")[0];
    assert!(check.cause.as_deref().unwrap().contains("memory") && check.evidence.contains("137"), "{check}");
    let taken = serde_json::json!({ "State": {
        "Running": false, "ExitCode": 128,
        "Error": "driver failed programming external connectivity: Bind for 127.0.0.1:5001 failed: port is already allocated",
    } });
    let check = &bad(&taken, "")[0];
    assert_eq!(
        (check.cause.as_deref(), check.repair.clone()),
        (Some("another program uses the registry's port"), None)
    );
}

#[test]
fn images_persist_in_a_named_volume_or_a_folder_alone() {
    let volume = |name: &str, rw: bool| serde_json::json!({ "Mounts": [{ "Type": "volume", "Name": name, "Destination": DATA_FOLDER, "RW": rw }] });
    for (changes, seen) in [
        (serde_json::json!({ "Mounts": [] }), "nothing is mounted"),
        (volume(&"a".repeat(64), true), "anonymous volume"),
        (volume("other", true), "its settings name the volume kind-registry-data"),
        (volume("kind-registry-data", false), "reading only"),
    ] {
        let found = bad(&changes, "");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].id == Id::RegistryData && found[0].evidence.contains(seen), "{}", found[0]);
    }
    // hythe mounts the anonymous volume of a registry that it replaced by its name, so the data persists.
    let adopted = RegistrySettings { data: Data::Volume("a".repeat(64)), ..settings(5001) };
    let kept = checks(&adopted, &container(&volume(&"a".repeat(64), true)), "");
    assert!(kept.iter().all(|check| check.verdict == Verdict::Good), "{kept:?}");
    let folder = serde_json::json!({ "Mounts": [{ "Type": "bind", "Source": "/srv", "Destination": DATA_FOLDER, "RW": true }] });
    assert_eq!(bad(&folder, ""), []);
}

#[test]
fn the_default_network_mode_of_rootless_podman_joins_no_network() {
    let host = |mode: &str, policy: &str| serde_json::json!({ "HostConfig": { "NetworkMode": mode, "RestartPolicy": { "Name": policy } } });
    let found = bad(&host("pasta:--map-gw", "no"), "");
    let ids: Vec<Id> = found.iter().map(|check| check.id).collect();
    assert_eq!(ids, [Id::RegistryNetworkMode, Id::RegistryRestartPolicy]);
    assert_eq!(bad(&host("kind", "unless-stopped"), ""), []);
}
