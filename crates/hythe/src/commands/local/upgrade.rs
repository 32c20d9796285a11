//! `hythe upgrade`: runs another version over the same data, and returns to the previous one if it does not get ready.

use hythe_cluster::image::Image;
use hythe_cluster::registry as container;
use serde_json::json;

use super::logins::Handed;
use super::{Steps, own_registry};
use crate::args::UpgradeArgs;
use crate::commands::engine::connect;
use crate::commands::runtime::run;
use crate::config::Environment;
use crate::console::Printer;
use crate::failure::Failure;

/// Replaces the registry's binary.
pub(in crate::commands) fn upgrade(
    args: &UpgradeArgs,
    environment: &Environment,
    printer: Printer,
) -> Result<(), Failure> {
    run(async {
        let engine = connect(&args.target.engine).await?;
        let image = Image::of(args.binary.as_deref(), env!("CARGO_PKG_VERSION"))?;
        let steps = Steps::new(printer);
        let report = |step| steps.take(step);
        container::recover(&engine, &args.target.name, &report).await?;
        let settings = own_registry(&engine, &args.target, printer).await?;
        let handed = Handed::find(&settings, environment).await?.whole()?;
        container::load(&engine, &image, &report).await?;
        let ran = container::run(&engine, &settings, &image, &report).await.map_err(Failure::from);
        // Also if the previous container was restored: that one has lost its logins too.
        let told = handed.hand_over(&engine, &settings, &report).await;
        ran.and(told)?;
        let text = if steps.changes() == 0 {
            format!("{} already runs {}", settings.name, image.reference)
        } else {
            format!("{} runs {}", settings.name, image.reference)
        };
        printer.data(text, || {
            let mut data = steps.json();
            data["image"] = json!(image.reference);
            data
        });
        Ok(())
    })
}
