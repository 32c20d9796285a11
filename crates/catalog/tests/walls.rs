//! The crate's root knows no database: all that names one is in the folder of that database.

use std::fs;
use std::path::Path;

#[test]
fn nothing_outside_the_folder_of_sqlite_names_its_library() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = fs::read_dir(source)
        .expect("the crate has sources")
        .map(|entry| entry.expect("the folder is readable").path());
    let named: Vec<_> = files
        .filter(|path| path.is_file())
        .filter(|path| fs::read_to_string(path).is_ok_and(|text| text.contains("rusqlite")))
        .collect();
    assert_eq!(named, Vec::<std::path::PathBuf>::new());
}
