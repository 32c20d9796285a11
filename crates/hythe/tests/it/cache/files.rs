//! The images that `hythe cache warm -f` finds in files. `corpus/*.txt` has small files in the shape of public ones,
//! each with its expected images.

use std::collections::BTreeSet;
use std::path::Path;

use hythe::commands::{list_images, parse_image};
use hythe::config::Environment;

struct Case<'a> {
    file: &'a str,
    text: String,
    images: BTreeSet<String>,
}

/// `##### NAME` begins a file, `##### images` its images.
fn cases(text: &str) -> Vec<Case<'_>> {
    let parts: Vec<(&str, &str)> =
        text.split("##### ").skip(1).filter_map(|part| part.split_once('\n')).collect();
    let pairs = parts.chunks_exact(2);
    assert!(pairs.remainder().is_empty(), "a file has no images");
    pairs
        .map(|pair| {
            let ((file, text), ("images", images)) = (pair[0], pair[1]) else { panic!("{}", pair[1].0) };
            let images = images.lines().map(|line| parse_image(line).unwrap()).collect();
            Case { file, text: text.to_owned(), images }
        })
        .collect()
}

fn environment() -> Environment {
    let mut environment = Environment::default();
    environment.variables.insert("TAG".to_owned(), "7".into());
    environment
}

#[test]
fn exactly_the_expected_images_are_found_in_each_file_of_the_corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/cache/corpus");
    let (mut wrong, mut files) = (Vec::new(), 0);
    for corpus in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(corpus.unwrap().path()).unwrap();
        for case in cases(&text) {
            files += 1;
            let listing = list_images(case.file, &case.text, &environment()).unwrap();
            let found: BTreeSet<String> =
                listing.images.iter().map(|(text, _)| parse_image(text).unwrap()).collect();
            for missed in case.images.difference(&found) {
                wrong.push(format!("{}: missed {missed}", case.file));
            }
            for more in found.difference(&case.images) {
                wrong.push(format!("{}: took {more}", case.file));
            }
        }
    }
    assert!(files >= 60, "{files} files");
    assert!(wrong.is_empty(), "of {files} files\n{}", wrong.join("\n"));
}
