//! `hythe read-layers`: answers questions about an engine's store, in a helper container of `hythe push`.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::path::PathBuf;

use hythe_engine::{Form, Store, answer_questions};

use crate::failure::{Failure, FileError};

/// Answers until stdin ends.
pub(super) fn read_layers(root: PathBuf, driver: String) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::File(FileError::Stdin(error));
    // Not `Stdout` itself, which looks for ends of lines.
    let output = io::stdout().as_fd().try_clone_to_owned().map_err(failed)?;
    answer_questions(Store { form: Form::Docker, driver, root }, io::stdin().lock(), File::from(output))
        .map_err(failed)
}
