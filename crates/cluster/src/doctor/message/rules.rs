//! The rules by which a message's facts show a symptom.

use super::facts::{Facts, Hint};
use super::failure::Failure as F;
use super::locality::Locality as P;
use super::speaker::Speaker as S;

/// The facts that show one symptom. A condition that is empty or none holds for every message.
struct Rule {
    failures: &'static [F],
    speakers: &'static [S],
    places: &'static [P],
    mirrors: Option<&'static [P]>,
    holds: fn(&Facts) -> bool,
    symptom: u8,
}

impl Rule {
    const fn by(mut self, speakers: &'static [S]) -> Self {
        self.speakers = speakers;
        self
    }

    const fn at(mut self, places: &'static [P]) -> Self {
        self.places = places;
        self
    }

    /// A mirror was asked that stands in for a registry at one of these places; at any place if there are none.
    const fn instead_of(mut self, places: &'static [P]) -> Self {
        self.mirrors = Some(places);
        self
    }

    const fn when(mut self, holds: fn(&Facts) -> bool) -> Self {
        self.holds = holds;
        self
    }

    const fn is(mut self, symptom: u8) -> Self {
        self.symptom = symptom;
        self
    }

    fn matches(&self, facts: &Facts) -> bool {
        self.failures.contains(&facts.failure)
            && (self.speakers.is_empty()
                || facts.speaker.is_some_and(|speaker| self.speakers.contains(&speaker)))
            && (self.places.is_empty()
                || facts.locality.is_some_and(|locality| self.places.contains(&locality)))
            && self.mirrors.is_none_or(|places| {
                facts.mirror_of.is_some_and(|locality| places.is_empty() || places.contains(&locality))
            })
            && (self.holds)(facts)
    }
}

const fn on(failures: &'static [F]) -> Rule {
    Rule { failures, speakers: &[], places: &[], mirrors: None, holds: |_| true, symptom: 0 }
}

/// Any place.
const ANY: &[P] = &[];
/// Places whose names and addresses have a meaning on one machine or in one network only.
const LOCAL: &[P] =
    &[P::Loopback, P::Unspecified, P::LocalhostName, P::Bare, P::Service, P::Bridge, P::Private];
/// Public registries.
const INTERNET: &[P] = &[P::Hub, P::Public];
/// Programs on this machine.
const HERE: &[S] = &[S::Docker, S::Podman, S::Client];
/// Failures to reach a host.
const UNREACHED: &[F] = &[F::Timeout, F::NoRoute];

/// The rules, in their order: the first that matches decides, so the rules with more evidence come first.
static RULES: &[Rule] = &[
    // Failures whose words are enough.
    on(&[F::NetworkMode]).is(9),
    on(&[F::MirrorsWithPath]).is(10),
    on(&[F::NoCri]).is(68),
    on(&[F::HostTree]).is(17),
    on(&[F::HostsFile]).is(69),
    on(&[F::Platform]).is(20),
    on(&[F::RateLimit]).is(18),
    on(&[F::NeverPulled]).is(32),
    on(&[F::KindLoad]).is(33),
    on(&[F::SchemaOne]).is(34),
    on(&[F::CredentialHelper]).is(42),
    on(&[F::NotTagged]).is(67),
    on(&[F::TooLarge]).is(38),
    on(&[F::RegistryFull]).is(28),
    on(&[F::NoSpace]).when(|facts| facts.speaker.is_some() || facts.locality.is_some()).is(29),
    on(&[F::AirPlay]).is(31),
    on(&[F::PortTaken]).when(|facts| facts.has(Hint::Registry)).is(30),
    on(&[F::ShortName]).is(65),
    on(&[F::BadName]).is(66),
    on(&[F::ShortBody]).is(19),
    // Certificates, and TLS that only one side uses.
    on(&[F::CertificateTime]).when(is_asked).is(39),
    on(&[F::CertificateName]).when(is_asked).is(40),
    on(&[F::Authority]).at(INTERNET).is(26),
    on(&[F::Authority]).when(is_asked).is(41),
    on(&[F::TlsServer]).when(is_asked).is(35),
    on(&[F::PlainServer]).by(&[S::Builder]).is(44),
    on(&[F::PlainServer]).by(&[S::OtherNode]).is(49),
    on(&[F::PlainServer]).by(&[S::Docker]).at(&[P::LocalhostName]).is(24),
    on(&[F::PlainServer]).by(&[S::Node]).is(5),
    on(&[F::PlainServer]).when(is_asked).is(6),
    // Proxies.
    on(&[F::Proxy]).at(&[P::Bare, P::LocalhostName, P::Service]).is(7),
    on(&[F::Proxy]).is(37),
    // Names.
    on(&[F::Dns]).at(INTERNET).is(36),
    on(&[F::Dns]).at(&[P::Bare, P::LocalhostName]).instead_of(ANY).is(3),
    on(&[F::Dns]).by(&[S::Node, S::OtherNode, S::Ctr]).at(&[P::Bare, P::LocalhostName]).is(3),
    on(&[F::Dns]).by(&[S::Builder]).at(&[P::Bare, P::LocalhostName]).is(45),
    on(&[F::Dns]).by(HERE).at(&[P::Bare, P::LocalhostName]).is(47),
    on(&[F::Dns])
        .by(&[S::Node, S::OtherNode, S::Ctr, S::Docker, S::Podman, S::Client])
        .at(&[P::Service])
        .is(54),
    on(&[F::Dns]).at(&[P::Named]).when(|facts| facts.speaker.is_some()).is(55),
    // No program listens.
    on(&[F::Refused]).at(&[P::Unspecified]).is(62),
    on(&[F::Refused]).at(&[P::Bare, P::LocalhostName, P::Private]).instead_of(ANY).when(is_outer_port).is(4),
    on(&[F::Refused]).at(LOCAL).instead_of(ANY).is(50),
    on(&[F::Refused]).by(&[S::Podman]).at(&[P::Loopback]).when(is_default_port).is(64),
    on(&[F::Refused]).at(LOCAL).when(is_default_port).is(63),
    on(&[F::Refused]).by(&[S::InPod]).at(&[P::Loopback]).is(14),
    on(&[F::Refused]).by(&[S::Ctr]).at(&[P::Loopback]).is(2),
    on(&[F::Refused]).by(&[S::Builder]).at(&[P::Loopback]).is(43),
    on(&[F::Refused]).by(&[S::OtherNode]).at(&[P::Loopback]).is(48),
    on(&[F::Refused]).by(&[S::Node]).at(&[P::Loopback]).is(1),
    on(&[F::Refused]).by(HERE).at(&[P::Loopback]).is(46),
    on(&[F::Refused])
        .at(&[P::Bare, P::LocalhostName, P::Private, P::Bridge, P::Named])
        .when(is_spoken)
        .is(51),
    on(&[F::Refused]).at(INTERNET).is(56),
    // No answer comes.
    on(UNREACHED).at(&[P::Bridge]).when(is_spoken).is(8),
    on(&[F::NoRoute]).at(LOCAL).by(&[S::Node, S::OtherNode, S::Ctr]).is(8),
    on(&[F::Timeout]).instead_of(ANY).is(15),
    on(&[F::Timeout]).at(&[P::Private]).by(&[S::Node, S::OtherNode, S::Ctr]).is(8),
    on(UNREACHED).at(INTERNET).is(56),
    on(UNREACHED).at(&[P::Named]).when(is_spoken).is(56),
    // The registry answers with an error.
    on(&[F::PullDenied, F::Denied]).when(is_loop_at_hub).is(22),
    on(&[F::PullDenied]).at(&[P::Public, P::Named, P::Loopback, P::Private, P::Bare]).is(27),
    on(&[F::PullDenied]).when(|facts| !facts.has(Hint::Foreign)).is(52),
    on(&[F::Denied]).at(&[P::Hub]).is(52),
    on(&[F::Denied]).at(&[P::Loopback]).when(|facts| facts.port == Some(5000)).is(31),
    on(&[F::Denied]).at(&[P::Public, P::Named]).is(27),
    on(&[F::Login]).when(|facts| facts.locality.is_some() || facts.speaker.is_some()).is(27),
    on(&[F::NotFound]).at(&[P::Hub, P::Public, P::Named]).is(53),
    on(&[F::NotFound]).is(13),
    on(&[F::NotTaken]).when(|facts| facts.has(Hint::Push) || facts.speaker.is_some()).is(61),
    on(&[F::Unavailable]).at(&[P::Bare, P::LocalhostName]).instead_of(&[P::Loopback]).is(7),
    // In a node, localhost is a mirror of the node's own, such as k3s's.
    on(&[F::Unavailable, F::Internal]).by(&[S::Node]).at(&[P::Loopback]).when(is_mirror).is(59),
    on(&[F::Unavailable]).instead_of(ANY).is(57),
    on(&[F::Unavailable]).at(LOCAL).is(57),
    on(&[F::Unavailable, F::Internal]).at(&[P::Hub, P::Public, P::Named]).is(59),
    on(&[F::Unavailable]).by(&[S::Docker]).is(57),
    on(&[F::Internal]).at(LOCAL).is(58),
    on(&[F::Internal]).by(&[S::Docker]).is(58),
    on(&[F::NoRegistry]).when(|facts| facts.locality.is_some() || facts.speaker.is_some()).is(60),
];

/// Whether a registry was asked, or at least no other server.
fn is_asked(facts: &Facts) -> bool {
    facts.locality.is_some() || !facts.has(Hint::Foreign)
}

/// Whether a mirror was asked.
fn is_mirror(facts: &Facts) -> bool {
    facts.mirror_of.is_some()
}

/// Whether the message is from a program that is known to push or pull images.
fn is_spoken(facts: &Facts) -> bool {
    facts.speaker.is_some()
}

/// Whether Tilt or Skaffold pushed to Docker Hub.
fn is_loop_at_hub(facts: &Facts) -> bool {
    facts.has(Hint::Loop) && facts.locality.is_none_or(|locality| locality == P::Hub)
}

/// Whether the port is the registry's port on this machine, not that of its container.
fn is_outer_port(facts: &Facts) -> bool {
    facts.port.is_some_and(|port| !matches!(port, 80 | 443 | 5000))
}

/// Whether the name has no port, so that the client asked the default port.
fn is_default_port(facts: &Facts) -> bool {
    facts.has(Hint::NoPort) && facts.port.is_none_or(|port| matches!(port, 80 | 443))
}

/// The number of the known symptom that the facts show, if any.
pub(super) fn symptom(facts: &Facts) -> Option<u8> {
    if facts.has(Hint::Foreign) && facts.locality.is_none() {
        return None;
    }
    RULES.iter().find(|rule| rule.matches(facts)).map(|rule| rule.symptom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::symptom::SYMPTOMS;

    #[test]
    fn every_rule_has_a_known_symptom() {
        for rule in RULES {
            assert!(SYMPTOMS.iter().any(|symptom| symptom.number == rule.symptom), "{}", rule.symptom);
        }
    }
}
