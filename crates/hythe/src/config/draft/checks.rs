//! Checks of the combined configuration, after all layers are read.

use std::path::{Path, PathBuf};

use hythe_oci::Authority;
use hythe_server::ClientAuth;
use hythe_upstream::Share;

use super::Draft;
use crate::config::error::Problem;
use crate::config::source::ValueSource;
use crate::config::upstreams::{Finding, FindingPlace, assemble, login_field};
use crate::tables::{RetainTable, RuleTable, UpstreamTable, known_name};
use crate::values::{BackupPlace, Listen, Scheme, Storage};

impl Draft {
    pub(super) fn check(&mut self) {
        self.check_exposure();
        self.check_addresses();
        self.check_tls();
        self.check_upstreams();
        self.check_endpoints();
        self.check_unshared_logins();
        self.check_logins();
        self.check_rules();
        self.check_access();
        self.check_backups();
    }

    /// Refuses rules about access that would allow nothing: a user would look for the mistake elsewhere.
    fn check_access(&mut self) {
        for (name, table) in self.settings.auth.rules.iter() {
            if let Some(missing) = table.missing().filter(|_| !self.tables.is_invalid::<RuleTable>(name)) {
                let place = self.tables.table::<RuleTable>(name).map(ValueSource::place);
                let text = format!("the rule has no `{missing}`, so it would allow nothing: add them");
                self.problems.push(Problem::new(place.unwrap_or_default(), text));
            }
        }
    }

    /// Refuses backups in the data folder: they would be lost together with it.
    fn check_backups(&mut self) {
        let Some(BackupPlace::Folder(folder)) = &self.settings.backup.destination else { return };
        if self.settings.storage == Storage::Fs && real(folder).starts_with(real(&self.settings.data)) {
            let text = format!(
                "{} is in the data folder {}: backups there would be lost with it. Name a folder on another disk, or s3://BUCKET/PREFIX",
                folder.display(),
                self.settings.data.display()
            );
            self.problems.push(Problem::new(self.source("backup.destination").place(), text));
        }
    }

    /// Warns about retention rules without effect.
    fn check_rules(&mut self) {
        for (images, table) in self.settings.retain.tables.iter() {
            let rule = table.rule(images);
            let place = |field| self.tables.source::<RetainTable>(images, field).map(ValueSource::place);
            let text = if !rule.deletes() && rule.protect.is_empty() {
                ("", "this rule has no key, so it has no effect")
            } else if images.tag().is_some() && rule.untagged_after.is_some() {
                (
                    "untagged-after",
                    "`untagged-after` has no effect in a rule for tags: write it in a rule for whole repositories",
                )
            } else if !self.settings.delete.enabled && rule.deletes() {
                ("", "this rule deletes nothing, because deletes are turned off (delete.enabled = false)")
            } else {
                continue;
            };
            self.warnings.push(Problem::new(place(text.0).unwrap_or_default(), text.1));
        }
    }

    fn check_exposure(&mut self) {
        if self.settings.auth.is_on() {
            return;
        }
        let mirrors = self.settings.upstream.mirror.iter().map(|mirror| mirror.listen);
        // Read before the default for a `registry:2` file below: that file opens its own address, but no mirror.
        let asked = self.settings.http.allow_anonymous_network;
        if let Some(exposed) = mirrors.into_iter().find(|listen| self.settings.is_open(listen) && !asked) {
            self.refuse_exposure(
                "upstream.mirror",
                exposed,
                "pull everything that its upstream gives to hythe",
            );
        }
        let listen = self.settings.listen.iter().find(|listen| self.settings.is_open(listen)).copied();
        let Some(exposed) = listen else { return };
        let source = self.source("listen");
        // Only if the address itself comes from `registry:2`: its file must not open an address of another layer.
        if source.is_registry2() && self.source("http.allow-anonymous-network") == ValueSource::Default {
            self.settings.http.allow_anonymous_network = true;
            for (key, kept) in &mut self.provenance {
                if key.name == "http.allow-anonymous-network" {
                    *kept = source.clone();
                }
            }
            self.warnings.push(Problem::new(
                source.place(),
                format!("{exposed} is open to the network, as in registry:2: anyone who can reach it can push without a login. Set HYTHE_LISTEN=127.0.0.1:{} to listen on this machine only", exposed.port()),
            ));
        }
        if !self.settings.http.allow_anonymous_network {
            self.refuse_exposure("listen", exposed, "push and delete");
        }
    }

    fn refuse_exposure(&mut self, key: &str, exposed: Listen, could: &str) {
        let text = format!(
            "{exposed} is open to the network, and clients need no login: anyone who can reach it could {could}. \
             Listen on 127.0.0.1:{} instead, or, if you want this, allow it with --allow-anonymous-network \
             (http.allow-anonymous-network = true, HYTHE_HTTP_ALLOW_ANONYMOUS_NETWORK=true)",
            exposed.port()
        );
        self.problems.push(Problem::new(self.source(key).place(), text));
    }

    /// Refuses a mirror on an address that hythe itself already uses: the system's error would not say which program
    /// has the port.
    fn check_addresses(&mut self) {
        let mut taken = self.settings.listen.clone();
        let mirrors: Vec<Listen> = self.settings.upstream.mirror.iter().map(|mirror| mirror.listen).collect();
        for listen in mirrors {
            if listen.port() != 0 && taken.iter().any(|other| other.place == listen.place) {
                let text = format!(
                    "{listen} is already an address of this server: a mirror needs an address of its own"
                );
                self.problems.push(Problem::new(self.source("upstream.mirror").place(), text));
            }
            taken.push(listen);
        }
    }

    /// Refuses settings of TLS that are incomplete: without the rest, the server would be less safe than the user means.
    fn check_tls(&mut self) {
        let tls = &self.settings.tls;
        let wanted = |listen: &&Listen| listen.scheme == Some(Scheme::Https);
        let mirrors = self.settings.upstream.mirror.iter();
        let asked = self.settings.listen.iter().find(wanted).map(|listen| ("listen", listen));
        let asked = asked.or_else(|| {
            mirrors.map(|mirror| &mirror.listen).find(wanted).map(|listen| ("upstream.mirror", listen))
        });
        let (key, text) = match (&tls.certificate, &tls.key) {
            (Some(_), None) => {
                ("tls.certificate", "the certificate needs its private key: set `tls.key`".to_owned())
            }
            (None, Some(_)) => (
                "tls.key",
                "a private key without a certificate has no effect: set `tls.certificate`".to_owned(),
            ),
            (None, None) if !tls.client_ca.is_empty() => (
                "tls.client-ca",
                "clients show certificates in TLS only, which is off: set `tls.certificate` and `tls.key`"
                    .to_owned(),
            ),
            (None, None) if let Some((key, listen)) = asked => {
                (key, format!("{listen} needs a certificate: set `tls.certificate` and `tls.key`"))
            }
            _ if tls.client_ca.is_empty() && tls.client_auth != ClientAuth::default() => (
                "tls.client-auth",
                "no certificate of a client can be verified: set `tls.client-ca`".to_owned(),
            ),
            _ => return,
        };
        self.problems.push(Problem::new(self.source(key).place(), text));
    }

    fn check_upstreams(&mut self) {
        let assembled = assemble(&self.settings.upstream);
        let placed = |findings: Vec<Finding>| -> Vec<Problem> {
            findings.into_iter().filter_map(|finding| self.placed(finding)).collect()
        };
        let (problems, warnings) = (placed(assembled.problems), placed(assembled.warnings));
        self.problems.extend(problems);
        self.warnings.extend(warnings);
    }

    /// Shares content pulled with a login with all clients in two cases: for the login of a `registry:2` proxy, as
    /// `registry:2` does, and for handed-over logins, if `hythe up` says so. Only if no layer sets `share`: these cases
    /// must not open content that another layer restricts.
    fn check_unshared_logins(&mut self) {
        if self.source("upstream.share") != ValueSource::Default {
            return;
        }
        let tables = self.settings.upstream.tables.iter_mut().filter(|(_, table)| table.share.is_none());
        for (name, table) in tables {
            let source_of = |field| self.tables.source::<UpstreamTable>(name, field).cloned();
            let said = login_field(table).and_then(source_of);
            let source = if let Some(source) = said.filter(ValueSource::is_registry2) {
                self.warnings.push(Problem::new(
                    source.place(),
                    format!("anyone who can reach this registry can pull all content that `{name}` gives to this login, as in registry:2. Set HYTHE_UPSTREAM_SHARE=loopback to share it with this machine only"),
                ));
                source
            } else if let Some(source) = self.shares_logins.clone().filter(|_| table.docker_config) {
                source
            } else {
                continue;
            };
            table.share = Some(Share::All);
            self.tables.set::<UpstreamTable>(name, "share", source);
        }
    }

    /// Warns about shared logins of upstreams on an address that the network can reach: if clients need no login, every
    /// client can use them.
    fn check_logins(&mut self) {
        if self.settings.auth.is_on() {
            return;
        }
        let mirrors = self.settings.upstream.mirror.iter().map(|mirror| mirror.listen);
        let mut addresses = self.settings.listen.iter().copied().chain(mirrors);
        let Some(exposed) = addresses.find(|listen| !listen.is_loopback()) else { return };
        let shared =
            |table: &UpstreamTable| table.share.unwrap_or(self.settings.upstream.share) == Share::All;
        for (name, table) in self.settings.upstream.tables.iter().filter(|(_, table)| shared(table)) {
            let source_of = |field| self.tables.source::<UpstreamTable>(name, field);
            let said = login_field(table).and_then(source_of);
            // `check_unshared_logins` already warned about logins of `registry:2`.
            if let Some(source) = said.filter(|source| !source.is_registry2()) {
                let text = format!(
                    "anyone who can reach {exposed} can pull all content that `{name}` gives to this login: clients need \
                     no login (auth.users, auth.htpasswd)"
                );
                self.warnings.push(Problem::new(source.place(), text));
            }
        }
    }

    /// Refuses a file that sets an upstream's endpoints twice. A higher layer may override the endpoints.
    fn check_endpoints(&mut self) {
        let added = self.source("upstream.add");
        if !matches!(added, ValueSource::File { .. }) {
            return;
        }
        for addition in self.settings.upstream.add.iter().filter(|addition| !addition.endpoints.is_empty()) {
            let name = known_name(addition.name.clone());
            let table = self.settings.upstream.tables.get(&name);
            if let Some(source) = self.tables.source::<UpstreamTable>(&name, "endpoints")
                && table.is_some_and(|table| !table.endpoints.is_empty())
            {
                let text = format!(
                    "`upstream.add` ({added}) also sets endpoints of `{name}`: keep only one of them"
                );
                self.problems.push(Problem::new(source.place(), text));
            }
        }
    }

    /// The finding with its place; `None` for a table with an invalid field, which is already reported.
    fn placed(&self, finding: Finding) -> Option<Problem> {
        let of_table = |upstream: &Authority, field: &str| {
            let source = self.tables.source::<UpstreamTable>(upstream, field).cloned();
            let is_reported = self.tables.is_invalid::<UpstreamTable>(upstream);
            (!is_reported).then(|| source.unwrap_or_else(|| self.source("upstream.add")))
        };
        let source = match &finding.place {
            FindingPlace::Key(name) => self.source(name),
            FindingPlace::Table(upstream) => of_table(upstream, "")?,
            FindingPlace::Field(upstream, field) => of_table(upstream, field)?,
        };
        Some(Problem::new(source.place(), finding.text))
    }
}

/// The path without symbolic links, as far as it exists.
fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let known = path.ancestors().find_map(|known| Some((known, known.canonicalize().ok()?)));
    match known {
        Some((known, real)) => path.strip_prefix(known).map_or(path.clone(), |rest| real.join(rest)),
        None => path,
    }
}
