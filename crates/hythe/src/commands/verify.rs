//! `hythe verify`: compares everything that a registry stores with its digests.

use hythe_api::{Damage, DamagedImage, Total, VerifiedSlice};
use hythe_lifecycle::Verifier;
use hythe_server::verified_slice;
use serde_json::{Value, json};

use super::cache::{Admin, Target};
use super::runtime::{Work, run, runtime};
use super::{offline, serve};
use crate::args::VerifyArgs;
use crate::config::Environment;
use crate::console::{Line, Printer, count_of, size};
use crate::failure::{Failure, StartError};
use crate::settings::Settings;
use crate::values::Output;

/// The size of a slice of a data folder, in bytes.
const SLICE: u64 = 64 << 20;

/// Asks a running registry to verify its content, or verifies a data folder, slice by slice.
pub(super) fn verify(args: &VerifyArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    if let Some(data) = &args.data {
        let settings = offline::settings(Some(data), args.config.as_deref(), environment, printer)?;
        return runtime(Work::Registry)?.block_on(verify_folder(&settings, printer));
    }
    let target = Target::chosen(args.registry.as_deref(), environment)?;
    run(async {
        let admin = Admin::new(&target)?;
        verify_all(async |after| Ok(admin.verify(after).await?), printer).await
    })
}

/// Verifies a data folder, which this locks: no server uses it meanwhile.
async fn verify_folder(settings: &Settings, printer: Printer) -> Result<(), Failure> {
    let registry = serve::open(settings).await?;
    let failed = |error| StartError::Recover { folder: settings.data.clone(), error };
    let verifier = Verifier::new(registry.clone());
    let slice = async |after: Option<&str>| {
        let total = match after {
            None => Some(registry.totals().await.map_err(failed)?),
            Some(_) => None,
        };
        let total = total.map(|total| Total { blobs: total.blobs, bytes: total.bytes });
        // The text is one that the slice before gave.
        let cursor = after.and_then(|after| after.parse().ok()).unwrap_or_default();
        let slice = verifier.slice(cursor, SLICE).await.map_err(failed)?;
        Ok(VerifiedSlice { total, ..verified_slice(slice) })
    };
    let outcome = verify_all(slice, printer).await;
    registry.close();
    outcome
}

/// How much was verified so far, and what was wrong.
#[derive(Default)]
struct Verified {
    blobs: u64,
    manifests: u64,
    bytes: u64,
    damages: Vec<Damage>,
}

impl Verified {
    fn add(&mut self, slice: VerifiedSlice) {
        self.blobs += slice.blobs;
        self.manifests += slice.manifests;
        self.bytes += slice.bytes;
        self.damages.extend(slice.damages);
    }
}

async fn verify_all(
    verify: impl AsyncFn(Option<&str>) -> Result<VerifiedSlice, Failure>,
    printer: Printer,
) -> Result<(), Failure> {
    let (mut verified, mut after, mut total) = (Verified::default(), None::<String>, Total::default());
    let line = Line::start();
    loop {
        let slice = verify(after.as_deref()).await?;
        total = slice.total.unwrap_or(total);
        // A position that does not move on would make an endless loop.
        let next = slice.next.clone().filter(|next| after.as_ref() != Some(next));
        verified.add(slice);
        line.tell(|| {
            let (blobs, bytes) = (total.blobs.max(verified.blobs), total.bytes.max(verified.bytes));
            format!("{} of {blobs} blobs, {} of {}", verified.blobs, size(verified.bytes), size(bytes))
        });
        match next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    drop(line);
    let Verified { blobs, manifests, bytes, damages } = verified;
    if printer.output() == Output::Json {
        printer.data(
            "",
            || json!({ "blobs": blobs, "manifests": manifests, "bytes": bytes, "damages": damages }),
        );
    } else {
        for damage in &damages {
            printer.data(described(damage), || Value::Null);
        }
        let verified = format!(
            "verified {} and {} ({})",
            count_of(blobs, "blob"),
            count_of(manifests, "manifest"),
            size(bytes)
        );
        printer.note(verified);
    }
    if damages.is_empty() {
        return Ok(());
    }
    let of_blobs = damages.iter().filter(|damage| damage.kind == "blob").count() as u64;
    let counts = [(of_blobs, "damaged blob"), (damages.len() as u64 - of_blobs, "damaged manifest")];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    let found: Vec<String> = counts.map(|(count, noun)| count_of(count, noun)).collect();
    Err(Failure::Images(format!(
        "found {}. The registry serves nothing damaged. It fetches what an upstream has with the next pull; push the other images \
         again",
        found.join(" and ")
    )))
}

/// A damage, and the images that cannot be pulled as a whole because of it.
fn described(damage: &Damage) -> String {
    let Damage { kind, digest, message, images, .. } = damage;
    let mut names: Vec<String> = images.iter().map(DamagedImage::name).collect();
    names.dedup();
    let needed = if names.is_empty() { "no image needs it".to_owned() } else { names.join(", ") };
    format!("{kind} {digest}: {message}\n  needed by: {needed}")
}
