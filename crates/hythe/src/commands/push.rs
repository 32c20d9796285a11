//! `hythe push`: pushes images of a container engine, layouts and archives to a registry.

mod compression;
mod engine;
mod name;
mod other;
mod pusher;
mod told;

use hythe_oci::{Digest, ImageName};
use serde_json::{Value, json};

use super::engine::absent;
use super::registries::Registries;
use super::roll_out::RollOut;
use super::runtime::run;
use crate::args::{CompressionChoice, ConnectionArgs, EngineArgs, PushArgs, RollOutArgs, Via};
use crate::config::Environment;
use crate::console::{Printer, count_of, size};
use crate::failure::Failure;
use crate::values::Output;
use name::{Job, Origin};
use pusher::{Pushed, Pusher};

/// Pushes images.
pub(super) fn push(args: &PushArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    run(push_all(args, environment, printer))
}

/// Pushes an image that a build has just made in an engine, under its own name. The digest is that of its manifest.
pub(super) async fn push_built(
    image: &ImageName,
    engine: EngineArgs,
    connection: &ConnectionArgs,
    environment: &Environment,
    printer: Printer,
) -> Result<Digest, Failure> {
    let args = PushArgs {
        images: Vec::new(),
        via: Via::Auto,
        engine,
        jobs: 4,
        compression: CompressionChoice::default(),
        roll_out: RollOutArgs::none(),
        connection: connection.clone(),
    };
    let registries = Registries::new(environment, connection);
    let run = Pusher::new(&args, environment, registries, 1, printer);
    let pushed = run.push_of_engine(image.as_str(), image).await;
    run.progress.stop();
    Ok(pushed?.digest)
}

async fn push_all(args: &PushArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    let mut registries = Registries::new(environment, &args.connection);
    let default = registries.named(None)?;
    let jobs = name::jobs(&args.images, &default)?;
    let roll_out = RollOut::asked(&args.roll_out, &args.engine, environment).await?;
    let run = Pusher::new(args, environment, registries, jobs.len(), printer);
    if let Err(failure) = run.find_all(&jobs).await {
        run.progress.stop();
        return Err(failure);
    }
    let (mut done, mut failed, mut images) = (Vec::new(), Vec::new(), Vec::new());
    for job in &jobs {
        let pushed = run.push_one(job).await;
        run.progress.ended();
        match pushed {
            Ok(pushed) => {
                if printer.output() == Output::Text {
                    run.progress.aside(|| printer.data(line(&pushed), || Value::Null));
                }
                done.push(as_json(job, &pushed));
                images.push(pushed.reference);
            }
            Err(error) => failed.push((job, error)),
        }
    }
    run.progress.stop();
    let rolled_out = match roll_out {
        Some(roll_out) if failed.is_empty() => roll_out.run(&images, printer).await.map(Some),
        _ => Ok(None),
    };
    if printer.output() == Output::Json {
        let failed: Vec<Value> = failed
            .iter()
            .map(|(job, error)| json!({ "source": job.from.to_string(), "error": error.to_string() }))
            .collect();
        let mut data = json!({ "pushed": done, "failed": failed });
        if let Ok(Some(rolled_out)) = &rolled_out {
            data["rollOut"] = rolled_out.clone();
        }
        printer.data("", || data);
    }
    match &failed[..] {
        [] => rolled_out.map(drop),
        [_] => Err(failed.remove(0).1),
        several => {
            let list: Vec<String> =
                several.iter().map(|(job, error)| format!("  {}: {error}", job.from)).collect();
            let count = count_of(several.len() as u64, "image");
            Err(Failure::Images(format!("{count} could not be pushed:\n{}", list.join("\n"))))
        }
    }
}

impl Pusher<'_> {
    /// Looks up all images of the engine, so that a wrong name among several is an error before anything is pushed.
    async fn find_all(&self, jobs: &[Job]) -> Result<(), Failure> {
        if jobs.len() == 1 {
            return Ok(());
        }
        for job in jobs {
            let Origin::Engine(image) = &job.from else { continue };
            let engine = self.engine().await?;
            if engine.find_image(image).await?.is_some() {
                continue;
            }
            return Err(match name::without_slash(jobs).filter(|last| *last == image) {
                Some(_) => Failure::Usage(format!(
                    "{} has no image {image}. To push several images below that path, write a slash behind it: {image}/",
                    engine.title()
                )),
                None => absent(engine, image).await,
            });
        }
        Ok(())
    }

    /// Pushes one image, and returns its name and digest at the registry.
    pub(super) async fn push_one(&self, job: &Job) -> Result<Pushed, Failure> {
        match &job.from {
            Origin::Engine(image) => self.push_of_engine(image, &job.to).await,
            Origin::File(place) => self.push_place(place, &job.to).await,
            Origin::Stdin => self.push_stdin(&job.to).await,
        }
    }
}

fn line(pushed: &Pushed) -> String {
    let Pushed { reference, digest, copied, existing, .. } = pushed;
    let Some(copied) = copied else { return format!("{reference}  {digest}  pushed by the engine") };
    if copied.is_up_to_date() {
        return format!("{reference}  {digest}  up to date");
    }
    let blobs = count_of(copied.blobs, "blob");
    let mut parts = vec![format!("pushed {blobs} ({})", size(copied.bytes))];
    if copied.mounted > 0 {
        parts.push(format!("{} mounted", count_of(copied.mounted, "blob")));
    }
    if *existing > 0 {
        parts.push(format!("{} already there", count_of(*existing, "blob")));
    }
    format!("{reference}  {digest}  {}", parts.join(", "))
}

fn as_json(job: &Job, pushed: &Pushed) -> Value {
    let Pushed { reference, digest, way: (way, reason), copied, existing } = pushed;
    let mut value = json!({
        "source": job.from.to_string(),
        "reference": reference.to_string(),
        "digest": digest.to_string(),
        "way": way,
        "reason": reason,
    });
    if let Some(copied) = copied {
        value["blobs"] = json!({
            "pushed": copied.blobs,
            "bytes": copied.bytes,
            "mounted": copied.mounted,
            "existing": existing,
        });
        value["upToDate"] = copied.is_up_to_date().into();
    }
    value
}
