//! `hythe docs DIR`: writes the reference pages, generated from the tables that the program itself uses.

use std::path::Path;

use crate::console::Printer;
use crate::failure::{Failure, FileError};
use crate::reference;

/// Writes the reference pages.
pub(super) fn docs(folder: &Path, printer: Printer) -> Result<(), Failure> {
    let failed = |path: &Path, error: std::io::Error| FileError::Write { path: path.to_owned(), error };
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    for (name, text) in reference::pages() {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|error| failed(&path, error))?;
        printer.note(format_args!("wrote {}", path.display()));
    }
    Ok(())
}
