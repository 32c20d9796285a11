//! `hythe image`: makes an image of this binary, and loads it into the engine or writes it to a file.

use std::io::{IsTerminal as _, Write as _};

use hythe_cluster::image::Image;
use hythe_cluster::registry;
use serde_json::json;

use super::Steps;
use crate::args::ImageArgs;
use crate::commands::engine::connect;
use crate::commands::runtime::run;
use crate::console::Printer;
use crate::failure::{Failure, FileError};

/// Loads the image into the engine, or writes it to a file or stdout.
pub(in crate::commands) fn image(args: &ImageArgs, printer: Printer) -> Result<(), Failure> {
    let image = Image::of(args.binary.as_deref(), env!("CARGO_PKG_VERSION"))?;
    let Some(file) = &args.save else {
        return run(async {
            let engine = connect(&args.engine).await?;
            let steps = Steps::new(printer);
            let report = |step| steps.take(step);
            registry::load(&engine, &image, &report).await?;
            printer.data(&image.reference, || json!({ "image": image.reference }));
            Ok(())
        });
    };
    if file != "-" {
        std::fs::write(file, &image.archive)
            .map_err(|error| FileError::Write { path: file.into(), error })?;
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
    stdout.write_all(&image.archive).map_err(FileError::Stdout)?;
    printer.note(&image.reference);
    Ok(())
}
