//! The import of another registry's data, by root before hythe's container is made: another user's files cannot be
//! linked by others.

use super::super::one_shot::OneShot;
use super::super::{RegistryError, Settings, body, ready};
use crate::engine::Engine;
use crate::image::{DATA_FOLDER, Image};
use crate::step::Report;

/// Imports what the data has, and gives what hythe made of it to hythe's user. What the other registry has is not
/// touched.
pub(super) async fn import(
    engine: &Engine,
    settings: &Settings,
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
            let reason = format!("the import of {} ended with {code}", settings.data);
            Err(RegistryError::NotReady { reason, log })
        }
    }
}
