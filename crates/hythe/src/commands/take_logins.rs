//! `hythe take-logins FOLDER`: logins from stdin to where the server of this container looks for them.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::printer::Printer;

/// Far more than all logins that anybody has.
const LARGEST: u64 = 1 << 20;

/// Adds them to those that were taken before, and tells the server.
pub(super) fn take_logins(folder: &Path, printer: Printer) -> Result<(), Failure> {
    let failed = |error: io::Error| {
        Failure::Other(format!("{}: logins cannot be kept there: {error}", folder.display()))
    };
    let mut logins = String::new();
    io::stdin().take(LARGEST).read_to_string(&mut logins).map_err(failed)?;
    let unread = || Failure::Usage("what is on stdin is not a configuration of Docker's".to_owned());
    let logins: Value = serde_json::from_str(&logins).map_err(|_| unread())?;
    let is_new = keep(folder, logins["auths"].as_object().ok_or_else(unread)?).map_err(failed)?;
    // Also where they are the same: the time before it may not have listened.
    kill_process(Pid::INIT, Signal::HUP).map_err(|error| failed(error.into()))?;
    printer.data(if is_new { "changed" } else { "unchanged" }, || json!({ "changed": is_new }));
    Ok(())
}

/// Whether any is another than before. Nobody else reads them, and nobody reads a half. One that could not be looked up
/// this time may still be good.
fn keep(folder: &Path, logins: &Map<String, Value>) -> io::Result<bool> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let path = folder.join("config.json");
    let before: Value =
        fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    let mut all = before["auths"].as_object().cloned().unwrap_or_default();
    all.extend(logins.clone());
    let all = json!({ "auths": all });
    if all == before {
        return Ok(false);
    }
    let staged = folder.join(format!("config.json.{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&staged)?;
    file.write_all(all.to_string().as_bytes())?;
    fs::rename(&staged, &path)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn logins_are_for_their_owner_only_and_add_up() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("logins");
        let keep = |logins: Value| keep(&folder, logins.as_object().unwrap()).unwrap();
        assert!(keep(json!({ "a.example": { "auth": "old" }, "b.example": { "auth": "kept" } })));
        assert!(!keep(json!({ "a.example": { "auth": "old" } })));
        assert!(keep(json!({ "a.example": { "auth": "new" } })));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join("config.json"))), (0o700, 0o600));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        let text = fs::read_to_string(folder.join("config.json")).unwrap();
        assert_eq!(text, r#"{"auths":{"a.example":{"auth":"new"},"b.example":{"auth":"kept"}}}"#);
    }
}
