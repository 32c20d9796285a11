//! What only the whole of a configuration can tell.

use hythe_oci::Authority;
use hythe_upstream::Share;

use super::Draft;
use crate::config::error::Problem;
use crate::config::fields::field;
use crate::config::source::Source;
use crate::config::upstreams::{Finding, Place, assemble, known_name, login_field};
use crate::settings::UpstreamTable;
use crate::values::Listen;

impl Draft {
    pub(super) fn check(&mut self) {
        self.check_exposure();
        self.check_addresses();
        self.check_upstreams();
        self.check_endpoints();
        self.check_unshared_logins();
        self.check_logins();
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
    }

    /// `registry:2` gives whoever asks what its login may have, and `hythe up` what handed logins may. Only where no layer
    /// says who gets it: these must not open what another one keeps.
    fn check_unshared_logins(&mut self) {
        let Some(share) = field("share").filter(|_| self.source("upstream.share") == Source::Default) else {
            return;
        };
        for (name, table) in &mut self.settings.upstream.tables {
            let Some(sources) = self.tables.get_mut(name).filter(|_| table.share.is_none()) else { continue };
            let said = login_field(table).map(|field| sources.source(field).clone());
            let source = if let Some(source) = said.filter(Source::is_registry2) {
                self.warnings.push(Problem::new(
                    source.place(),
                    format!("whoever reaches this registry gets what `{name}` gives to this login, as registry:2 has it. Set HYTHE_UPSTREAM_SHARE=loopback to keep it on this machine"),
                ));
                source
            } else if let Some(source) = self.shares_logins.clone().filter(|_| table.docker_config) {
                source
            } else {
                continue;
            };
            table.share = Some(Share::All);
            sources.set(share, source);
        }
    }

    /// Who may pull is not asked, so that a login that is shared is everybody's who reaches the registry.
    fn check_logins(&mut self) {
        let mirrors = self.settings.upstream.mirror.iter().map(|mirror| mirror.listen);
        let mut addresses = self.settings.listen.iter().copied().chain(mirrors);
        let Some(exposed) = addresses.find(|listen| !listen.is_loopback()) else { return };
        let shared =
            |table: &UpstreamTable| table.share.unwrap_or(self.settings.upstream.share) == Share::All;
        for (name, table) in self.settings.upstream.tables.iter().filter(|(_, table)| shared(table)) {
            let said = login_field(table).and_then(|field| Some(self.tables.get(name)?.source(field)));
            // Of those it was said already.
            if let Some(source) = said.filter(|source| !source.is_registry2()) {
                let text = format!(
                    "who reaches {exposed} can pull all that `{name}` lets this login have: nobody has to authenticate"
                );
                self.warnings.push(Problem::new(source.place(), text));
            }
        }
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
