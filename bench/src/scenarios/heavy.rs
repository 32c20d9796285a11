//! Pushes and deletes the largest manifests: measures how long one write occupies hythe's catalog, and how long another
//! push waits.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hythe_oci::{Algorithm, Digest};

use crate::acceptance::Unit;
use crate::bench::Bench;
use crate::client::{Client, Framing};
use crate::contender::Kind;
use crate::error::{Error, Result};
use crate::image::{MANIFEST, manifest_path};
use crate::random_file::{Payload, RandomFile};
use crate::workspace::wipe;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Length of the manifests in bytes: hythe's `manifest.max-size`, minus room for one entry.
const LENGTH: usize = (4 << 20) - 512;

/// The repository of the large manifests.
const HEAVY: &str = "heavy/manifests";
/// The repository of the small manifests that wait for them.
const LIGHT: &str = "heavy/beside";

/// Tags that one push sets.
const TAGS: usize = 100;

/// hythe's metric for the longest write, with the space before its value.
const LONGEST: &str = "hythe_catalog_longest_write_seconds ";

/// Runs the scenario.
#[expect(clippy::unnecessary_wraps, reason = "all scenarios have one signature")]
pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let manifests = heavy();
    bench.rounds(
        "heavy",
        |kind| kind == Kind::Hythe,
        |bench, contender, _| {
            let dir = bench.fresh_dir("heavy", contender.kind)?;
            let server = bench.start(contender, &dir)?;
            let longest_wait = beside(&bench.source, server.port, || {
                let mut client = Client::connect(server.port)?;
                manifests.iter().try_for_each(|(media_type, text)| {
                    push_and_delete(&bench.source, &mut client, media_type, text)
                })
            })?;
            let page = Client::connect(server.port)?.read("/metrics", "")?;
            let page = String::from_utf8_lossy(&page);
            let longest = page.lines().find_map(|line| line.strip_prefix(LONGEST)?.parse::<f64>().ok());
            let longest = longest.ok_or_else(|| Error::Setup(format!("/metrics has no {LONGEST}")))?;
            // Not in the peak of the ordinary scenarios, as none of them pushes such manifests.
            drop(server);
            bench.record("heavy-write", Unit::Milliseconds, contender.kind, longest * 1e3);
            bench.record("heavy-wait", Unit::Milliseconds, contender.kind, longest_wait.as_secs_f64() * 1e3);
            wipe(&dir)
        },
    );
    Ok(())
}

/// Large manifests, each with a large amount of one element.
fn heavy() -> Vec<(&'static str, String)> {
    let end = |mut text: String, last: &str| {
        text.truncate(text.trim_end_matches(',').len());
        text + last
    };
    let empty = Digest::of(Algorithm::Sha256, b"{}");
    let config =
        format!(r#"{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{empty}","size":2}}"#);
    let image = format!(r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{config},"#);
    let entries = |head: String, media_type: &str| {
        let entry = |number: usize| {
            let digest = Digest::of(Algorithm::Sha256, &number.to_be_bytes());
            format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":1}},"#)
        };
        end(filled(head, entry), "]}")
    };
    let layers = entries(format!(r#"{image}"layers":["#), "a/b");
    let index = format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":["#);
    let children = entries(index, MANIFEST);
    let subject = format!(r#"{image}"layers":[],"subject":{config},"annotations":{{"#);
    let keys = end(filled(subject.clone(), |number| format!(r#""k{number:07}":"","#)), "}}");
    let value = format!(r#"{subject}"k":"{}"}}}}"#, "v".repeat(LENGTH - subject.len() - 16));
    let kind = "k".repeat(LENGTH - image.len() - 64);
    let artifact = format!(r#"{image}"artifactType":"{kind}","layers":[]}}"#);
    vec![(MANIFEST, layers), (INDEX, children), (MANIFEST, keys), (MANIFEST, value), (MANIFEST, artifact)]
}

/// `text` with as many entries as fit into [`LENGTH`].
fn filled(mut text: String, entry: impl Fn(usize) -> String) -> String {
    let mut number = 0;
    while text.len() < LENGTH - 256 {
        // Writing to a string cannot fail.
        let _ = write!(text, "{}", entry(number));
        number += 1;
    }
    text
}

/// Pushes a manifest with tags, pushes it again, and deletes it.
fn push_and_delete(source: &RandomFile, client: &mut Client, media_type: &str, text: &str) -> Result<()> {
    let payload = Payload::small(source, text.as_bytes().to_vec());
    let target = manifest_path(HEAVY, &payload.digest.to_string());
    let tags: Vec<String> = (0..TAGS).map(|number| format!("v{number}")).collect();
    let tagged = format!("{target}?tag={}", tags.join("&tag="));
    for _ in 0..2 {
        client.send("PUT", &tagged, media_type, Framing::Sized, &payload, 201)?;
    }
    client
        .send("DELETE", &target, media_type, Framing::Sized, &Payload::small(source, Vec::new()), 202)
        .map(drop)
}

/// Pushes small manifests one after the other while `work` runs. Returns the duration of the slowest push.
fn beside(source: &RandomFile, port: u16, work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| -> Result<Duration> {
            let (mut client, mut longest, mut number) = (Client::connect(port)?, Duration::ZERO, 0_u64);
            while !done.load(Ordering::Relaxed) {
                let text = format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[],"annotations":{{"n":"{number}"}}}}"#);
                let payload = Payload::small(source, text.into_bytes());
                let began = Instant::now();
                client.send("PUT", &manifest_path(LIGHT, "v"), INDEX, Framing::Sized, &payload, 201)?;
                longest = longest.max(began.elapsed());
                number += 1;
            }
            Ok(longest)
        });
        let worked = work();
        done.store(true, Ordering::Relaxed);
        let longest = waiting
            .join()
            .map_err(|_| Error::Setup("the thread that pushes small manifests panicked".to_owned()))?;
        worked.and(longest)
    })
}
