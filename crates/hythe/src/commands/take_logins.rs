//! `hythe take-logins FOLDER`: logins from stdin to where the server of this container looks for them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

use crate::failure::Failure;
use crate::printer::Printer;

/// Far more than all logins that anybody has.
const LARGEST: u64 = 1 << 20;

/// Writes them, and tells the server if they are others than before.
pub(super) fn take_logins(folder: &Path, printer: Printer) -> Result<(), Failure> {
    let failed = |error: io::Error| {
        Failure::Other(format!("{}: logins cannot be kept there: {error}", folder.display()))
    };
    let mut logins = String::new();
    io::stdin().take(LARGEST).read_to_string(&mut logins).map_err(failed)?;
    if serde_json::from_str::<serde_json::Value>(&logins).is_err() {
        return Err(Failure::Usage("what is on stdin is not a configuration of Docker's".to_owned()));
    }
    let is_new = keep(folder, &logins).map_err(failed)?;
    if is_new {
        kill_process(Pid::INIT, Signal::HUP).map_err(|error| failed(error.into()))?;
    }
    printer.data(if is_new { "changed" } else { "unchanged" }, || serde_json::json!({ "changed": is_new }));
    Ok(())
}

/// Whether they are others than before. Nobody else reads them, and nobody reads a half.
fn keep(folder: &Path, logins: &str) -> io::Result<bool> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let path = folder.join("config.json");
    if fs::read_to_string(&path).is_ok_and(|before| before == logins) {
        return Ok(false);
    }
    let staged = folder.join(format!("config.json.{}", std::process::id()));
    let mut file: File =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&staged)?;
    file.write_all(logins.as_bytes())?;
    fs::rename(&staged, &path)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn logins_are_for_their_owner_only_and_the_same_ones_are_no_change() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("logins");
        assert!(keep(&folder, "{}").unwrap());
        assert!(!keep(&folder, "{}").unwrap());
        assert!(keep(&folder, "{\"auths\":{}}").unwrap());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join("config.json"))), (0o700, 0o600));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }
}
