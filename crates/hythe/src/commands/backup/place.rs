//! The place of backups that the command line or the configuration names.

use std::path::Path;
use std::sync::Arc;

use hythe_backup::{Folder, Store};
use hythe_s3::{Bucket, BucketOptions, Keys};

use crate::config::Environment;
use crate::settings::{BackupSettings, Settings};
use crate::values::{BackupPlace, Storage};

/// The place, reached as the variables say.
pub(in crate::commands) fn place(place: &BackupPlace, environment: &Environment) -> Arc<dyn Store> {
    reached(place, &BackupSettings::default(), None, environment)
}

/// The place of the server's own backups, if it makes some.
pub(in crate::commands) fn configured(
    settings: &Settings,
    environment: &Environment,
) -> Option<Arc<dyn Store>> {
    let scratch = (settings.storage == Storage::Fs).then_some(settings.data.as_path());
    let place = settings.backup.destination.as_ref()?;
    Some(reached(place, &settings.backup, scratch, environment))
}

fn reached(
    place: &BackupPlace,
    settings: &BackupSettings,
    scratch: Option<&Path>,
    environment: &Environment,
) -> Arc<dyn Store> {
    let (bucket, prefix) = match place {
        BackupPlace::Folder(path) => return Arc::new(Folder::new(path)),
        BackupPlace::Bucket { bucket, prefix } => (bucket.clone(), prefix.clone()),
    };
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let keys = text(&settings.access_key_id)
        .map(|id| Keys { id, secret_file: settings.secret_access_key_file.clone().unwrap_or_default() });
    let variables = environment.variables.iter().filter(|(name, _)| name.starts_with("AWS_"));
    let variables =
        variables.filter_map(|(name, value)| Some((name.clone(), value.to_str()?.to_owned()))).collect();
    Arc::new(Bucket::new(BucketOptions {
        bucket,
        prefix,
        endpoint: text(&settings.endpoint),
        region: text(&settings.region),
        keys,
        variables,
        scratch: scratch.map(Path::to_owned),
    }))
}
