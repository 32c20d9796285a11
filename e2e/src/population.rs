//! A data folder with many small blobs, half of them garbage. It is written without a server, because a million pushes would
//! take an hour.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hythe_catalog::{BlobFile, ManifestPush, Origin, Rebuild, Record};
use hythe_oci::{Algorithm, Digest, UploadId};
use rusqlite::{Connection, OpenFlags};

use crate::content::Content;
use crate::repository::{MANIFEST, manifest};

/// Blobs of each image: a config, and layers.
pub const BLOBS: u64 = 10;

/// How many repositories share the content.
const REPOSITORIES: u64 = 100;

/// The differences that a comparison names at most.
const NAMED: usize = 20;

/// What a data folder has: images, and as many blobs that no manifest references.
#[derive(Debug)]
pub struct Population {
    images: u64,
}

impl Population {
    /// Content with about this many blobs.
    pub fn new(blobs: u64) -> Self {
        Self { images: blobs.div_ceil(2 * BLOBS) }
    }

    /// How many images there are.
    pub fn images(&self) -> u64 {
        self.images
    }

    /// How many blobs no manifest references; as many are referenced.
    pub fn garbage(&self) -> u64 {
        self.images * BLOBS
    }

    /// The repository of an image, or of an unreferenced blob.
    pub fn repository(number: u64) -> String {
        format!("population/{:02}", number % REPOSITORIES)
    }

    /// The tag of an image.
    pub fn tag(image: u64) -> String {
        format!("v{image}")
    }

    /// A blob of an image.
    pub fn blob(image: u64, place: u64) -> Content {
        small(2 * (image * BLOBS + place))
    }

    /// A blob that no manifest references.
    pub fn unreferenced(number: u64) -> Content {
        small(2 * number + 1)
    }

    /// Writes a data folder whose content was last used at `used`.
    pub fn write(&self, data: &Path, used: SystemTime) {
        let generation = UploadId::random();
        let folders = data.join("blobs/sha256");
        for first in 0..=u8::MAX {
            fs::create_dir_all(folders.join(format!("{first:02x}"))).expect("the folder is ours");
        }
        let threads = thread::available_parallelism().map_or(1, usize::from) as u64;
        let share = |thread: u64| {
            let mut written = Vec::new();
            for number in (thread..self.garbage()).step_by(threads as usize) {
                let (image, place) = (number / BLOBS, number % BLOBS);
                for (of, content) in [(image, Self::blob(image, place)), (number, Self::unreferenced(number))]
                {
                    let bytes = content.slice(0, content.len());
                    let digest = Digest::of(Algorithm::Sha256, &bytes);
                    let hex = digest.hex();
                    let path = folders.join(&hex[..2]).join(format!("{hex}.{generation}"));
                    fs::write(path, &bytes).expect("the disk has room");
                    written.push((of % REPOSITORIES, digest, content.len()));
                }
            }
            written
        };
        let mut written: Vec<(u64, Digest, u64)> = thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|thread| scope.spawn(move || share(thread))).collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("it wrote its share")).collect()
        });
        // In the order of the tables' keys, which takes a fraction of the time.
        written.sort_unstable_by_key(|(_, digest, _)| digest.hex());
        self.write_catalog(data, generation, &written, used);
    }

    fn write_catalog(
        &self,
        data: &Path,
        generation: UploadId,
        written: &[(u64, Digest, u64)],
        used: SystemTime,
    ) {
        let since = used.duration_since(UNIX_EPOCH).expect("it is after 1970");
        let now = i64::try_from(since.as_millis()).expect("it is before the end of time");
        let mut build = Rebuild::create(&data.join("catalog.sqlite"), now).expect("the folder is ours");
        let name = |number| Self::repository(number).parse().expect("it is the name of a repository");
        for number in 0..REPOSITORIES.min(self.garbage()) {
            let record = Record::Repository { name: name(number), origin: Origin::Local, private: false };
            build.apply(&record).expect("the catalog is ours");
        }
        for &(repository, digest, size) in written {
            build.add_file(&BlobFile { digest, generation, size }).expect("the catalog is ours");
            let record = Record::Link { repository: name(repository), digest, size };
            build.apply(&record).expect("the catalog is ours");
        }
        for image in 0..self.images {
            let blobs: Vec<(Digest, u64)> = (0..BLOBS)
                .map(|place| {
                    let content = Self::blob(image, place);
                    (content.digest(), content.len())
                })
                .collect();
            let bytes = image_manifest(&blobs);
            let digest = Digest::of(Algorithm::Sha256, &bytes);
            let push = ManifestPush {
                repository: name(image),
                origin: Origin::Local,
                private: false,
                digest,
                media_type: MANIFEST.to_owned(),
                bytes: bytes.into(),
                artifact_type: None,
                annotations: None,
                subject: None,
                blobs: blobs.into_iter().map(|(digest, _)| digest).collect(),
                require_blobs: false,
                manifests: Vec::new(),
                tags: Vec::new(),
                protected: Vec::new(),
                tagged: now,
                now,
            };
            build.store(&push).expect("the catalog is ours");
            let tag = Self::tag(image).parse().expect("it is a tag");
            let record = Record::Tag { repository: name(image), name: tag, digest, updated: now };
            build.apply(&record).expect("the catalog is ours");
        }
        let found = build.finish(false).expect("the disk has room");
        assert_eq!((found.blobs, found.lost, found.unlinked), (2 * self.garbage(), 0, 0));
    }

    /// Compares the data folder of a stopped server with the images of this content and the blobs that were `pushed`:
    /// the folder must have all of them and nothing else. Returns what differs.
    pub fn differences(&self, data: &Path, pushed: &[(String, Digest)]) -> Vec<String> {
        let images = (0..self.garbage()).map(|number| {
            let (image, place) = (number / BLOBS, number % BLOBS);
            (Self::repository(image), Self::blob(image, place).digest().to_string())
        });
        let pushed = pushed.iter().map(|(repository, digest)| (repository.clone(), digest.to_string()));
        let links: BTreeSet<(String, String)> = images.chain(pushed).collect();
        let digests: BTreeSet<String> = links.iter().map(|(_, digest)| digest.clone()).collect();
        let rows = Rows::of(data);
        let mut found = Vec::new();
        compare("a link", &links, &rows.links, &mut found);
        compare(
            "a blob",
            &digests,
            &rows.blobs.iter().map(|(digest, _)| digest.clone()).collect(),
            &mut found,
        );
        compare("a file", &rows.blobs, &files(&data.join("blobs/sha256")), &mut found);
        if rows.doomed > 0 {
            found.push(format!("{} removed blobs still wait for the removal of their files", rows.doomed));
        }
        if rows.dangling > 0 {
            found.push(format!("{} references of manifests lead to no blob", rows.dangling));
        }
        found
    }
}

/// The manifest of an image whose first blob is its config.
pub fn image_manifest(blobs: &[(Digest, u64)]) -> Vec<u8> {
    let (config, layers) = blobs.split_first().expect("an image has a config");
    manifest((&config.0, config.1), layers)
}

/// A time that is longer ago than the default of `collect.grace`, a day.
pub fn before_the_grace_period() -> SystemTime {
    SystemTime::now() - Duration::from_hours(48)
}

fn small(seed: u64) -> Content {
    Content::new(seed, 100 + seed % 400)
}

/// What the catalog says.
struct Rows {
    /// Repositories and digests.
    links: BTreeSet<(String, String)>,
    /// Digests and generations.
    blobs: BTreeSet<(String, String)>,
    doomed: i64,
    dangling: i64,
}

impl Rows {
    fn of(data: &Path) -> Self {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let catalog = Connection::open_with_flags(data.join("catalog.sqlite"), flags).expect("it is there");
        let pairs = |sql: &str| -> BTreeSet<(String, String)> {
            let mut statement = catalog.prepare(sql).expect("the tables are there");
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
            rows.expect("it is readable").collect::<Result<_, _>>().expect("it is readable")
        };
        let count = |sql: &str| -> i64 {
            catalog.query_row(sql, [], |row| row.get(0)).expect("the tables are there")
        };
        Self {
            links: pairs("SELECT r.name, l.digest FROM link l JOIN repository r ON r.id = l.repository"),
            blobs: pairs("SELECT digest, generation FROM blob"),
            doomed: count("SELECT count(*) FROM doomed"),
            dangling: count(
                "SELECT count(*) FROM reference f WHERE NOT EXISTS
                    (SELECT 1 FROM link l WHERE l.repository = f.repository AND l.digest = f.digest)",
            ),
        }
    }
}

/// The digests and generations of all files.
fn files(folders: &Path) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for folder in fs::read_dir(folders).expect("the folder is ours") {
        for file in fs::read_dir(folder.expect("it is readable").path()).expect("the folder is ours") {
            let name = file.expect("it is readable").file_name().to_string_lossy().into_owned();
            let (hex, generation) = name.split_once('.').unwrap_or((&name, ""));
            found.insert((format!("sha256:{hex}"), generation.to_owned()));
        }
    }
    found
}

fn compare<T: Ord + std::fmt::Debug>(
    what: &str,
    expected: &BTreeSet<T>,
    found: &BTreeSet<T>,
    differences: &mut Vec<String>,
) {
    for (said, mut which) in
        [("is gone", expected.difference(found)), ("is left", found.difference(expected))]
    {
        let named: Vec<String> =
            which.by_ref().take(NAMED).map(|one| format!("{what} {said}: {one:?}")).collect();
        differences.extend(named);
        match which.count() {
            0 => {}
            more => differences.push(format!("{what} {said}: {more} more")),
        }
    }
}
