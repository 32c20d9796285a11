//! Importing another registry's data before hythe's container is created. The import runs as root: other users may not
//! hard-link files that are not theirs.

use super::super::one_shot::OneShot;
use super::super::{RegistryError, RegistrySettings, body, ready};
use crate::image::{DATA_FOLDER, Image};
use crate::step::Report;
use hythe_engine::Engine;

/// Imports the other registry's data, and gives the imported files to hythe's user. The other registry's own files are
/// not changed.
pub(super) async fn import(
    engine: &Engine,
    settings: &RegistrySettings,
    image: &Image,
    report: Report<'_>,
) -> Result<(), RegistryError> {
    let (user, group) = settings.user;
    let mut command = vec!["own".to_owned(), DATA_FOLDER.to_owned(), "--import".to_owned()];
    command.extend(["--user".to_owned(), user.to_string(), "--group".to_owned(), group.to_string()]);
    let import = OneShot {
        purpose: "import",
        image: image.reference.clone(),
        command,
        environment: body::environment(settings),
    };
    let mut progress = ready::Progress::new(settings, report);
    let told = |piece: &[u8]| {
        progress.take(piece);
    };
    match import.run(engine, settings, told).await? {
        (0, _) => Ok(()),
        (code, log) => {
            let reason = format!("the import of {} exited with code {code}", settings.data);
            Err(RegistryError::NotReady { reason, log })
        }
    }
}
