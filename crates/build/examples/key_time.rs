//! Measures how long the key of a context takes: 10,000 files of 100 MB in all, without a cache, with an empty one, and with a full
//! one.
//!
//! ```sh
//! cargo run -p hythe-build --example key_time --config 'profile.dev.package.hythe-build.opt-level=3' \
//!     --config 'profile.dev.package.hythe-oci.opt-level=3'
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::time::{Duration, Instant};

use hythe_build::{DockerfileSource, Recipe, StatCache, read};

const FOLDERS: usize = 100;
const FILES: usize = 100;
const BYTES: usize = 10_000;
const ROUNDS: usize = 5;

/// A cache keeps the hashes of files only that did not change for two seconds.
const SETTLE: Duration = Duration::from_millis(2100);

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    for number in 0..FOLDERS * FILES {
        let parent = folder.path().join(format!("src/{}", number / FILES));
        fs::create_dir_all(&parent)?;
        let bytes: Vec<u8> = (0..BYTES).map(|at| (at * 31 + number * 7) as u8).collect();
        fs::write(parent.join(format!("{number}.bin")), bytes)?;
    }
    std::thread::sleep(SETTLE);
    let recipe = Recipe {
        context: folder.path().to_owned(),
        dockerfile: DockerfileSource::Inline("FROM scratch\nCOPY . /app\n".to_owned()),
        target: None,
        args: BTreeMap::new(),
        platforms: Vec::new(),
        contexts: BTreeMap::new(),
        labels: BTreeMap::new(),
        images: BTreeMap::new(),
    };
    fs::write(folder.path().join(".dockerignore"), "**/*.log\n**/node_modules\n.git\n!keep.log\n")?;
    let cached = tempfile::tempdir()?;
    let mut keys = Vec::new();
    let mut measure = |name: &str, has_cache: bool, is_full: bool| -> Result<(), Box<dyn Error>> {
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            if !is_full {
                let _ = fs::remove_dir_all(cached.path());
            }
            let start = Instant::now();
            let mut cache = has_cache.then(|| StatCache::open(cached.path(), folder.path()));
            let inputs = read(&recipe, cache.as_mut())?;
            keys.push(inputs.with_bases(&BTreeMap::new())?.key());
            cache.map_or(Ok(()), |cache| cache.save())?;
            times.push(start.elapsed());
        }
        times.sort();
        println!("{name}: {times:.1?}");
        Ok(())
    };
    measure("without a cache", false, false)?;
    measure("with an empty cache", true, false)?;
    measure("with a full cache", true, true)?;
    assert!(keys.windows(2).all(|keys| keys[0] == keys[1]), "the key differs between two runs");
    Ok(())
}
