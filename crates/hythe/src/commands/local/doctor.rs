//! `hythe doctor`: why an image is not pulled.

use std::collections::BTreeSet;
use std::io::Read as _;

use hythe_cluster::attach::Wiring;
use hythe_cluster::doctor::{self, Check, Doctor, ImageName, Repair, Verdict};
use hythe_cluster::engine::{Engine, Surroundings};
use hythe_cluster::image::Image;
use hythe_cluster::step::{Outcome, Step};
use hythe_cluster::topology::{Cluster, clusters};
use serde_json::json;

use super::{Steps, count, failed, run, settings_of, wiring};
use crate::args::DoctorArgs;
use crate::config::Environment;
use crate::failure::Failure;
use crate::printer::Printer;

/// Far more than what a tool says of one failure, in bytes.
const MESSAGE: u64 = 64 << 10;

/// How often `--fix` looks again and does what shows then: a registry that is made anew is on no network yet, and a node that is
/// attached may want a start of its containerd.
const ROUNDS: usize = 3;

/// What the user means.
enum Subject {
    Clusters,
    Image(ImageName),
    Pod { namespace: String, name: String },
}

/// Examines, repairs where that is asked for, and prints what was seen.
pub(in crate::commands) fn doctor(
    args: &DoctorArgs,
    environment: &Environment,
    printer: Printer,
) -> Result<(), Failure> {
    if let Some(message) = message(args.subject.as_deref())? {
        return explained(message.trim(), args, printer);
    }
    run(async {
        let choice = args.target.engine.engine.clone().unwrap_or_default();
        let engine = match Engine::connect(&choice, &Surroundings::of_process()).await {
            Ok(engine) => engine,
            Err(error) => return told(&[doctor::silent(&error)], &[], printer),
        };
        let settings = settings_of(&engine, &args.target.name, environment).await.map_err(failed)?;
        printer.registry_port(settings.port);
        let wiring = wiring(settings, environment, false, false)?;
        let mut found = clusters(&engine).await.map_err(failed)?;
        let (subject, meant) = meant(args.subject.as_deref(), &found, &engine)?;
        let (mut checks, mut subject) = examine(&engine, &wiring, &meant, subject).await?;
        let steps = Steps::new(printer);
        let report = |step| steps.take(step);
        let image = || Image::of(None, env!("CARGO_PKG_VERSION"));
        let mut done = BTreeSet::new();
        for _ in 0..ROUNDS {
            // What was done and is asked for again would not help a second time.
            let repairs: BTreeSet<Repair> = doctor::repairs(&checks).difference(&done).cloned().collect();
            if !args.fix || repairs.is_empty() {
                break;
            }
            let repaired = doctor::repair(&engine, &wiring, &found, &repairs, image, &report).await;
            if let Err(error) = repaired {
                steps.take(Step::new("repair", Outcome::Failed, error.to_string()));
            }
            done.extend(repairs);
            // What ran before may have been replaced, and clusters joined to another network.
            found = clusters(&engine).await.map_err(failed)?;
            let is_meant = |cluster: &Cluster| meant.iter().any(|before| before.name == cluster.name);
            let meant: Vec<Cluster> = found.iter().filter(|cluster| is_meant(cluster)).cloned().collect();
            (checks, subject) = examine(&engine, &wiring, &meant, subject).await?;
        }
        for check in &mut checks {
            // It was done, and did not help.
            check.repair = check.repair.take().filter(|repair| !done.contains(repair));
        }
        told(&checks, &steps.all(), printer)
    })
}

/// Says what a message means. Where it may be an answer of hythe's, its log has the reason: engines show the status alone.
fn explained(message: &str, args: &DoctorArgs, printer: Printer) -> Result<(), Failure> {
    let check = doctor::message(message);
    if !doctor::is_own(message) {
        return told(&[check], &[], printer);
    }
    run(async {
        let choice = args.target.engine.engine.clone().unwrap_or_default();
        // Where there is no engine the message is explained all the same.
        let logged = match Engine::connect(&choice, &Surroundings::of_process()).await {
            Ok(engine) => doctor::refusals(&engine, &args.target.name, message).await,
            Err(_) => Vec::new(),
        };
        told(&[check.seeing(&logged)], &[], printer)
    })
}

/// What another tool said, if that is what is asked about: no name has a space.
fn message(subject: Option<&str>) -> Result<Option<String>, Failure> {
    match subject {
        Some("-") => {
            let read = std::io::read_to_string(std::io::stdin().take(MESSAGE));
            read.map(Some).map_err(|error| Failure::Usage(format!("stdin cannot be read: {error}")))
        }
        Some(text) if text.contains(char::is_whitespace) => Ok(Some(text.to_owned())),
        Some(_) | None => Ok(None),
    }
}

/// What is meant: a cluster goes before a Pod, and a Pod before an image.
fn meant(text: Option<&str>, found: &[Cluster], engine: &Engine) -> Result<(Subject, Vec<Cluster>), Failure> {
    let Some(text) = text else { return Ok((Subject::Clusters, found.to_vec())) };
    let named: Vec<Cluster> =
        found.iter().filter(|cluster| cluster.name == text || cluster.context() == text).cloned().collect();
    if !named.is_empty() {
        return Ok((Subject::Clusters, named));
    }
    if let Some((namespace, name)) = pod(text) {
        return Ok((Subject::Pod { namespace, name }, found.to_vec()));
    }
    match text.parse() {
        Ok(image) => Ok((Subject::Image(image), found.to_vec())),
        Err(error) => Err(Failure::Usage(format!("{error}; and no cluster {text} is in {}", engine.title()))),
    }
}

/// A namespace and a name, where a text may be a Pod's.
fn pod(text: &str) -> Option<(String, String)> {
    let (namespace, name) = text.split_once('/').unwrap_or(("default", text));
    let is_name = |name: &str| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
        !name.is_empty() && name.bytes().all(inner)
    };
    (is_name(namespace) && is_name(name) && !namespace.contains('.'))
        .then(|| (namespace.to_owned(), name.to_owned()))
}

async fn examine(
    engine: &Engine,
    wiring: &Wiring,
    clusters: &[Cluster],
    subject: Subject,
) -> Result<(Vec<Check>, Subject), Failure> {
    let doctor = Doctor { engine, wiring, clusters };
    let checks = match &subject {
        Subject::Clusters => doctor.examine().await.map_err(failed)?,
        Subject::Image(image) => doctor.examine_image(image, None).await,
        Subject::Pod { namespace, name } => {
            let mut checks = doctor.examine_pod(namespace, name).await;
            if checks.iter().all(|check| check.verdict == Verdict::Unknown) {
                // `redis` and `team/app` are names of images too.
                let text = if namespace == "default" { name.clone() } else { format!("{namespace}/{name}") };
                let image = text.parse().map_err(|error| {
                    Failure::Usage(format!("no cluster has a Pod {namespace}/{name}, and {error}"))
                })?;
                checks.extend(doctor.examine_image(&image, None).await);
                return Ok((checks, Subject::Image(image)));
            }
            checks
        }
    };
    Ok((checks, subject))
}

/// Prints what was seen; something bad is a failure.
fn told(checks: &[Check], steps: &[Step], printer: Printer) -> Result<(), Failure> {
    let number = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
    let (good, bad, unknown) = (number(Verdict::Good), number(Verdict::Bad), number(Verdict::Unknown));
    let lines: Vec<String> = checks.iter().map(ToString::to_string).collect();
    printer.data(
        lines.join("\n"),
        || json!({ "checks": checks, "good": good, "bad": bad, "unknown": unknown, "fixed": steps }),
    );
    let summary =
        format!("{} looked at: {good} good, {bad} bad, {unknown} not known", count(checks.len(), "thing"));
    if bad == 0 {
        printer.note(summary);
        return Ok(());
    }
    let hint = match (steps.is_empty(), doctor::repairs(checks).is_empty()) {
        (true, false) => "; `hythe doctor --fix` does what is safe",
        (true, true) => "",
        (false, _) => "; what is left is not for --fix to mend: each says what to do",
    };
    Err(Failure::Other(format!("{summary}{hint}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_has_a_namespace_and_a_name_and_images_have_more() {
        let named = |text: &str| pod(text).map(|(namespace, name)| format!("{namespace}/{name}"));
        for (text, expected) in [
            ("api-7d9f", Some("default/api-7d9f")),
            ("storage/api-7d9f", Some("storage/api-7d9f")),
            ("redis:7", None),
            ("localhost:5001/app", None),
            ("ghcr.io/app", None),
            ("a/b/c", None),
            ("app@sha256:1", None),
        ] {
            assert_eq!(named(text).as_deref(), expected, "{text}");
        }
    }
}
