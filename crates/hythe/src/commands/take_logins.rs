//! `hythe take-logins FOLDER`: stores logins from stdin where the server of this container reads them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Value, json};

use super::serve::Taken;
use crate::console::Printer;
use crate::failure::{AnswerError, Failure, FileError};

/// Bytes read from stdin at most: far more than all logins of any user.
const LARGEST: u64 = 1 << 20;
/// How long to wait for the server to read its configuration again.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long to sleep between two looks for the server's receipt.
const PAUSE: Duration = Duration::from_millis(5);

/// Adds the logins to those stored before, and returns once the server uses them.
pub(super) fn take_logins(folder: &Path, printer: Printer) -> Result<(), Failure> {
    let failed = |error: io::Error| FileError::Logins { folder: folder.to_owned(), error };
    let mut logins = String::new();
    io::stdin().take(LARGEST).read_to_string(&mut logins).map_err(failed)?;
    let unread = || Failure::Usage("stdin is not a Docker configuration with `auths`".to_owned());
    let logins: Value = serde_json::from_str(&logins).map_err(|_| unread())?;
    let logins = logins["auths"].as_object().ok_or_else(unread)?;
    let _turn = turn(folder).map_err(failed)?;
    let file = folder.join("config.json");
    let is_new = keep(&file, logins).map_err(failed)?;
    // Also if the logins are unchanged: at the previous run the server may not have listened yet.
    kill_process(Pid::INIT, Signal::HUP).map_err(|error| failed(error.into()))?;
    let (began, kept) = (Instant::now(), Taken::of(&file));
    while !kept.as_ref().is_some_and(Taken::is_told) {
        if began.elapsed() > PATIENCE {
            return Err(AnswerError::LoginsUnread { waited: PATIENCE }.into());
        }
        std::thread::sleep(PAUSE);
    }
    printer.data(if is_new { "changed" } else { "unchanged" }, || json!({ "changed": is_new }));
    Ok(())
}

/// Waits until no other process hands logins over, and locks the folder. Only its owner may read it.
fn turn(folder: &Path) -> io::Result<File> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let turn = File::create(folder.join("lock"))?;
    turn.lock()?;
    Ok(turn)
}

/// Stores the logins, and returns whether any of them changed. A rename replaces the file, so that the server never
/// reads half of it. Earlier logins that are not among the new ones stay: they could not be looked up this time, but
/// may still be valid.
fn keep(file: &Path, logins: &Map<String, Value>) -> io::Result<bool> {
    let before: Value =
        fs::read(file).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    let mut all = before["auths"].as_object().cloned().unwrap_or_default();
    all.extend(logins.clone());
    let all = json!({ "auths": all });
    if all == before {
        return Ok(false);
    }
    let staged = file.with_extension("staged");
    let mut new = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&staged)?;
    new.write_all(all.to_string().as_bytes())?;
    fs::rename(&staged, file)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn only_the_owner_reads_the_logins_and_earlier_ones_stay() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("logins");
        let _turn = turn(&folder).unwrap();
        let file = folder.join("config.json");
        let keep = |logins: Value| keep(&file, logins.as_object().unwrap()).unwrap();
        assert!(keep(json!({ "a.example": { "auth": "old" }, "b.example": { "auth": "kept" } })));
        assert!(!keep(json!({ "a.example": { "auth": "old" } })));
        assert!(keep(json!({ "a.example": { "auth": "new" } })));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&file)), (0o700, 0o600));
        let mut names: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["config.json", "lock"]);
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(text, r#"{"auths":{"a.example":{"auth":"new"},"b.example":{"auth":"kept"}}}"#);
    }
}
