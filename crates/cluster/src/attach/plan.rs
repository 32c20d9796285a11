//! What is to change in a node: pure, from what was found to what is written.

use std::collections::{BTreeMap, BTreeSet};

use super::survey::{Runtime, Survey};
use super::{Route, Wiring, refusal};
use crate::containerd::{CONFIG_PATH, Patch, Settings, Version, patch};
use crate::engine::File;
use crate::hosts::{Author, DEFAULT, HostsFile, Judgement, Root, directory_for, judge, written_by};
use crate::step::{Outcome, Report, Step, diff};

/// Where what stood in a file before hythe's is kept, beside it.
pub(super) const COPY: &str = ".before-hythe";

/// A file to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Write {
    pub(crate) file: File,
    pub(crate) before: Option<String>,
    /// Whether what was there is somebody else's, to be kept in a copy.
    pub(super) keep: bool,
}

/// What is to change in a node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// The `hosts.toml` files, in the order of their names.
    pub(crate) hosts: Vec<Write>,
    /// The configuration files of containerd, which is started anew after them.
    pub(crate) configs: Vec<Write>,
    /// Whether containerd is to be started anew although nothing changes: the command before was cut.
    pub(super) restart: bool,
    /// Folders of hythe's files for what it no longer answers for.
    pub(crate) obsolete: Vec<String>,
    /// What is left as it is although it is not as it should be, and why.
    pub(crate) left: Vec<String>,
    /// How many files are as they should be.
    pub(crate) same: usize,
    /// What goes through another registry of hythe's, by that one's name.
    others: BTreeMap<String, Vec<String>>,
}

/// Where files are written, and for what.
struct Place<'a> {
    listing: &'a Root,
    route: &'a Route<'a>,
    version: Version,
    /// The registries whose files nobody needs any more.
    gone: &'a BTreeSet<String>,
}

impl Place<'_> {
    /// Whether a file that hythe wrote is this registry's to change.
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
        let version = survey.version.ok_or("its containerd does not say which version it is")?;
        let mut plan = Self { restart: survey.restart_due, ..Self::default() };
        let root = match survey.runtime {
            Runtime::K3s => Survey::k3s_root().to_owned(),
            Runtime::Containerd | Runtime::Docker | Runtime::CriO | Runtime::None => {
                plan.configure(survey, version)?
            }
        };
        let empty = Root { path: root.clone(), directories: Vec::new() };
        let listing = survey.roots.get(&root).unwrap_or(&empty);
        let place = Place { listing, route, version, gone: &survey.gone };
        for host in &route.names {
            plan.host(host, &HostsFile::own(&route.endpoint), true, &place);
        }
        for upstream in route.upstreams {
            let file = HostsFile::mirror(upstream, &route.endpoint);
            plan.host(&upstream.to_string(), &file, route.force, &place);
        }
        plan.find_obsolete(&place);
        plan.tell_of_others();
        Ok(plan)
    }

    /// Says of each other registry once what goes through it.
    fn tell_of_others(&mut self) {
        for (registry, hosts) in std::mem::take(&mut self.others) {
            let more = match hosts.len().saturating_sub(2) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let hosts = hosts.iter().take(2).cloned().collect::<Vec<_>>().join(", ");
            self.left.push(format!(
                "{hosts}{more}: pulled through the registry {registry}, which is there; --force has them pulled through \
                 this one"
            ));
        }
    }

    /// Sees to it that `hosts.toml` files are read, and says where.
    fn configure(&mut self, survey: &Survey, version: Version) -> Result<String, String> {
        let governing: Vec<&File> = survey
            .configs
            .iter()
            .filter(|file| {
                Settings::parse(&file.content, version).is_ok_and(|settings| settings.governs(version))
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
                        self.left.push(format!("the credentials for {host} stay in {}", file.path));
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

    fn host(&mut self, host: &str, file: &HostsFile, replaces: bool, place: &Place<'_>) {
        let Place { listing, route, version, .. } = place;
        let directory = directory_for(host, listing);
        let path = format!("{}/{directory}/hosts.toml", listing.path);
        let wanted = file.render(Author::Hythe(route.registry));
        let found = listing.directories.iter().find(|found| found.name == directory);
        // What was moved here from containerd's configuration in this very plan is the owner's word.
        if self.hosts.iter().any(|write| write.file.path == path) && !replaces {
            self.left.push(format!("{host} stays as its owner set it; --force replaces that"));
            return;
        }
        self.hosts.retain(|write| write.file.path != path);
        let default = listing.directories.iter().find(|found| found.name == DEFAULT);
        let default = default.filter(|_| found.is_none() && !replaces).and_then(|default| default.text());
        if default.is_some_and(|text| written_by(text).is_none()) {
            self.left.push(format!(
                "{host} goes through somebody else's {}/{DEFAULT}/hosts.toml; --force has it go through hythe",
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
            Judgement::Differs { registry } if !replaces && !place.is_own(&registry) => {
                self.others.entry(registry).or_default().push(host.to_owned());
                return;
            }
            Judgement::Differs { .. } => false,
            // One without hosts names nobody but the upstream itself, as minikube's does.
            Judgement::Theirs(theirs) if !replaces && !theirs.hosts.is_empty() => {
                let hosts: Vec<&str> = theirs.hosts.iter().map(|host| host.url.as_str()).collect();
                self.left.push(format!(
                    "{host} is asked at {} by somebody else's {path}; --force replaces it, and keeps a copy",
                    hosts.join(", ")
                ));
                return;
            }
            Judgement::Theirs(_) | Judgement::Broken(_) => true,
        };
        self.hosts.push(Write { file: File { path, content: wanted }, before: Some(text.to_owned()), keep });
    }

    /// What hythe wrote for this registry under names that it has no more, and for registries that are gone.
    fn find_obsolete(&mut self, place: &Place<'_>) {
        let Place { listing, route, .. } = place;
        let upstreams: Vec<String> = route.upstreams.iter().map(ToString::to_string).collect();
        for directory in &listing.directories {
            let is_ours =
                directory.text().and_then(written_by).is_some_and(|registry| place.is_own(registry));
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

    /// Says what would be done.
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
            report(Step::new(subject, Outcome::Changed, "containerd would be started anew; Pods run on"));
        }
        for left in &self.left {
            report(Step::new(subject, Outcome::Skipped, left.clone()));
        }
    }
}

#[cfg(test)]
mod tests;
