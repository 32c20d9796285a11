//! Judging an existing `hosts.toml`: who wrote it, and whether it is up to date.

use super::{Fault, HostsFile, written_by};
use crate::containerd_version::Version;

/// How an existing `hosts.toml` relates to the one that hythe would write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// hythe wrote it, exactly as it would write it now.
    Same,
    /// hythe wrote it, for the registry named here, but not as it would write it now.
    Differs {
        /// The registry's name in the file's first line.
        registry: String,
    },
    /// hythe did not write it; its content.
    Theirs(HostsFile),
    /// hythe did not write it, and containerd rejects it.
    Broken(Fault),
}

/// Judges the file `text` as a containerd of this version reads it. `wanted` is the text that hythe would write.
pub fn judge(text: &str, wanted: &str, version: Version) -> Judgement {
    if text == wanted {
        return Judgement::Same;
    }
    if let Some(registry) = written_by(text) {
        return Judgement::Differs { registry: registry.to_owned() };
    }
    match HostsFile::parse(text, version) {
        Ok(file) => Judgement::Theirs(file),
        Err(fault) => Judgement::Broken(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Author, Endpoint, Host};
    use super::*;

    #[test]
    fn a_file_is_ours_theirs_or_broken() {
        let version = Version::new(1, 6, 20);
        let endpoint: Endpoint = "http://hythe:5000".parse().unwrap();
        let wanted = HostsFile::own(&endpoint).render(Author::Hythe("hythe"));
        let other = HostsFile::own(&endpoint).render(Author::Hythe("other"));
        let kind = "[host.\"http://kind-registry:5000\"]\n";
        let differs = |registry: &str| Judgement::Differs { registry: registry.to_owned() };
        let table = [
            (wanted.clone(), Judgement::Same),
            (format!("{wanted}# a word of the owner's\n"), differs("hythe")),
            (format!("{wanted}["), differs("hythe")),
            (other, differs("other")),
            (
                kind.to_owned(),
                Judgement::Theirs(HostsFile {
                    hosts: vec![Host::at("http://kind-registry:5000")],
                    server: Host::default(),
                }),
            ),
            ("server = \"http://hythe:5000\"\n".to_owned(), Judgement::Broken(Fault::NoHostTable(version))),
            (HostsFile::own(&endpoint).render(Author::Owner), Judgement::Theirs(HostsFile::own(&endpoint))),
        ];
        for (text, expected) in table {
            assert_eq!(judge(&text, &wanted, version), expected, "{text}");
        }
    }
}
