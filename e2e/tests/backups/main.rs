//! Backups of a server that clients push to, restored elsewhere, and kills of both.
//!
//! `HYTHE_BACKUP_MEGABYTES` sets how much the server has before the first backup, `HYTHE_KILL_ROUNDS` the number of kills of
//! backups and of restores each, and `HYTHE_KILL_SEED` repeats the choices of an earlier run.

mod bucket;
#[path = "../../../crates/backup/tests/contract/mod.rs"]
mod contract;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hythe_e2e::binary::hythe;
use hythe_e2e::command::{program, run};
use hythe_e2e::image::push_random;
use hythe_e2e::number::{Random, fresh_seed, from_env, mix};
use hythe_e2e::repository::Repository;
use hythe_e2e::server::Server;
use hythe_oci::Digest;
use parking_lot::Mutex;
use serde_json::Value;

const CLIENTS: u64 = 4;

/// The size of one layer of the images that the server has from the beginning, in MiB.
const LAYER: u64 = 32;

/// An image that the server acknowledged.
type Pushed = (String, String, Digest);

fn backup(server: &Server, dest: &Path) -> Command {
    let dest = dest.display().to_string();
    program(hythe(), ["backup", &dest, "--registry", &server.address().to_string(), "--output", "json"])
}

fn backed_up(server: &Server, dest: &Path) -> Value {
    let began = Instant::now();
    let done: Value = serde_json::from_str(&run(&mut backup(server, dest))).expect("the command prints JSON");
    println!(
        "backup: {} manifests, {} blobs, {} bytes, of which {} new, in {:?}",
        done["manifests"],
        done["blobs"],
        done["bytes"],
        done["new_bytes"],
        began.elapsed()
    );
    assert_eq!(done["lacks"], 0);
    done
}

fn restore(dest: &Path, data: &Path, more: &[&str]) -> Command {
    let (dest, data) = (dest.display().to_string(), data.display().to_string());
    program(hythe(), [&["restore", &dest, "--data", &data], more].concat())
}

fn check(server: &Server, images: &[Pushed]) {
    let mut client = server.client();
    for (repository, tag, digest) in images {
        assert_eq!(Repository::new(&mut client, repository).verify(tag), *digest, "{repository}:{tag}");
    }
}

/// The size of all files below a folder.
fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).expect("the folder exists").map(|entry| entry.expect("an entry"));
    entries
        .map(|entry| {
            if entry.path().is_dir() { size(&entry.path()) } else { entry.metadata().expect("a file").len() }
        })
        .sum()
}

/// Pushes small images, each under a tag of its own, until it is stopped.
fn push_on(server: &Server, number: u64, seed: u64, known: &Mutex<Vec<Pushed>>, stop: &AtomicBool) {
    let (mut client, name) = (server.client(), format!("busy/p{number}"));
    for tag in 0.. {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let tag = format!("t{tag}");
        let seed = mix(seed ^ mix(number ^ mix(known.lock().len() as u64)));
        let digest = push_random(&mut Repository::new(&mut client, &name), &tag, seed, &[300_000, 40_000]);
        known.lock().push((name.clone(), tag, digest));
    }
}

#[test]
fn a_backup_while_four_clients_push_has_all_that_was_acknowledged_before_it_began() {
    let megabytes = from_env("HYTHE_BACKUP_MEGABYTES", 1000);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (server, dest, seed) = (Server::start(), folder.path().join("backup"), fresh_seed());
    let mut base = Vec::new();
    for number in 0..=megabytes / (2 * LAYER) {
        let (name, tag) = ("base/app".to_owned(), format!("v{number}"));
        let seed = mix(seed ^ number);
        let layers = [LAYER << 20, LAYER << 20];
        let digest = push_random(&mut Repository::new(&mut server.client(), &name), &tag, seed, &layers);
        base.push((name, tag, digest));
    }
    let (known, stop) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let (first, before, second) = thread::scope(|scope| {
        let (server, known, stop) = (&server, &known, &stop);
        for number in 0..CLIENTS {
            scope.spawn(move || push_on(server, number, seed, known, stop));
        }
        while known.lock().len() < 20 {
            thread::sleep(Duration::from_millis(10));
        }
        let before = known.lock().clone();
        let first = backed_up(server, &dest);
        let during = known.lock().len() - before.len();
        println!(
            "{} images acknowledged before the backup, {during} while it ran",
            before.len() + base.len()
        );
        assert!(during > 0, "no client pushed while the backup ran");
        let second = backed_up(server, &dest);
        stop.store(true, Ordering::SeqCst);
        (first, before, second)
    });
    let all = known.into_inner();
    let third = backed_up(&server, &dest);
    let fourth = backed_up(&server, &dest);
    assert_eq!(fourth["new_bytes"], 0, "nothing is new");
    let new: u64 = [&first, &second, &third].iter().filter_map(|done| done["new_bytes"].as_u64()).sum();
    assert_eq!(new, size(&dest.join("blobs")), "each byte was copied once");
    assert!(second["new_bytes"].as_u64() < Some(megabytes << 19), "the second backup copied old content");
    run(&mut program(hythe(), ["backup", "verify", &dest.display().to_string()]));

    // Restored elsewhere: the first backup, the last one, and one repository of the last one.
    let time = first["time"].as_str().expect("a time").to_owned();
    for (more, images) in [
        (&["--snapshot", &time][..], [&base[..], &before].concat()),
        (&[], [&base[..], &all].concat()),
        (&["--repository", "busy/p1"], all.iter().filter(|(name, ..)| name == "busy/p1").cloned().collect()),
    ] {
        let mut other = Server::new();
        println!("{}", run(&mut restore(&dest, other.data(), more)));
        other.run();
        check(&other, &images);
        run(&mut program(hythe(), ["verify", "--registry", &other.address().to_string()]));
    }
}

#[test]
fn backups_and_restores_survive_kill_9_at_any_instant() {
    let rounds = from_env("HYTHE_KILL_ROUNDS", 15);
    let seed = from_env("HYTHE_KILL_SEED", fresh_seed());
    println!("{rounds} rounds, HYTHE_KILL_SEED={seed}");
    let mut random = Random::new(seed);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (server, dest) = (Server::start(), folder.path().join("backup"));
    let (mut images, mut killed) = (Vec::new(), 0);
    let kill = |command: &mut Command, after: Duration| {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("hythe starts");
        thread::sleep(after);
        let ended = child.try_wait().expect("the child is ours").is_some();
        child.kill().and_then(|()| child.wait()).expect("the child ends");
        u64::from(!ended)
    };
    for round in 0..rounds {
        let (name, tag) = ("app".to_owned(), format!("v{round}"));
        let layers = [random.within(1 << 20..8 << 20), 1 << 20];
        let digest =
            push_random(&mut Repository::new(&mut server.client(), &name), &tag, mix(seed ^ round), &layers);
        images.push((name, tag, digest));
        killed += kill(&mut backup(&server, &dest), Duration::from_micros(random.within(5_000..400_000)));
        if dest.join("hythe-backup.json").exists() {
            run(&mut program(hythe(), ["backup", "verify", &dest.display().to_string()]));
        }
    }
    println!("{killed} backups were killed");
    assert!(killed > 0, "no backup was killed");
    backed_up(&server, &dest);
    killed = 0;
    for _ in 0..rounds {
        let mut other = Server::new();
        // Each folder sees several kills, until a restore ends.
        while kill(
            &mut restore(&dest, other.data(), &[]),
            Duration::from_micros(random.within(5_000..300_000)),
        ) == 1
        {
            killed += 1;
            if random.chance(50) {
                break;
            }
        }
        // A restore that has ended before its kill refuses to run again.
        let done = restore(&dest, other.data(), &[]).output().expect("hythe runs");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() || said.contains("already has"), "{said}");
        other.run();
        check(&other, &images);
    }
    println!("{killed} restores were killed");
    assert!(killed > 0, "no restore was killed");
}
