//! `hythe image`: makes an image of this binary, and loads it into the engine or writes it to a file.

use std::io::{IsTerminal as _, Write as _};

use hythe_cluster::image::Image;
use hythe_cluster::registry;
use serde_json::json;

use super::{Steps, connect};
use crate::args::ImageArgs;
use crate::commands::runtime::run;
use crate::console::Printer;
use crate::failure::Failure;

/// Loads the image into the engine, or writes it to a file or stdout.
pub(in crate::commands) fn image(args: &ImageArgs, printer: Printer) -> Result<(), Failure> {
    let image = Image::of(args.binary.as_deref(), env!("CARGO_PKG_VERSION"))
        .map_err(|error| Failure::Other(error.to_string()))?;
    let Some(file) = &args.save else {
        return run(async {
            let engine = connect(&args.engine).await?;
            let steps = Steps::new(printer);
            let report = |step| steps.take(step);
            registry::load(&engine, &image, &report)
                .await
                .map_err(|error| Failure::Other(error.to_string()))?;
            printer.data(&image.reference, || json!({ "image": image.reference }));
            Ok(())
        });
    };
    let failed = |error: std::io::Error| Failure::Other(format!("{file} cannot be written: {error}"));
    if file != "-" {
        std::fs::write(file, &image.archive).map_err(failed)?;
        printer.data(&image.reference, || json!({ "image": image.reference, "file": file }));
        printer
            .note(format_args!("to load it: docker load -i {file}, or ctr -n k8s.io images import {file}"));
        return Ok(());
    }
    let mut stdout = std::io::stdout();
    if stdout.is_terminal() {
        return Err(Failure::Usage(
            "cannot write an image archive to a terminal: redirect stdout to a file or a command".to_owned(),
        ));
    }
    stdout.write_all(&image.archive).map_err(failed)?;
    printer.note(&image.reference);
    Ok(())
}
