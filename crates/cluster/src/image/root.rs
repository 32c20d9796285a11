//! The image's root file system: the binary, certificate authorities, the folders of data, no shell.

use std::collections::BTreeSet;
use std::io;

use tar::{Builder, EntryType, Header};

use super::USER;
use super::binary::Binary;

/// The path of `registry:2`'s configuration file.
pub(super) const CONFIGURATION: &str = "/etc/docker/registry/config.yml";

/// The default configuration of `registry:2`.
const DEFAULT_CONFIGURATION: &str = "\
version: 0.1
storage:
  filesystem:
    rootdirectory: /var/lib/registry
  delete:
    enabled: true
http:
  addr: :5000
";

const USERS: &str = "root:x:0:0:root:/:/bin/hythe\nhythe:x:1000:1000:hythe:/var/lib/registry:/bin/hythe\n";
const GROUPS: &str = "root:x:0:\nhythe:x:1000:\n";

/// The files in which distributions keep the certificate authorities that they trust.
const AUTHORITIES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The image's only layer.
pub(super) fn layer(binary: &Binary) -> io::Result<Vec<u8>> {
    let mut layer = Layer { archive: Builder::new(Vec::new()), folders: BTreeSet::new() };
    layer.file("bin/hythe", 0o755, &binary.content)?;
    layer.link("bin/registry", "hythe")?;
    for (path, content) in &binary.libraries {
        layer.file(path.trim_start_matches('/'), 0o755, content)?;
    }
    layer.file("etc/passwd", 0o644, USERS.as_bytes())?;
    layer.file("etc/group", 0o644, GROUPS.as_bytes())?;
    // These are this machine's authorities, so that the container trusts a company's own authority too.
    if let Some(authorities) = AUTHORITIES.iter().find_map(|path| std::fs::read(path).ok()) {
        layer.file("etc/ssl/certs/ca-certificates.crt", 0o644, &authorities)?;
    }
    for path in [CONFIGURATION, "/etc/distribution/config.yml"] {
        layer.file(path.trim_start_matches('/'), 0o644, DEFAULT_CONFIGURATION.as_bytes())?;
    }
    layer.folder("tmp", 0o1777, 0)?;
    layer.folder("run", 0o755, 0)?;
    // A new volume gets the owner of the image's folder.
    layer.folder("var/lib/registry", 0o755, USER)?;
    layer.folder("data", 0o755, USER)?;
    layer.archive.into_inner()
}

/// An archive of files.
pub(super) fn archive(files: &[(&str, &[u8])]) -> io::Result<Vec<u8>> {
    let mut layer = Layer { archive: Builder::new(Vec::new()), folders: BTreeSet::new() };
    for (path, content) in files {
        layer.file(path, 0o644, content)?;
    }
    layer.archive.into_inner()
}

struct Layer {
    archive: Builder<Vec<u8>>,
    folders: BTreeSet<String>,
}

impl Layer {
    fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        self.parents(path)?;
        let mut header = header(EntryType::Regular, mode, 0);
        header.set_size(content.len() as u64);
        self.archive.append_data(&mut header, path, content)
    }

    fn link(&mut self, path: &str, target: &str) -> io::Result<()> {
        self.parents(path)?;
        let mut header = header(EntryType::Symlink, 0o777, 0);
        header.set_size(0);
        self.archive.append_link(&mut header, path, target)
    }

    fn folder(&mut self, path: &str, mode: u32, owner: u64) -> io::Result<()> {
        self.parents(path)?;
        self.folders.insert(path.to_owned());
        let mut header = header(EntryType::Directory, mode, owner);
        header.set_size(0);
        self.archive.append_data(&mut header, format!("{path}/"), io::empty())
    }

    fn parents(&mut self, path: &str) -> io::Result<()> {
        let Some((parent, _)) = path.rsplit_once('/') else { return Ok(()) };
        if self.folders.contains(parent) {
            return Ok(());
        }
        self.folder(parent, 0o755, 0)
    }
}

/// The header of an entry. Its time is always zero, so that the same content makes the same image.
fn header(kind: EntryType, mode: u32, owner: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(owner);
    header.set_gid(owner);
    header.set_mtime(0);
    header
}
