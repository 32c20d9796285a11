//! The configuration while its layers are laid on each other.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use hythe_oci::Authority;

use super::Loaded;
use super::error::{ConfigError, Problem};
use super::field::Field;
use super::key::Key;
use super::keys::{KEYS, key};
use super::raw::Raw;
use super::source::Source;
use super::table::TableSources;
use super::upstreams::{Finding, Place, assemble, known_name};
use crate::settings::Settings;
use crate::values::{Listen, Storage};

/// The configuration while its layers are laid on each other.
pub(super) struct Draft {
    settings: Settings,
    provenance: Vec<(&'static Key, Source)>,
    tables: BTreeMap<Authority, TableSources>,
    /// The upstreams whose tables have a field that cannot be read: what follows from that is not worth a word.
    unread: BTreeSet<Authority>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
    has_data_folder: bool,
}

impl Draft {
    /// The lowest layer.
    pub(super) fn new(data: Option<PathBuf>) -> Self {
        let mut settings = Settings::default();
        let has_data_folder = data.is_some();
        if let Some(data) = data {
            settings.data = data;
        }
        Self {
            settings,
            provenance: KEYS.iter().map(|key| (key, Source::Default)).collect(),
            tables: BTreeMap::new(),
            unread: BTreeSet::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
            has_data_folder,
        }
    }

    /// Lays one value on what is there.
    pub(super) fn set(&mut self, key: &'static Key, raw: &Raw, source: &Source) {
        match key.kind.read(&mut self.settings, raw) {
            Ok(()) => {
                if let Some((_, kept)) = self.provenance.iter_mut().find(|(known, _)| known.name == key.name)
                {
                    *kept = source.clone();
                }
            }
            Err(error) => {
                let text = format!("`{}` cannot be {}: {error}", key.name, raw.show());
                self.problems.push(Problem::new(source.place(), text));
            }
        }
    }

    /// Begins what is said about an upstream, and tells whether nothing was yet.
    pub(super) fn begin_table(&mut self, upstream: &Authority, source: Source) -> bool {
        self.settings.upstream.tables.entry(upstream.clone()).or_default();
        match self.tables.entry(upstream.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(TableSources::new(source));
                true
            }
            Entry::Occupied(_) => false,
        }
    }

    /// Lays one field of an upstream's table on what is there.
    pub(super) fn set_field(
        &mut self,
        upstream: &Authority,
        field: &'static Field,
        raw: &Raw,
        source: &Source,
    ) {
        self.begin_table(upstream, source.clone());
        let table = self.settings.upstream.tables.entry(upstream.clone()).or_default();
        match field.read(table, raw) {
            Ok(()) => {
                if let Some(sources) = self.tables.get_mut(upstream) {
                    sources.set(field, source.clone());
                }
            }
            Err(error) => {
                let shown = if field.secret { "this".to_owned() } else { raw.show() };
                let text = format!("`{}` cannot be {shown}: {error}", field.of(upstream));
                self.unread.insert(upstream.clone());
                self.problems.push(Problem::new(source.place(), text));
            }
        }
    }

    /// Where a `registry:2` file is silent, its deployment relies on what `registry:2` does.
    pub(super) fn registry2_defaults(&mut self, path: &Path) {
        if let Some(key) = key("delete.enabled") {
            self.set(key, &Raw::Boolean(false), &Source::Registry2Default { path: path.to_owned() });
        }
    }

    /// Notes what makes the configuration unusable.
    pub(super) fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Notes what has no effect, or needs to be known.
    pub(super) fn warning(&mut self, warning: Problem) {
        self.warnings.push(warning);
    }

    fn source(&self, name: &str) -> Source {
        let found = self.provenance.iter().find(|(key, _)| key.name == name);
        found.map_or(Source::Default, |(_, source)| source.clone())
    }

    /// Checks what only the whole can tell, and gives it out.
    pub(super) fn finish(mut self, file: Option<PathBuf>) -> Result<Loaded, ConfigError> {
        self.check_exposure();
        self.check_addresses();
        self.check_upstreams();
        let needs_folder = self.settings.storage == Storage::Fs && self.source("data") == Source::Default;
        if needs_folder && !self.has_data_folder {
            let text =
                "there is no home folder to keep the data in: say where with --data FOLDER or HYTHE_DATA";
            self.problems.push(Problem::new("data", text));
        }
        if !self.problems.is_empty() {
            return Err(ConfigError { problems: self.problems });
        }
        Ok(Loaded {
            settings: self.settings,
            provenance: self.provenance,
            tables: self.tables,
            warnings: self.warnings,
            file,
        })
    }

    fn check_exposure(&mut self) {
        let mirrors = self.settings.upstream.mirror.iter().map(|mirror| mirror.listen);
        // Asked for by name: what a `registry:2` file opens for itself is not meant for a mirror.
        let asked = self.settings.http.allow_anonymous_network;
        if let Some(exposed) = mirrors.into_iter().find(|listen| !listen.is_loopback() && !asked) {
            self.refuse_exposure("upstream.mirror", exposed, "pull all that its upstream lets hythe have");
        }
        let listen = self.settings.listen.iter().find(|listen| !listen.is_loopback()).copied();
        let Some(exposed) = listen else { return };
        let source = self.source("listen");
        // Only where the address itself is `registry:2`'s: its file must not open what another layer adds.
        if source.is_registry2() && self.source("http.allow-anonymous-network") == Source::Default {
            self.settings.http.allow_anonymous_network = true;
            for (key, kept) in &mut self.provenance {
                if key.name == "http.allow-anonymous-network" {
                    *kept = source.clone();
                }
            }
            self.warnings.push(Problem::new(
                source.place(),
                format!("{exposed} is open to the network, as registry:2 has it: who reaches it can push without authentication. Set HYTHE_LISTEN=127.0.0.1:{} to keep it on this machine", exposed.port()),
            ));
        }
        if !self.settings.http.allow_anonymous_network {
            self.refuse_exposure("listen", exposed, "push and delete");
        }
    }

    fn refuse_exposure(&mut self, key: &str, exposed: Listen, could: &str) {
        let text = format!(
            "{exposed} is open to the network, and nobody has to authenticate: who reaches it could {could}. \
             Listen on 127.0.0.1:{} instead, or, if that is what you want, ask for it with --allow-anonymous-network \
             (http.allow-anonymous-network = true, HYTHE_HTTP_ALLOW_ANONYMOUS_NETWORK=true)",
            exposed.port()
        );
        self.problems.push(Problem::new(self.source(key).place(), text));
    }

    /// The system would only say that the port is taken, not by whom.
    fn check_addresses(&mut self) {
        let mut taken = self.settings.listen.clone();
        let mirrors: Vec<Listen> = self.settings.upstream.mirror.iter().map(|mirror| mirror.listen).collect();
        for listen in mirrors {
            if listen.port() != 0 && taken.contains(&listen) {
                let text = format!("{listen} is listened on already: a mirror needs an address of its own");
                self.problems.push(Problem::new(self.source("upstream.mirror").place(), text));
            }
            taken.push(listen);
        }
    }

    fn check_upstreams(&mut self) {
        let assembled = assemble(&self.settings.upstream);
        let placed = |findings: Vec<Finding>| -> Vec<Problem> {
            findings.into_iter().filter_map(|finding| self.placed(finding)).collect()
        };
        let (problems, warnings) = (placed(assembled.problems), placed(assembled.warnings));
        self.problems.extend(problems);
        self.warnings.extend(warnings);
        self.check_endpoints();
    }

    /// A higher layer may name other endpoints; one file that names them twice contradicts itself.
    fn check_endpoints(&mut self) {
        let added = self.source("upstream.add");
        if !matches!(added, Source::File { .. }) {
            return;
        }
        for addition in self.settings.upstream.add.iter().filter(|addition| !addition.endpoints.is_empty()) {
            let name = known_name(addition.name.clone());
            let table = self.settings.upstream.tables.get(&name);
            if let Some(sources) = self.tables.get(&name)
                && table.is_some_and(|table| !table.endpoints.is_empty())
            {
                let text =
                    format!("`upstream.add` ({added}) names endpoints of `{name}` too: keep one of them");
                self.problems.push(Problem::new(sources.source("endpoints").place(), text));
            }
        }
    }

    /// None where the table cannot be read anyway: that was said.
    fn placed(&self, finding: Finding) -> Option<Problem> {
        let of_table = |upstream: &Authority, field: &str| match self.tables.get(upstream) {
            Some(_) if self.unread.contains(upstream) => None,
            Some(sources) => Some(sources.source(field).clone()),
            None => Some(self.source("upstream.add")),
        };
        let source = match &finding.place {
            Place::Key(name) => self.source(name),
            Place::Table(upstream) => of_table(upstream, "")?,
            Place::Field(upstream, field) => of_table(upstream, field)?,
        };
        Some(Problem::new(source.place(), finding.text))
    }
}
