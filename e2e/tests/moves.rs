//! `kill -9` at random moments while a bundle is written or loaded, and while a registry is imported: nothing visible is
//! incomplete, and the next run ends.
//!
//! `HYTHE_KILL_ROUNDS` sets the number of kills of each kind. `HYTHE_KILL_SEED` repeats the choices of an earlier run, not
//! its timing.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use hythe_e2e::binary::hythe;
use hythe_e2e::command::{program, run};
use hythe_e2e::number::{Random, fresh_seed, from_env};
use hythe_e2e::repository::{Repository, catalog};
use hythe_e2e::sample::Sample;
use hythe_e2e::server::{Server, without_settings};

const IMAGES: u64 = 6;

/// The images that move, under the names `moved/N:v1`. Two neighbours share no layer.
fn fill(server: &Server, seed: u64) -> Vec<Sample> {
    let samples: Vec<Sample> = (0..IMAGES)
        .map(|number| Sample::new(seed.wrapping_add(number * 100), &[1_500_000, 400_000, 900]))
        .collect();
    for (number, sample) in samples.iter().enumerate() {
        sample.push(&mut Repository::new(&mut server.client(), &format!("moved/{number}")), "v1");
    }
    samples
}

fn command(words: &[&str]) -> Command {
    let mut command = program(hythe(), words);
    without_settings(&mut command);
    command
}

/// Runs a command and kills either it or the server after a random time. The server runs again afterwards.
fn interrupt(words: &[&str], server: &mut Server, random: &mut Random, longest: u64) {
    let mut command = command(words);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("hythe starts");
    thread::sleep(Duration::from_micros(random.within(1_000..longest)));
    if random.chance(50) {
        let _ = child.kill();
        let _ = child.wait();
    } else {
        server.kill();
        // The command may give up by itself, or find the server again.
        server.run();
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Asserts that every tag that the server lists names a manifest with all of its blobs.
fn verify_listed(server: &Server) {
    let mut client = server.client();
    for name in catalog(&mut client) {
        let mut repository = Repository::new(&mut client, &name);
        for tag in repository.tags() {
            repository.verify(&tag);
        }
    }
}

fn verify_all(server: &Server, samples: &[Sample]) {
    for (number, sample) in samples.iter().enumerate() {
        let mut client = server.client();
        let digest = Repository::new(&mut client, &format!("moved/{number}")).verify("v1");
        assert_eq!(digest, sample.digest);
    }
}

#[test]
fn a_bundle_that_is_killed_while_it_is_written_or_loaded_is_whole_after_the_next_run() {
    let rounds = from_env("HYTHE_KILL_ROUNDS", 10);
    let seed = from_env("HYTHE_KILL_SEED", fresh_seed());
    println!("{rounds} rounds, HYTHE_KILL_SEED={seed}");
    let mut random = Random::new(seed);
    let mut source = Server::start();
    let samples = fill(&source, seed);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("images.tar").display().to_string();
    let names: Vec<String> =
        (0..IMAGES).map(|number| format!("{}/moved/{number}:v1", source.address())).collect();
    let registry = source.address().to_string();
    let mut create = vec!["bundle", "create", &file];
    create.extend(names.iter().map(String::as_str));
    create.extend(["--registry", &registry]);
    let mut expected = None;
    for _ in 0..rounds {
        interrupt(&create, &mut source, &mut random, 400_000);
        // The file does not exist, or it is whole.
        if let Ok(bytes) = fs::read(&file) {
            let whole = expected.get_or_insert_with(|| bytes.clone());
            assert!(bytes == *whole, "an interrupted bundle has its name");
            fs::remove_file(&file).expect("the folder is ours");
        }
    }
    run(&mut command(&create));
    let bytes = fs::read(&file).expect("it was written");
    assert!(expected.is_none_or(|whole| whole == bytes));

    let mut whole = 0;
    for _ in 0..rounds {
        let mut target = Server::start();
        let address = target.address().to_string();
        let load = ["bundle", "load", &file, "--registry", &address];
        interrupt(&load, &mut target, &mut random, 600_000);
        verify_listed(&target);
        whole += catalog(&mut target.client()).len();
        run(&mut command(&load));
        verify_all(&target, &samples);
    }
    println!("{whole} of {} images were there after the kills", rounds * IMAGES);
    remove_temporary(folder.path());
}

/// Only a kill leaves temporary files behind, and each says what it belongs to.
fn remove_temporary(folder: &Path) {
    for entry in fs::read_dir(folder).expect("the folder is ours").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        assert!(name == "images.tar" || name.starts_with(".images.tar."), "{name}");
    }
}

#[test]
fn an_import_that_is_killed_is_whole_after_the_next_run() {
    let rounds = from_env("HYTHE_KILL_ROUNDS", 10);
    let seed = from_env("HYTHE_KILL_SEED", fresh_seed());
    println!("{rounds} rounds, HYTHE_KILL_SEED={seed}");
    let mut random = Random::new(seed);
    let source = Server::start();
    let samples = fill(&source, seed);
    let from = format!("http://{}", source.address());
    let mut target = Server::start();
    for round in 0..rounds {
        let address = target.address().to_string();
        let import = ["import", &from, "--registry", &address];
        interrupt(&import, &mut target, &mut random, 600_000);
        verify_listed(&target);
        if round % 3 == 2 || round + 1 == rounds {
            run(&mut command(&import));
            verify_all(&target, &samples);
            target = Server::start();
        }
    }
}
