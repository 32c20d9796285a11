//! Names what changed between two records.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hythe_oci::Digest;

use super::{Entry, PlatformRecord, Record};
use crate::change::{Change, FileChange};
use crate::text::escape::shown;

/// The name of the main context, whose paths stand alone.
const MAIN: &str = "context";

pub(super) fn changes(was: &Record, now: &Record) -> Vec<Change> {
    if was.format != now.format {
        return vec![Change::Format];
    }
    let mut changes = Vec::new();
    add_settings(was, now, &mut changes);
    add_files(was, now, &mut changes);
    add_instructions(was, now, &mut changes);
    for image in keys(&was.bases, &now.bases) {
        let (was, now) = (was.bases.get(image).copied(), now.bases.get(image).copied());
        if was != now {
            changes.push(Change::Base { image: image.clone(), was, now });
        }
    }
    changes
}

fn keys<'a, V>(was: &'a BTreeMap<String, V>, now: &'a BTreeMap<String, V>) -> BTreeSet<&'a String> {
    was.keys().chain(now.keys()).collect()
}

fn add_settings(was: &Record, now: &Record, changes: &mut Vec<Change>) {
    let mut add = |differs: bool, name: &str| {
        if differs {
            changes.push(Change::Setting { name: name.to_owned() });
        }
    };
    add(was.target != now.target, "the target");
    let platforms = |record: &Record| -> Vec<String> {
        record.platforms.iter().map(|platform| platform.platform.clone()).collect()
    };
    add(platforms(was) != platforms(now), "the platforms");
    for name in keys(&was.labels, &now.labels) {
        add(was.labels.get(name) != now.labels.get(name), &format!("the label {name}"));
    }
    add(was.escape != now.escape, "the Dockerfile's escape character");
    add(was.syntax != now.syntax, "the Dockerfile's frontend (# syntax=)");
    let mut names = BTreeSet::new();
    for (was, now) in pairs(was, now) {
        let differing = keys(&was.arguments, &now.arguments)
            .into_iter()
            .filter(|name| was.arguments.get(*name) != now.arguments.get(*name));
        names.extend(differing.cloned());
    }
    changes.extend(names.into_iter().map(|name| Change::Argument { name }));
}

/// The platforms that both records have.
fn pairs<'a>(
    was: &'a Record,
    now: &'a Record,
) -> impl Iterator<Item = (&'a PlatformRecord, &'a PlatformRecord)> {
    now.platforms.iter().filter_map(|now| {
        let was = was.platforms.iter().find(|was| was.platform == now.platform)?;
        Some((was, now))
    })
}

fn add_files(was: &Record, now: &Record, changes: &mut Vec<Change>) {
    let nothing = BTreeMap::new();
    let (mut added, mut removed) = (BTreeMap::<&Entry, VecDeque<String>>::new(), Vec::new());
    for context in keys(&was.contexts, &now.contexts) {
        let name = |path: &str| match context.as_str() {
            MAIN => shown(path),
            context => format!("{context}:{}", shown(path)),
        };
        let (was, now) = (was.contexts.get(context), now.contexts.get(context));
        let (was, now) = (was.unwrap_or(&nothing), now.unwrap_or(&nothing));
        for path in keys(was, now) {
            match (was.get(path), now.get(path)) {
                (None, Some(entry)) => added.entry(entry).or_default().push_back(name(path)),
                (Some(entry), None) => removed.push((name(path), entry)),
                (Some(was), Some(now)) if was != now => {
                    changes.push(Change::File { path: name(path), change: difference(was, now) });
                }
                _ => {}
            }
        }
    }
    // A file that is gone and a new one with the same bytes are one file with another path.
    for (from, entry) in removed {
        let new = added.get_mut(entry).filter(|_| *entry != Entry::Folder);
        changes.push(match new.and_then(VecDeque::pop_front) {
            Some(to) => Change::Renamed { from, to },
            None => Change::File { path: from, change: FileChange::Removed },
        });
    }
    let added = added.into_values().flatten();
    changes.extend(added.map(|path| Change::File { path, change: FileChange::Added }));
}

fn difference(was: &Entry, now: &Entry) -> FileChange {
    match (was, now) {
        (Entry::File(_), Entry::File(_)) | (Entry::Executable(_), Entry::Executable(_)) => {
            FileChange::Content
        }
        (Entry::File(was), Entry::Executable(now)) | (Entry::Executable(was), Entry::File(now)) => {
            if was == now { FileChange::Executable } else { FileChange::Content }
        }
        (Entry::Link(_), Entry::Link(_)) => FileChange::Target,
        _ => FileChange::Kind,
    }
}

/// An instruction: what enters the key of it, its line and keyword.
type Step<'a> = (Vec<&'a str>, Digest, usize, &'a str);

fn add_instructions(was: &Record, now: &Record, changes: &mut Vec<Change>) {
    if was.dockerfile != now.dockerfile {
        changes.push(Change::Setting { name: "the Dockerfile".to_owned() });
    }
    let mut seen = BTreeSet::new();
    for (was, now) in pairs(was, now) {
        let (was, now) = (steps(was), steps(now));
        let (mut from, mut to) = (0, 0);
        while from < was.len() || to < now.len() {
            match (was.get(from), now.get(to)) {
                (Some(a), Some(b)) if same(a, b) => (from, to) = (from + 1, to + 1),
                (a, b) => {
                    // Where both meet again decides what was added, removed or changed here.
                    let later = b.and_then(|b| was[from..].iter().position(|a| same(a, b)));
                    let earlier = a.and_then(|a| now[to..].iter().position(|b| same(a, b)));
                    let (step, removed) = match (a, b, later, earlier) {
                        (Some(a), _, Some(_), None) | (Some(a), None, _, _) => (a, true),
                        (_, Some(b), _, _) => (b, false),
                        (None, None, _, _) => break,
                    };
                    if seen.insert((step.2, removed)) {
                        let (line, keyword) = (step.2, step.3.to_owned());
                        changes.push(Change::Instruction { line, keyword, removed });
                    }
                    let replaces = later.is_none() && earlier.is_none();
                    from += usize::from(a.is_some() && (removed || replaces));
                    to += usize::from(!removed);
                }
            }
        }
    }
}

fn same(a: &Step<'_>, b: &Step<'_>) -> bool {
    a.0 == b.0 && a.1 == b.1
}

fn steps(platform: &PlatformRecord) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    for stage in &platform.stages {
        let sources = [Some(stage.base.as_str()), stage.platform.as_deref()];
        let sources = sources.into_iter().flatten().collect();
        steps.push((sources, Digest::of(hythe_oci::Algorithm::Sha256, b"FROM"), stage.line, "FROM"));
        steps.extend(stage.instructions.iter().map(|instruction| {
            let sources = instruction.sources.iter().map(String::as_str).collect();
            (sources, instruction.hash, instruction.line, instruction.keyword.as_str())
        }));
    }
    steps
}
