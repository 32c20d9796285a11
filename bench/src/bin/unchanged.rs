//! Measures `hythe build` of an image whose inputs did not change: 10,000 files of 100 MB in all.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use hythe_e2e::binary::hythe;
use hythe_e2e::command::{program, run};
use hythe_e2e::engine::Engine;
use hythe_e2e::server::{Server, without_settings};

/// Folders of the context, and files in each.
const FOLDERS: usize = 100;
const FILES: usize = 100;
/// The size of a file, in bytes.
const SIZE: usize = 10_000;
/// Measurements; the output shows medians.
const ROUNDS: usize = 5;

fn main() {
    let folder = tempfile::Builder::new().prefix("hythe-build-").tempdir().expect("a temporary folder");
    let (context, home) = (folder.path().join("context"), folder.path().join("home"));
    fill(&context);
    fs::create_dir(&home).expect("the folder is ours");
    let (engine, server) = (Engine::docker(), Server::start());
    let image = format!("{}/app:v1", server.address());
    let build = || {
        let mut build = program(hythe(), ["build", "--tag", &image]);
        without_settings(&mut build);
        build.env("HOME", &home).env("DOCKER_HOST", engine.address()).env_remove("XDG_CACHE_HOME");
        let begin = Instant::now();
        let said = run(build.arg(&context));
        (begin.elapsed(), said)
    };
    let (first, said) = build();
    assert!(said.contains("built in"), "{said}");
    println!("first build, with the builder:                 {:>7.0} ms", millis(first));
    let unchanged = |forget: bool| {
        let mut times: Vec<Duration> = (0..ROUNDS)
            .map(|_| {
                if forget {
                    let _ = fs::remove_dir_all(home.join(".cache"));
                }
                let (time, said) = build();
                assert!(said.contains("up to date"), "{said}");
                time
            })
            .collect();
        times.sort();
        millis(times[ROUNDS / 2])
    };
    let known = unchanged(false);
    println!("unchanged:                                     {known:>7.0} ms (at most 300)");
    println!("unchanged, on a machine that knows no hash:    {:>7.0} ms", unchanged(true));
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn fill(context: &Path) {
    for folder in 0..FOLDERS {
        let folder_path = context.join(format!("src/{folder}"));
        fs::create_dir_all(&folder_path).expect("the folder is ours");
        for file in 0..FILES {
            let text = format!("{folder}/{file}\n").repeat(SIZE / 4);
            fs::write(folder_path.join(file.to_string()), &text.as_bytes()[..SIZE])
                .expect("the disk has space");
        }
    }
    fs::write(context.join("Dockerfile"), "FROM scratch\nCOPY src /src\n").expect("the folder is ours");
}
