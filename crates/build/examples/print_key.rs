//! Prints the text of a context's key, and the key: `cargo run -p hythe-build --example print_key -- CONTEXT [NAME=VALUE …]`.
//!
//! The digest of each base is the hash of its name.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;

use hythe_build::{DockerfileSource, Recipe, read};
use hythe_oci::{Algorithm, Digest};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let context = PathBuf::from(arguments.next().ok_or("name the folder of a context")?);
    let args = arguments.filter_map(|text| Some(text.split_once('=')?).map(|(n, v)| (n.into(), v.into())));
    let recipe = Recipe {
        dockerfile: DockerfileSource::Path(context.join("Dockerfile")),
        context,
        target: None,
        args: args.collect(),
        platforms: Vec::new(),
        contexts: BTreeMap::new(),
        labels: BTreeMap::new(),
        images: BTreeMap::new(),
    };
    let inputs = read(&recipe, None)?;
    for unknown in inputs.unknown() {
        eprintln!("{unknown}");
    }
    let names = inputs.bases().iter().map(|base| base.image.clone());
    let digests = names.map(|name| (name.clone(), Digest::of(Algorithm::Sha256, name.as_str().as_bytes())));
    let digests = digests.collect();
    let keyed = inputs.with_bases(&digests)?;
    print!("{}", keyed.record().text());
    println!("{}", keyed.key());
    Ok(())
}
