//! The file that names the layout of a data folder.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::error::OpenError;

/// The number of the layout that this version writes. A later version may read this layout; an earlier version must not
/// touch it.
const FORMAT: u32 = 1;

/// The name of the file that holds the layout's number. A folder that has this file is a data folder.
pub(super) const FORMAT_FILE: &str = "format";

/// How much of the file `format` is read, in bytes: more than any number has.
const MOST: u64 = 32;

/// Checks that this version can use the folder's layout. Writes the file if there is none.
pub(super) fn check_format(root: &Path) -> Result<(), OpenError> {
    let refused =
        |source| OpenError::NotWritable { path: root.to_owned(), action: "cannot read its format", source };
    let path = root.join(FORMAT_FILE);
    let found = match path.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(refused(error)),
        Ok(found) if !found.is_file() => {
            return Err(OpenError::Format { path, found: "not a file".to_owned() });
        }
        Ok(_) => {
            let mut bytes = Vec::new();
            let file = File::open(&path).map_err(refused)?;
            file.take(MOST).read_to_end(&mut bytes).map_err(refused)?;
            String::from_utf8_lossy(&bytes).trim().to_owned()
        }
    };
    // A crash between creating and writing the file leaves it empty.
    if found.is_empty() {
        return std::fs::write(&path, format!("{FORMAT}\n")).map_err(refused);
    }
    match found.parse::<u32>() {
        Ok(1..=FORMAT) => Ok(()),
        Ok(newer) if newer > FORMAT => Err(OpenError::Newer { path: root.to_owned(), found, known: FORMAT }),
        _ => Err(OpenError::Format { path, found: format!("`{}`", found.escape_debug()) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_that_is_not_a_number_is_damaged_and_a_later_number_is_newer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("format");
        let refusal = |content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            let refusal = check_format(folder.path()).unwrap_err();
            assert_eq!(std::fs::read(&path).unwrap(), content, "the file must not change");
            refusal.to_string()
        };
        assert!(refusal(b"2\n").contains("a newer version"));
        for garbage in [&b"garbage"[..], b"0", b"-1", b"1.0", b"\xff\xfe", &b"9".repeat(1 << 20)] {
            let said = refusal(garbage);
            assert!(said.contains("format") && said.contains("damaged") && said.len() < 600, "{said}");
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(check_format(folder.path()).unwrap_err().to_string().contains("not a file"));
    }

    #[test]
    fn an_empty_format_is_written_again() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("format"), "").unwrap();
        check_format(folder.path()).unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join("format")).unwrap(), "1\n");
    }
}
