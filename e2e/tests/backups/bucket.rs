//! Backups in a bucket of a real S3 server.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use hythe_backup::Store;
use hythe_e2e::binary::hythe;
use hythe_e2e::command::{attempt, program, run};
use hythe_e2e::image::push_random;
use hythe_e2e::number::{Random, fresh_seed, from_env, mix};
use hythe_e2e::repository::Repository;
use hythe_e2e::s3::{ID, S3, SECRET};
use hythe_e2e::server::Server;
use hythe_s3::{Bucket, BucketOptions, Keys};
use serde_json::Value;

use crate::{Pushed, check};

const DEST: &str = "s3://backups/hythe/production";

fn command(s3: &S3, arguments: &[&str]) -> Command {
    let mut command = program(hythe(), arguments);
    s3.lead(&mut command);
    command
}

fn backup(s3: &S3, server: &Server) -> Command {
    command(s3, &["backup", DEST, "--registry", &server.address().to_string(), "--output", "json"])
}

fn json(command: &mut Command) -> Value {
    serde_json::from_str(&run(command)).expect("the command prints JSON")
}

fn push(server: &Server, name: &str, tag: &str, layers: &[u64]) -> Pushed {
    let digest = push_random(&mut Repository::new(&mut server.client(), name), tag, fresh_seed(), layers);
    (name.to_owned(), tag.to_owned(), digest)
}

fn restored(s3: &S3, more: &[&str]) -> Server {
    let mut other = Server::new();
    let data = other.data().display().to_string();
    println!("{}", run(&mut command(s3, &[&["restore", DEST, "--data", &data], more].concat())));
    other.run();
    other
}

#[test]
fn a_bucket_of_a_real_server_does_what_a_store_must() {
    let s3 = S3::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let secret_file = folder.path().join("secret");
    std::fs::write(&secret_file, format!("{SECRET}\n")).expect("the folder is ours");
    for (bucket, prefix) in [("whole", ""), ("shared", "hythe/production")] {
        s3.make(bucket);
        let store: Arc<dyn Store> = Arc::new(Bucket::new(BucketOptions {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            endpoint: Some(s3.url()),
            region: Some("us-east-1".to_owned()),
            keys: Some(Keys { id: ID.to_owned(), secret_file: secret_file.clone() }),
            variables: Vec::new(),
            scratch: Some(folder.path().to_owned()),
        }));
        crate::contract::check(&store);
    }
}

#[test]
fn backups_in_a_bucket_copy_what_is_new_are_verified_pruned_and_restored_elsewhere() {
    let (s3, server) = (S3::start(), Server::start());
    s3.make("backups");
    let first = push(&server, "app", "v1", &[20 << 20, 300_000]);
    let done = json(&mut backup(&s3, &server));
    assert!(done["lacks"] == 0 && done["new_bytes"].as_u64() > Some(20 << 20), "{done}");
    let time = done["time"].as_str().expect("a time").to_owned();
    assert_eq!(json(&mut backup(&s3, &server))["new_bytes"], 0, "nothing is new");
    let second = push(&server, "app", "v2", &[1 << 20, 1 << 20]);
    let other = push(&server, "team/tool", "v1", &[9 << 20]);
    let done = json(&mut backup(&s3, &server));
    assert!(done["new_bytes"].as_u64() < Some(12 << 20), "{done}");
    let all = [first.clone(), second.clone(), other.clone()];

    let list = json(&mut command(&s3, &["backup", "list", DEST, "--output", "json"]));
    assert_eq!(list["backups"].as_array().map(Vec::len), Some(3), "{list}");
    run(&mut command(&s3, &["backup", "verify", DEST]));
    check(&restored(&s3, &[]), &all);
    check(&restored(&s3, &["--snapshot", &time]), std::slice::from_ref(&first));
    check(&restored(&s3, &["--repository", "team/tool"]), std::slice::from_ref(&other));

    // Into a running registry, which lacks one repository.
    let running = Server::start();
    let address = running.address().to_string();
    run(&mut command(&s3, &["restore", DEST, "--registry", &address, "--repository", "app"]));
    check(&running, &[first.clone(), second.clone()]);

    // What only old backups need goes, the rest stays.
    run(&mut program(hythe(), ["rm", &format!("{}/app@{}", server.address(), first.2)]));
    run(&mut program(hythe(), ["gc", "--grace", "0s", "--registry", &server.address().to_string()]));
    json(&mut backup(&s3, &server));
    let prune = ["backup", "prune", DEST, "--keep", "1", "--grace", "0s", "--output", "json"];
    let pruned = json(&mut command(&s3, &prune));
    assert!(
        pruned["removed"].as_array().map(Vec::len) == Some(3) && pruned["bytes"].as_u64() > Some(20 << 20),
        "{pruned}"
    );
    run(&mut command(&s3, &["backup", "verify", DEST]));
    check(&restored(&s3, &[]), &[second, other]);
}

#[test]
fn a_damaged_object_is_found_set_aside_and_copied_again() {
    let (s3, server) = (S3::start(), Server::start());
    s3.make("backups");
    let image = push(&server, "app", "v1", &[200_000, 100_000]);
    json(&mut backup(&s3, &server));
    let blobs = s3.bucket("backups").join("hythe/production/blobs/sha256");
    let damaged = largest(&blobs);
    let mut bytes = std::fs::read(&damaged).expect("the object is a file");
    bytes[1000] ^= 1;
    std::fs::write(&damaged, bytes).expect("the object is a file");
    let found = attempt(&mut command(&s3, &["backup", "verify", DEST]));
    assert!(found.code == Some(1) && found.stdout.contains("its bytes have the digest"), "{found:?}");
    assert!(!damaged.exists() && s3.bucket("backups").join("hythe/production/damaged").exists());
    json(&mut backup(&s3, &server));
    run(&mut command(&s3, &["backup", "verify", DEST]));
    check(&restored(&s3, &[]), &[image]);
}

fn largest(folder: &Path) -> std::path::PathBuf {
    let (mut files, mut waiting) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path())
        {
            if entry.is_dir() { waiting.push(entry) } else { files.push(entry) }
        }
    }
    files.into_iter().max_by_key(|file| file.metadata().expect("a file").len()).expect("there is a blob")
}

#[test]
fn backups_into_a_bucket_survive_kill_9_at_any_instant() {
    let rounds = from_env("HYTHE_KILL_ROUNDS", 10);
    let seed = from_env("HYTHE_KILL_SEED", fresh_seed());
    println!("{rounds} rounds, HYTHE_KILL_SEED={seed}");
    let (mut random, mut images, mut killed) = (Random::new(seed), Vec::new(), 0);
    let (s3, server) = (S3::start(), Server::start());
    s3.make("backups");
    for round in 0..rounds {
        let layers = [random.within(1 << 20..24 << 20), 1 << 20];
        let (name, tag) = ("app".to_owned(), format!("v{round}"));
        let digest =
            push_random(&mut Repository::new(&mut server.client(), &name), &tag, mix(seed ^ round), &layers);
        images.push((name, tag, digest));
        let mut child =
            backup(&s3, &server).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("hythe starts");
        thread::sleep(Duration::from_micros(random.within(5_000..600_000)));
        killed += u32::from(child.try_wait().expect("the child is ours").is_none());
        child.kill().and_then(|()| child.wait()).expect("the child ends");
        if s3.bucket("backups").join("hythe/production/hythe-backup.json").exists() {
            run(&mut command(&s3, &["backup", "verify", DEST]));
        }
    }
    println!("{killed} backups were killed");
    assert!(killed > 0, "no backup was killed");
    assert_eq!(json(&mut backup(&s3, &server))["lacks"], 0);
    check(&restored(&s3, &[]), &images);
}

#[test]
fn wrong_credentials_a_missing_bucket_and_a_server_that_is_away_are_told_plainly() {
    let (s3, server) = (S3::start(), Server::start());
    s3.make("backups");
    let says = |command: &mut Command, wanted: &str| {
        let said = attempt(command);
        assert!(said.code != Some(0) && said.stderr.contains(wanted), "{wanted}: {said:?}");
        assert!(!said.stderr.contains("http://") && !said.stderr.contains('<'), "{said:?}");
    };
    says(backup(&s3, &server).env("AWS_ACCESS_KEY_ID", "nobody"), "does not know the access key");
    says(backup(&s3, &server).env("AWS_SECRET_ACCESS_KEY", "wrong"), "refuses the signature");
    says(backup(&s3, &server).env_remove("AWS_SECRET_ACCESS_KEY"), "but not AWS_SECRET_ACCESS_KEY");
    says(&mut command(&s3, &["backup", "list", "s3://nowhere/hythe"]), "has no bucket `nowhere`");
    says(&mut command(&s3, &["backup", "list", DEST]), "holds no backup");
    let away = format!("http://127.0.0.1:{}", hythe_e2e::server::free_port());
    says(command(&s3, &["backup", "list", DEST]).env("AWS_ENDPOINT_URL", away), "connection refused");
}

#[test]
fn a_server_backs_itself_up_into_a_bucket_and_prunes_by_its_configuration() {
    let s3 = S3::start();
    s3.make("backups");
    let text = format!(
        "[backup]\ndestination = \"{DEST}\"\ninterval = \"1s\"\nkeep = 2\nendpoint = \"{}\"\naccess-key-id = \"{ID}\"\n",
        s3.url()
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    let secret = folder.path().join("secret");
    std::fs::write(&secret, SECRET).expect("the folder is ours");
    let text = format!("{text}secret-access-key-file = \"{}\"\n", secret.display());
    let mut server = Server::new().with_configuration(&text);
    server.run();
    let image = push(&server, "app", "v1", &[1 << 20]);
    let times = || {
        let said = attempt(&mut command(&s3, &["backup", "list", DEST, "--output", "json"]));
        let list: Value = serde_json::from_str(&said.stdout).unwrap_or_default();
        let backups = list["backups"].as_array().cloned().unwrap_or_default();
        backups.iter().filter_map(|one| one["time"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    let mut wait = |what: &dyn Fn(&[String]) -> bool| {
        loop {
            let times = times();
            if what(&times) {
                return times;
            }
            assert!(server.status().is_none(), "the server ended: {}", server.log());
            thread::sleep(Duration::from_millis(100));
        }
    };
    let first = wait(&|times| !times.is_empty())[0].clone();
    // Two newer ones exist, and the first is gone.
    let left = wait(&|times| times.len() >= 2 && !times.contains(&first));
    assert!(left.len() <= 3, "{left:?}");
    drop(server);
    run(&mut command(&s3, &["backup", "verify", DEST]));
    check(&restored(&s3, &[]), &[image]);
}
