//! The plan of changes to a node: a pure function from the survey of the node to the files to write.

use std::collections::{BTreeMap, BTreeSet};

use super::survey::Survey;
use super::{Route, Wiring, refusal};
use crate::containerd::{CONFIG_PATH, ContainerdConfig, Patch, Version, patch};
use crate::hosts::{Author, DEFAULT, HostsFile, Judgement, Root, directory_for, judge, written_by};
use crate::runtime::Runtime;
use crate::step::{Outcome, Report, Step, diff};
use hythe_engine::File;

/// The suffix of the copy, beside the file, of a file that hythe replaced.
pub(super) const COPY: &str = ".before-hythe";

/// A file to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Write {
    pub(crate) file: File,
    pub(crate) before: Option<String>,
    /// Whether the previous content is not hythe's and has to be kept in a copy.
    pub(super) keep: bool,
}

/// The changes to a node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// The `hosts.toml` files, in the order of their names.
    pub(crate) hosts: Vec<Write>,
    /// containerd's configuration files. containerd is restarted after a change of them.
    pub(crate) configs: Vec<Write>,
    /// Whether to restart containerd although nothing changes, because an earlier command was interrupted.
    pub(super) restart: bool,
    /// Folders of hythe's files for names that no longer belong to the registry, and for upstreams that it no longer
    /// serves.
    pub(crate) obsolete: Vec<String>,
    /// What stays unchanged although it should change, with the reason.
    pub(crate) left: Vec<String>,
    /// The number of files that are up to date.
    pub(crate) same: usize,
    /// Upstreams that are pulled through another registry of hythe's, by that registry's name.
    others: BTreeMap<String, Vec<String>>,
}

/// Where files are written, and what for.
struct Destination<'a> {
    listing: &'a Root,
    route: &'a Route<'a>,
    version: Version,
    /// The registries that no longer exist, so that their files are obsolete.
    gone: &'a BTreeSet<String>,
}

impl Destination<'_> {
    /// Whether this registry may change a file that hythe wrote for `registry`.
    fn is_own(&self, registry: &str) -> bool {
        registry == self.route.registry || self.gone.contains(registry)
    }
}

impl Plan {
    pub(crate) fn of(survey: &Survey, wiring: &Wiring, endpoint: &str) -> Result<Self, String> {
        Self::for_route(survey, &wiring.route(endpoint)?)
    }

    pub(super) fn for_route(survey: &Survey, route: &Route<'_>) -> Result<Self, String> {
        if let Some(refusal) = refusal(survey.runtime) {
            return Err(refusal.to_owned());
        }
        let version = survey.version.ok_or("cannot read the version of its containerd")?;
        let mut plan = Self { restart: survey.restart_due, ..Self::default() };
        let root = match survey.runtime {
            Runtime::K3s => Survey::k3s_root().to_owned(),
            Runtime::Containerd | Runtime::Docker | Runtime::CriO | Runtime::None => {
                plan.configure(survey, version)?
            }
        };
        let empty = Root { path: root.clone(), directories: Vec::new() };
        let listing = survey.roots.get(&root).unwrap_or(&empty);
        let destination = Destination { listing, route, version, gone: &survey.gone };
        for host in &route.names {
            plan.host(host, &HostsFile::own(&route.endpoint), true, &destination);
        }
        for upstream in route.upstreams {
            let file = HostsFile::mirror(upstream, &route.endpoint);
            plan.host(&upstream.to_string(), &file, route.force, &destination);
        }
        plan.find_obsolete(&destination);
        plan.tell_of_others();
        Ok(plan)
    }

    /// Reports, in one line for each other registry, what is pulled through it.
    fn tell_of_others(&mut self) {
        for (registry, hosts) in std::mem::take(&mut self.others) {
            let more = match hosts.len().saturating_sub(2) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let hosts = hosts.iter().take(2).cloned().collect::<Vec<_>>().join(", ");
            self.left.push(format!(
                "{hosts}{more}: pulled through the registry {registry}, which still exists; use --force to pull them \
                 through this one"
            ));
        }
    }

    /// Plans the change to containerd's configuration after which it reads `hosts.toml` files. Returns the root in
    /// which it reads them.
    fn configure(&mut self, survey: &Survey, version: Version) -> Result<String, String> {
        let governing: Vec<&File> = survey
            .configs
            .iter()
            .filter(|file| {
                ContainerdConfig::parse(&file.content, version)
                    .is_ok_and(|settings| settings.governs(version))
            })
            .collect();
        let files = if governing.is_empty() { survey.configs.iter().take(1).collect() } else { governing };
        let mut root = CONFIG_PATH.to_owned();
        for file in files {
            match patch(&file.content, version).map_err(|error| format!("{}: {error}", file.path))? {
                Patch::NothingToDo { roots } => {
                    root = roots.into_iter().next().unwrap_or_else(|| CONFIG_PATH.to_owned());
                }
                Patch::Change { text, root: wanted, moved, credentials } => {
                    for moved in moved {
                        let listing = survey.roots.get(&wanted);
                        let taken = listing.is_some_and(|root| {
                            root.directories
                                .iter()
                                .any(|found| found.name == moved.host && found.text().is_some())
                        });
                        if !taken {
                            let path = format!("{wanted}/{}/hosts.toml", moved.host);
                            let content = moved.file.render(Author::Owner);
                            self.hosts.push(Write {
                                file: File { path, content },
                                before: None,
                                keep: false,
                            });
                        }
                    }
                    for host in credentials {
                        let path = &file.path;
                        self.left.push(format!(
                            "the credentials for {host} stay in {path}, where they still work"
                        ));
                    }
                    self.configs.push(Write {
                        file: File { path: file.path.clone(), content: text },
                        before: Some(file.content.clone()).filter(|content| !content.is_empty()),
                        keep: true,
                    });
                    root = wanted;
                }
            }
        }
        Ok(root)
    }

    fn host(&mut self, host: &str, file: &HostsFile, replaces: bool, destination: &Destination<'_>) {
        let Destination { listing, route, version, .. } = destination;
        let directory = directory_for(host, listing);
        let path = format!("{}/{directory}/hosts.toml", listing.path);
        let wanted = file.render(Author::Hythe(route.registry));
        let found = listing.directories.iter().find(|found| found.name == directory);
        // This plan moves a setting of the cluster's owner from containerd's configuration to this file: the owner's
        // setting wins.
        if self.hosts.iter().any(|write| write.file.path == path) && !replaces {
            self.left.push(format!(
                "{host} keeps the mirror from containerd's configuration; --force replaces it"
            ));
            return;
        }
        self.hosts.retain(|write| write.file.path != path);
        let default = listing.directories.iter().find(|found| found.name == DEFAULT);
        let default = default.filter(|_| found.is_none() && !replaces).and_then(|default| default.text());
        if default.is_some_and(|text| written_by(text).is_none()) {
            self.left.push(format!(
                "{host} is pulled as {}/{DEFAULT}/hosts.toml says, which hythe did not write; use --force to pull it \
                 through hythe",
                listing.path
            ));
            return;
        }
        let Some(text) = found.and_then(|found| found.text()) else {
            self.hosts.push(Write { file: File { path, content: wanted }, before: None, keep: false });
            return;
        };
        let keep = match judge(text, &wanted, *version) {
            Judgement::Same => {
                self.same += 1;
                return;
            }
            Judgement::Differs { registry } if !replaces && !destination.is_own(&registry) => {
                self.others.entry(registry).or_default().push(host.to_owned());
                return;
            }
            Judgement::Differs { .. } => false,
            // A file without hosts names only the upstream itself, as minikube's does: it is no mirror to respect.
            Judgement::Theirs(theirs) if !replaces && !theirs.hosts.is_empty() => {
                let hosts: Vec<&str> = theirs.hosts.iter().map(|host| host.url.as_str()).collect();
                self.left.push(format!(
                    "{host} is pulled from {} as {path} says, which hythe did not write; --force replaces the file and \
                     keeps a copy",
                    hosts.join(", ")
                ));
                return;
            }
            Judgement::Theirs(_) | Judgement::Broken(_) => true,
        };
        self.hosts.push(Write { file: File { path, content: wanted }, before: Some(text.to_owned()), keep });
    }

    /// Finds files that hythe wrote for this registry's former names, and for registries that no longer exist.
    fn find_obsolete(&mut self, destination: &Destination<'_>) {
        let Destination { listing, route, .. } = destination;
        let upstreams: Vec<String> = route.upstreams.iter().map(ToString::to_string).collect();
        for directory in &listing.directories {
            let is_ours =
                directory.text().and_then(written_by).is_some_and(|registry| destination.is_own(registry));
            let is_wanted = route
                .names
                .iter()
                .chain(&upstreams)
                .any(|host| directory_for(host, listing) == directory.name);
            if is_ours && !is_wanted {
                self.obsolete.push(format!("{}/{}", listing.path, directory.name));
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.hosts.is_empty() && self.configs.is_empty() && self.obsolete.is_empty() && !self.restart
    }

    /// Reports what would be done.
    pub(super) fn tell(&self, subject: &str, report: Report<'_>) {
        if self.is_empty() {
            report(Step::new(subject, Outcome::Unchanged, "nothing would change"));
        }
        for write in self.hosts.iter().chain(&self.configs) {
            let path = &write.file.path;
            let diff = diff(path, write.before.as_deref(), &write.file.content);
            let text = if write.keep && write.before.is_some() {
                format!("{path} would be changed, with a copy in {path}{COPY}")
            } else {
                format!("{path} would be written")
            };
            let step = Step::new(subject, Outcome::Changed, text);
            report(Step { diff: Some(diff), ..step });
        }
        for path in &self.obsolete {
            report(Step::new(subject, Outcome::Changed, format!("{path} would be removed")));
        }
        if !self.configs.is_empty() || self.restart {
            report(Step::new(subject, Outcome::Changed, "containerd would be restarted; Pods keep running"));
        }
        for left in &self.left {
            report(Step::new(subject, Outcome::Skipped, left.clone()));
        }
    }
}

#[cfg(test)]
mod tests;
