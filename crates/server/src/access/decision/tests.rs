//! Every combination of a client, an action, a target and the facts, against the rules in words.

use std::sync::Arc;

use hythe_oci::{Algorithm, Digest, RepositoryName};
use hythe_registry::{MountFrom, Origin, Provenance};
use hythe_upstream::{Allowed, CopyName, Credentials, Share, TooLong, Upstream, Via};

use super::super::client::{Client, Exposure, ForeignPage};
use super::super::facts::Needs;
use super::super::judge::Need;
use super::super::page::Page;
use super::super::{Access, Facts, Mount};
use super::*;

/// A name that public DNS does not have, and one that it may have.
const INNER: &str = "hythe:5001";
const PUBLIC: &str = "evil.example";
const PAGE: ForeignPage<'_> = ForeignPage { origin: Some("https://evil.example") };

const ACTIONS: [Action; 9] = [
    Action::Pull,
    Action::Check,
    Action::List,
    Action::Push,
    Action::Delete,
    Action::ReadPage,
    Action::WritePage,
    Action::OtherRead,
    Action::OtherWrite,
];

fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

fn provenance(origin: &str, private: bool) -> Provenance {
    Provenance { origin: origin.parse().unwrap(), private }
}

/// One upstream and its settings.
struct Setting {
    allowed: Allowed,
    copy: CopyName,
    share: Share,
    login: bool,
    pushable: bool,
    load: Share,
}

fn settings() -> Vec<Setting> {
    let mut settings = Vec::new();
    for share in [Share::Loopback, Share::All] {
        for login in [false, true] {
            for (pushable, load) in
                [(false, Share::Loopback), (false, Share::All), (true, Share::Loopback), (true, Share::All)]
            {
                let mut upstream = Upstream::at_home("up.example".parse().unwrap());
                (upstream.share, upstream.pushable, upstream.load) = (share, pushable, load);
                if login {
                    upstream.credentials =
                        Credentials::Basic { username: "ada".to_owned(), password: "hunter2".to_owned() };
                }
                let mut allowed = Allowed::none();
                allowed.share_others(share);
                allowed.add(upstream.clone(), &[]).unwrap();
                let copy = CopyName::new(Arc::new(upstream), name("app")).unwrap();
                settings.push(Setting { allowed, copy, share, login, pushable, load });
            }
        }
    }
    settings
}

fn clients() -> Vec<Client<'static>> {
    let mut clients = Vec::new();
    for exposure in [Exposure::Loopback, Exposure::Published, Exposure::Network] {
        for near in [false, true] {
            for foreign_host in [None, Some(INNER), Some(PUBLIC)] {
                for foreign_page in [None, Some(ForeignPage { origin: None }), Some(PAGE)] {
                    clients.push(Client { exposure, near, foreign_host, foreign_page });
                }
            }
        }
    }
    clients
}

/// The targets, each with the provenances that its decision may depend on: of the repository here, and of the copy.
fn targets<'a>(
    app: &'a RepositoryName,
    copy: &CopyName,
) -> Vec<(Target<'a>, Option<Provenance>, Option<Provenance>)> {
    let there = name("app");
    let mut targets = vec![
        (Target::None, None, None),
        (Target::Page(Page::Collection), None, None),
        (Target::NotServed { registry: "other.example".to_owned() }, None, None),
        (Target::TooLong(TooLong { upstream: copy.upstream().name.clone(), there }), None, None),
    ];
    let heres = [
        None,
        Some(provenance("local", false)),
        Some(provenance("up.example", false)),
        Some(provenance("up.example", true)),
        Some(provenance("gone.example", false)),
        Some(provenance("gone.example", true)),
    ];
    let copies = [
        None,
        Some(provenance("local", false)),
        Some(provenance("up.example", false)),
        Some(provenance("up.example", true)),
    ];
    for found in &copies {
        for by_path in [false, true] {
            let target = Target::Copy { name: app, copy: copy.clone(), by_path };
            targets.push((target, None, found.clone()));
        }
    }
    for here in &heres {
        targets.push((Target::Here(app), here.clone(), None));
        for found in &copies {
            let target = Target::HereOrCopy { name: app, copy: copy.clone() };
            targets.push((target, here.clone(), found.clone()));
        }
    }
    targets
}

/// The blobs to mount, each with the provenance of the repository to mount from.
fn mounts() -> Vec<(Option<Mount>, Option<Provenance>)> {
    let digest = Digest::of(Algorithm::Sha256, b"blob");
    let from = Some(name("source"));
    vec![
        (None, None),
        (Some(Mount { digest, from: None }), None),
        (Some(Mount { digest, from: from.clone() }), None),
        (Some(Mount { digest, from: from.clone() }), Some(provenance("local", false))),
        (Some(Mount { digest, from }), Some(provenance("gone.example", true))),
    ]
}

/// Whether content with this provenance is hidden from clients of the network.
fn is_hidden(setting: &Setting, found: Option<&Provenance>) -> bool {
    let Some(found) = found.filter(|found| found.origin != Origin::Local) else { return false };
    let with_login = setting.login && found.origin.as_str() == "up.example";
    setting.share == Share::Loopback && (found.private || with_login)
}

/// The refusals in their order, each with the condition under which the request is refused.
fn rules(setting: &Setting, access: &Access<'_>, facts: &Facts<'_>) -> Vec<(bool, Refusal)> {
    let Access { client, action, target, only_if_cached, loads, .. } = access;
    let (loads, pushes) = (*loads, *action == Action::Push);
    let upstream = setting.copy.upstream().name.clone();
    let host = client.foreign_host.unwrap_or_default();
    let origin = client.foreign_page.and_then(|page| page.origin);
    let near = client.near && client.foreign_host.is_none() && client.foreign_page.is_none();
    let here = matches!(target, Target::Here(_) | Target::HereOrCopy { .. });
    let pinned = setting.pushable && facts.copy == Some(provenance("local", false));
    let copy = matches!(target, Target::Copy { .. }) && !pinned;
    let private = facts.copy.as_ref().is_some_and(|found| found.private);
    vec![
        (
            match client.exposure {
                Exposure::Loopback => client.foreign_host.is_some(),
                Exposure::Published => client.foreign_host == Some(PUBLIC),
                Exposure::Network => false,
            },
            Refusal::ForeignHost { host: host.to_owned() },
        ),
        (
            client.foreign_page.is_some()
                && matches!(action, Action::Push | Action::Delete | Action::WritePage | Action::OtherWrite),
            Refusal::ForeignPage { origin: origin.map(str::to_owned) },
        ),
        (
            matches!(target, Target::NotServed { .. }),
            Refusal::NotServed { registry: "other.example".to_owned() },
        ),
        (
            matches!(target, Target::TooLong(_)),
            Refusal::TooLong(TooLong { upstream: upstream.clone(), there: name("app") }),
        ),
        (
            here && !near && is_hidden(setting, facts.here.as_ref()),
            Refusal::NotShared {
                upstream: facts.here.as_ref().map_or("", |found| found.origin.as_str()).to_owned(),
            },
        ),
        (here && loads && pushes, Refusal::NoUpstream { name: name("asked") }),
        (
            copy && !near && setting.share == Share::Loopback && (setting.login || private),
            Refusal::NotShared { upstream: "up.example".to_owned() },
        ),
        (
            copy && loads && pushes && !near && setting.load == Share::Loopback,
            Refusal::NotLoadable { upstream: upstream.clone() },
        ),
        (
            copy && !loads
                && *action == Action::Check
                && matches!(target, Target::Copy { by_path: true, .. })
                && setting.pushable
                && !only_if_cached,
            Refusal::NotPushedYet { copy: name("up.example/app") },
        ),
        (
            copy && pushes && !loads && !setting.pushable,
            Refusal::NotPushable { name: name("asked"), upstream: upstream.clone() },
        ),
        (
            copy && pushes && !loads && private,
            Refusal::FetchedWithCredentials { name: name("asked"), upstream, copy: name("up.example/app") },
        ),
        (*action == Action::Delete && !facts.deletes, Refusal::DeletesOff),
    ]
}

/// Calls `check` with every combination; returns how many there are.
fn for_every_case(mut check: impl FnMut(&Setting, &Access<'_>, &Facts<'_>)) -> usize {
    let (app, clients, mounts) = (name("asked"), clients(), mounts());
    let mut count = 0;
    for setting in &settings() {
        for (target, here, copy) in targets(&app, &setting.copy) {
            for action in ACTIONS {
                // Only a push mounts, and only a delete depends on the switch for deletes.
                let mounts = if action == Action::Push { &mounts[..] } else { &mounts[..1] };
                let switches: &[bool] = if action == Action::Delete { &[false, true] } else { &[true] };
                for (mount, source) in mounts {
                    for &deletes in switches {
                        let (here, copy, source) = (here.clone(), copy.clone(), source.clone());
                        let facts = Facts { allowed: &setting.allowed, deletes, here, copy, source };
                        // What a client loads depends neither on a mount nor on the switch for deletes.
                        let ways = [(false, false), (true, false), (false, true)];
                        let ways = if mount.is_some() || !deletes { &ways[..2] } else { &ways[..] };
                        for &(only_if_cached, loads) in ways {
                            for &client in &clients {
                                let (target, mount) = (target.clone(), mount.as_ref());
                                let (need, judge) = (Need::InRepository, None);
                                let access = Access {
                                    client,
                                    action,
                                    target,
                                    mount,
                                    only_if_cached,
                                    loads,
                                    need,
                                    judge,
                                };
                                check(setting, &access, &facts);
                                count += 1;
                            }
                        }
                    }
                }
            }
        }
    }
    count
}

#[test]
fn every_access_is_refused_by_the_first_rule_that_applies_and_allowed_if_none_does() {
    let count = for_every_case(|setting, access, facts| {
        let rules = rules(setting, access, facts);
        let refused = rules.into_iter().find_map(|(applies, refusal)| applies.then_some(refusal));
        assert_eq!(decide(access.clone(), facts).err(), refused, "{access:?} {facts:?}");
    });
    assert!(count > 400_000, "{count}");
}

/// These are consequences of the rules. A change of the rules must keep them.
#[test]
fn no_grant_gives_a_client_content_that_is_hidden_from_it() {
    for_every_case(|setting, access, facts| {
        let Ok(grant) = decide(access.clone(), facts) else { return };
        let client = &access.client;
        let is_trusted = client.near && client.foreign_host.is_none() && client.foreign_page.is_none();
        assert_eq!(grant.via == Via::Loopback, is_trusted, "{access:?}");
        assert!(!(client.foreign_page.is_some() && access.action.writes()), "{access:?}");
        let silent = grant.silent.is_some();
        assert_eq!(silent, access.only_if_cached || client.foreign_page.is_some(), "{access:?}");
        let private = setting.login || facts.copy.as_ref().is_some_and(|found| found.private);
        let of_copy = match &grant.resource {
            Resource::Copy { .. }
            | Resource::Loaded(_)
            | Resource::Pushed(_)
            | Resource::HereOrCopy { copy: Ok(_), .. } => true,
            Resource::Here | Resource::Named(_) | Resource::HereOrCopy { copy: Err(_), .. } => false,
        };
        if of_copy && private && setting.share == Share::Loopback {
            assert_eq!(grant.via, Via::Loopback, "{access:?} {facts:?}");
        }
        if let Resource::HereOrCopy { is_here, .. } = &grant.resource {
            assert_eq!(*is_here, facts.here == Some(provenance("local", false)), "{access:?} {facts:?}");
        }
        if matches!(grant.resource, Resource::Pushed(_)) {
            assert!(setting.pushable && access.action == Action::Push, "{access:?}");
        }
        if matches!(grant.resource, Resource::Loaded(_)) {
            let may_write = setting.load.reaches(grant.via);
            assert!(access.loads && (may_write || !access.action.writes()), "{access:?}");
        }
        let hidden = is_hidden(setting, facts.source.as_ref()) && !is_trusted;
        let mount = access.mount.map(|mount| match &mount.from {
            Some(from) if !hidden => MountFrom::Repository(from.clone()),
            None if is_trusted => MountFrom::Any,
            _ => MountFrom::AnyPublic,
        });
        assert_eq!(grant.mount, mount, "{access:?} {facts:?}");
    });
}

/// Only the needed facts are read.
#[test]
fn no_decision_depends_on_a_fact_that_is_not_read() {
    for_every_case(|_, access, facts| {
        let needs = Needs::of(access);
        let mut read = facts.clone();
        for (needed, fact) in [
            (needs.here.is_some(), &mut read.here),
            (needs.copy.is_some(), &mut read.copy),
            (needs.source.is_some(), &mut read.source),
        ] {
            if !needed {
                *fact = None;
            }
        }
        assert_eq!(decide(access.clone(), &read), decide(access.clone(), facts), "{access:?} {facts:?}");
    });
}

#[test]
fn a_request_of_this_machine_for_pushed_content_reads_no_facts() {
    let app = name("app");
    let client = Client { exposure: Exposure::Loopback, near: true, foreign_host: None, foreign_page: None };
    for action in ACTIONS {
        let access = Access {
            client,
            action,
            target: Target::Here(&app),
            mount: None,
            only_if_cached: false,
            loads: false,
            need: Need::InRepository,
            judge: None,
        };
        assert_eq!(Needs::of(&access), Needs::default(), "{action:?}");
    }
}
