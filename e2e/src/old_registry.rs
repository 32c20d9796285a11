//! An image of registry:2 with its command line, configuration, port and volume, made from Debian's docker-registry.

use std::fs;
use std::path::Path;

use crate::binary::tool;
use crate::command::{attempt, program, run};
use crate::engine::Engine;
use crate::node_image::pipe;

/// The image's name, as users write it.
pub const IMAGE: &str = "registry:2.8";

/// The default configuration in the image.
const CONFIGURATION: &str = "\
version: 0.1
log:
  fields:
    service: registry
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: /var/lib/registry
http:
  addr: :5000
  headers:
    X-Content-Type-Options: [nosniff]
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
";

/// The image's other settings, as arguments of `import --change`.
const CHANGES: [&str; 4] = [
    "ENTRYPOINT [\"/bin/registry\"]",
    "CMD [\"serve\", \"/etc/docker/registry/config.yml\"]",
    "VOLUME /var/lib/registry",
    "EXPOSE 5000",
];

/// Loads the image into the engine.
pub fn load(engine: &Engine) {
    if attempt(&mut engine.call(&["image", "inspect", IMAGE])).code == Some(0) {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let registry = tool("docker-registry");
    let put = |from: &Path, to: &str| {
        let to = folder.path().join(to.trim_start_matches('/'));
        fs::create_dir_all(to.parent().expect("a file's path")).expect("the folder is ours");
        fs::copy(from, &to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    };
    put(&registry, "/bin/registry");
    for library in libraries(&run(&mut program(tool("ldd"), [&registry]))) {
        put(Path::new(library), library);
    }
    let file = folder.path().join("etc/docker/registry/config.yml");
    fs::create_dir_all(file.parent().expect("a file's path")).expect("the folder is ours");
    fs::write(file, CONFIGURATION).expect("the folder is ours");
    let pack = ["-C", &folder.path().display().to_string(), "-c", "."].map(str::to_owned);
    let mut import = engine.call(&["import"]);
    for change in CHANGES {
        import.args(["--change", change]);
    }
    import.args(["-", IMAGE]);
    pipe(program(tool("tar"), pack), import);
}

/// The paths of the files in `ldd`'s output: `NAME => PATH (ADDRESS)` or `PATH (ADDRESS)`.
fn libraries(printed: &str) -> impl Iterator<Item = &str> {
    let words = printed.lines().flat_map(str::split_whitespace);
    words.filter(|word| word.starts_with('/'))
}
