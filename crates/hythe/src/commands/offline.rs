//! The settings of a data folder that no server uses, for commands that work on the folder itself.

use std::path::Path;

use crate::config::{Environment, Inputs, key, load};
use crate::console::Printer;
use crate::failure::Failure;
use crate::settings::Settings;
use crate::values::Storage;

/// The settings for the data folder on the command line, else for the configured one.
pub(super) fn settings(
    data: Option<&Path>,
    config: Option<&Path>,
    environment: &Environment,
    printer: Printer,
) -> Result<Settings, Failure> {
    let flag = data.map(|data| data.display().to_string());
    let flags = key("data").zip(flag).map(|(key, data)| (key, vec![data])).into_iter().collect();
    let inputs = Inputs { file: config.map(Path::to_owned), flags, ..Inputs::default() };
    let loaded = load(&inputs, environment)?;
    printer.warnings(&loaded.warnings);
    let settings = loaded.settings;
    if settings.storage != Storage::Fs {
        let why = "only a registry with `storage = \"fs\"` has a data folder";
        return Err(Failure::Usage(why.to_owned()));
    }
    if !settings.data.join("format").is_file() {
        let why = format!(
            "{} is not a data folder of hythe. Name the one that the server uses with --data FOLDER",
            settings.data.display()
        );
        return Err(Failure::Usage(why));
    }
    Ok(settings)
}
