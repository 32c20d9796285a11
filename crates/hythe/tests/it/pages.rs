//! The committed reference pages equal the pages that this program generates.

use std::path::Path;

#[test]
fn the_reference_pages_are_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference");
    for (name, text) in hythe::reference::pages() {
        let committed = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(
            committed == text,
            "docs/reference/{name} is stale: run `cargo run -p hythe -- docs docs/reference`"
        );
    }
}
