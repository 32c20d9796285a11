//! The directories of `hosts.toml` files, and which of them containerd uses for a registry.

/// The directory for every registry without a directory of its own.
pub const DEFAULT: &str = "_default";

/// A root that `config_path` names, with its directories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// The root's path.
    pub path: String,
    /// The directories in the root.
    pub directories: Vec<Directory>,
}

/// A directory of a root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    /// The directory's name.
    pub name: String,
    /// The text of its `hosts.toml`, if it has one.
    pub hosts_toml: Option<String>,
}

/// The directory that containerd finds for a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// The root of the directory.
    pub root: &'a Root,
    /// The directory that containerd uses.
    pub directory: &'a Directory,
    /// A directory that the used one hides. It has a `hosts.toml`, but containerd never asks the mirror in it, because
    /// the used directory comes first, with an absent or empty `hosts.toml`.
    pub hidden: Option<(&'a Root, &'a Directory)>,
}

impl Directory {
    /// The text that containerd reads. An empty file counts as absent.
    pub fn text(&self) -> Option<&str> {
        self.hosts_toml.as_deref().filter(|text| !text.is_empty())
    }
}

/// The names under which containerd looks for a registry's directory, in order.
pub fn directory_names(host: &str) -> Vec<String> {
    let underscored = match host.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() => Some(format!("{name}_{port}_")),
        _ => None,
    };
    underscored.into_iter().chain([host.to_owned(), DEFAULT.to_owned()]).collect()
}

/// The directory to write a registry's `hosts.toml` into: the directory that containerd uses, if it is the registry's
/// own, otherwise `HOST:PORT`.
pub fn directory_for(host: &str, root: &Root) -> String {
    let own = directory_names(host).into_iter().filter(|name| name != DEFAULT);
    own.into_iter().find(|name| root.get(name).is_some()).unwrap_or_else(|| host.to_owned())
}

/// The directory that containerd finds for a registry in these roots, in `config_path`'s order. Roots go before names:
/// `_default` in the first root wins over the registry's own directory in the second.
pub fn lookup<'a>(host: &str, roots: &'a [Root]) -> Option<Found<'a>> {
    let names = directory_names(host);
    let mut candidates =
        roots.iter().flat_map(|root| names.iter().filter_map(move |name| Some((root, root.get(name)?))));
    let (root, directory) = candidates.next()?;
    let hidden = match directory.text() {
        Some(_) => None,
        None => candidates.find(|(_, directory)| directory.text().is_some()),
    };
    Some(Found { root, directory, hidden })
}

impl Root {
    fn get(&self, name: &str) -> Option<&Directory> {
        self.directories.iter().find(|directory| directory.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `NAME` has a hosts.toml, `NAME-` has an empty one, `NAME.` has none (only certificates, or nothing).
    fn root(path: &str, directories: &[&str]) -> Root {
        let directories = directories.iter().map(|name| {
            let (name, hosts_toml) = match (name.strip_suffix('-'), name.strip_suffix('.')) {
                (Some(name), _) => (name, Some(String::new())),
                (_, Some(name)) => (name, None),
                _ => (*name, Some(format!("server = \"https://{name}\""))),
            };
            Directory { name: name.to_owned(), hosts_toml }
        });
        Root { path: path.to_owned(), directories: directories.collect() }
    }

    #[test]
    fn a_port_is_looked_for_between_underscores_first() {
        let table = [
            ("localhost:5001", vec!["localhost_5001_", "localhost:5001", "_default"]),
            ("ghcr.io", vec!["ghcr.io", "_default"]),
            ("[::1]:5001", vec!["[::1]_5001_", "[::1]:5001", "_default"]),
        ];
        for (host, names) in table {
            assert_eq!(directory_names(host), names);
        }
    }

    #[test]
    fn the_first_existing_directory_wins_even_if_it_is_empty() {
        let at = "localhost:5001";
        let table = [
            (vec![], None),
            (vec![("/a", vec![at])], Some(("/a", at, None))),
            (vec![("/a", vec![at, "localhost_5001_"])], Some(("/a", "localhost_5001_", None))),
            (vec![("/a", vec!["localhost__5001", "_default"])], Some(("/a", "_default", None))),
            (vec![("/a", vec!["_default", "localhost:5001."])], Some(("/a", at, Some(("/a", "_default"))))),
            (vec![("/a", vec!["_default", "localhost:5001-"])], Some(("/a", at, Some(("/a", "_default"))))),
            (vec![("/a", vec!["_default"]), ("/b", vec![at])], Some(("/a", "_default", None))),
            (vec![("/a", vec!["ghcr.io"]), ("/b", vec![at])], Some(("/b", at, None))),
            (vec![("/a", vec!["_default."]), ("/b", vec![at])], Some(("/a", "_default", Some(("/b", at))))),
        ];
        for (listing, expected) in table {
            let roots: Vec<_> = listing.iter().map(|(path, names)| root(path, names)).collect();
            let name =
                |(root, directory): (&'_ Root, &'_ Directory)| (root.path.clone(), directory.name.clone());
            let found =
                lookup(at, &roots).map(|found| (name((found.root, found.directory)), found.hidden.map(name)));
            let expected = expected.map(|(root, directory, hidden): (&str, &str, Option<(&str, &str)>)| {
                let own = |(root, directory): (&str, &str)| (root.to_owned(), directory.to_owned());
                (own((root, directory)), hidden.map(own))
            });
            assert_eq!(found, expected, "{listing:?}");
        }
    }

    #[test]
    fn a_file_is_written_into_the_directory_that_containerd_reads() {
        let table = [
            (vec![], "localhost:5001"),
            (vec!["_default"], "localhost:5001"),
            (vec!["localhost:5001."], "localhost:5001"),
            (vec!["localhost:5001", "localhost_5001_."], "localhost_5001_"),
        ];
        for (names, expected) in table {
            assert_eq!(directory_for("localhost:5001", &root("/a", &names)), expected, "{names:?}");
        }
    }
}
