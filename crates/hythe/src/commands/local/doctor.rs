//! `hythe doctor`: finds out why an image is not pulled.

use std::collections::BTreeSet;
use std::io::Read as _;

use hythe_cluster::attach::Wiring;
use hythe_cluster::doctor::{self, Check, Doctor, Repair, Verdict};
use hythe_cluster::image::Image;
use hythe_cluster::step::{Outcome, Step};
use hythe_cluster::topology::{Cluster, clusters};
use hythe_engine::{Engine, Surroundings};
use hythe_oci::ImageName;
use serde_json::json;

use super::{Steps, settings_of, wiring};
use crate::args::DoctorArgs;
use crate::commands::runtime::run;
use crate::config::Environment;
use crate::console::{Printer, count_of};
use crate::failure::{Failure, Fixable, LocalError};

/// Bytes of a message read from stdin at most: far more than any tool prints about one failure.
const MESSAGE: u64 = 64 << 10;

/// Rounds of repair and examination that `--fix` makes at most. One repair may need another: a registry whose container
/// was created again is on no cluster's network yet, and an attached node may need a restart of its containerd.
const ROUNDS: usize = 3;

/// What the user asks about.
enum Subject {
    Clusters,
    Image(ImageName),
    Pod { namespace: String, name: String },
}

/// Examines, repairs with `--fix`, and prints the checks.
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
        let settings = settings_of(&engine, &args.target.name, environment).await?;
        printer.registry_port(settings.port);
        let wiring = wiring(settings, environment, false, false)?;
        let mut found = clusters(&engine).await?;
        let (subject, meant) = meant(args.subject.as_deref(), &found, &engine)?;
        let (mut checks, mut subject) = examine(&engine, &wiring, &meant, subject).await?;
        let steps = Steps::new(printer);
        let report = |step| steps.take(step);
        let image = || Image::of(None, env!("CARGO_PKG_VERSION"));
        let mut done = BTreeSet::new();
        for _ in 0..ROUNDS {
            // A repair that was done but is wanted again would not help a second time.
            let repairs: BTreeSet<Repair> = doctor::repairs(&checks).difference(&done).cloned().collect();
            if !args.fix || repairs.is_empty() {
                break;
            }
            let repaired = doctor::repair(&engine, &wiring, &found, &repairs, image, &report).await;
            if let Err(error) = repaired {
                steps.take(Step::new("repair", Outcome::Failed, error.to_string()));
            }
            done.extend(repairs);
            // Containers may have been replaced, and clusters joined to another network.
            found = clusters(&engine).await?;
            let is_meant = |cluster: &Cluster| meant.iter().any(|before| before.name == cluster.name);
            let meant: Vec<Cluster> = found.iter().filter(|cluster| is_meant(cluster)).cloned().collect();
            (checks, subject) = examine(&engine, &wiring, &meant, subject).await?;
        }
        for check in &mut checks {
            // A repair that was done and did not help is not suggested again.
            check.repair = check.repair.take().filter(|repair| !done.contains(repair));
        }
        told(&checks, &steps.all(), printer)
    })
}

/// Explains a message. If hythe may have sent it, shows the reason from hythe's log too: engines print only the status.
fn explained(message: &str, args: &DoctorArgs, printer: Printer) -> Result<(), Failure> {
    let check = doctor::message(message);
    if !doctor::is_own(message) {
        return told(&[check], &[], printer);
    }
    run(async {
        let choice = args.target.engine.engine.clone().unwrap_or_default();
        // Without an engine, the message is still explained, without the log.
        let logged = match Engine::connect(&choice, &Surroundings::of_process()).await {
            Ok(engine) => doctor::refusals(&engine, &args.target.name, message).await,
            Err(_) => Vec::new(),
        };
        told(&[check.seeing(&logged)], &[], printer)
    })
}

/// The message of another tool, if the user asks about one: stdin, or a text with a space, because no name has a space.
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

/// What a text names: a cluster if one has that name, else a Pod, else an image.
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
        Err(error) => Err(Failure::Usage(format!("{error}; and {} has no cluster {text}", engine.title()))),
    }
}

/// The namespace and the name of a Pod, if a text can be a Pod's name.
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
        Subject::Clusters => doctor.examine().await?,
        Subject::Image(image) => doctor.examine_image(image, None).await,
        Subject::Pod { namespace, name } => {
            let mut checks = doctor.examine_pod(namespace, name).await;
            if checks.iter().all(|check| check.verdict == Verdict::Unknown) {
                // No such Pod: names like `redis` and `team/app` can be images too.
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

/// Prints the checks. A bad check makes the command fail.
fn told(checks: &[Check], steps: &[Step], printer: Printer) -> Result<(), Failure> {
    let number = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
    let (good, bad, unknown) = (number(Verdict::Good), number(Verdict::Bad), number(Verdict::Unknown));
    let lines: Vec<String> = checks.iter().map(ToString::to_string).collect();
    printer.data(
        lines.join("\n"),
        || json!({ "checks": checks, "good": good, "bad": bad, "unknown": unknown, "fixed": steps }),
    );
    let summary =
        format!("{}: {good} good, {bad} bad, {unknown} unknown", count_of(checks.len() as u64, "check"));
    if bad == 0 {
        printer.note(summary);
        return Ok(());
    }
    let fixable = match (steps.is_empty(), doctor::repairs(checks).is_empty()) {
        (true, false) => Fixable::Yes,
        (true, true) => Fixable::No,
        (false, _) => Fixable::Tried,
    };
    Err(LocalError::Faults { summary, fixable }.into())
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
