//! The images that a Dockerfile builds on or copies from.

use std::collections::HashSet;
use std::sync::Arc;

use hythe_build::{Instruction, instructions};

use super::found::{FileLine, Found, Reading};
use super::name::{Trust, name};
use crate::commands::interpolate::{Variables, env_value, interpolate};

/// Whether a text is a Dockerfile, by the file's name or by its first instruction.
pub(super) fn is_dockerfile(base_name: &str, text: &str) -> bool {
    let lower = base_name.to_ascii_lowercase();
    let named = ["dockerfile", "containerfile"].iter().any(|name| {
        lower == *name || lower.ends_with(&format!(".{name}")) || lower.starts_with(&format!("{name}."))
    });
    let first = || instructions(text).into_iter().find(|instruction| instruction.keyword != "ARG");
    named || first().is_some_and(|first| first.keyword == "FROM" && !first.arguments.starts_with([':', '=']))
}

pub(super) fn read(reading: &mut Reading, file: &Arc<str>, text: &str, first: usize) {
    let (mut arguments, mut stages) = (Variables::new(), HashSet::new());
    let mut count = 0_usize;
    let mut take = |reference: &str, line: usize, stages: &HashSet<String>, arguments: &Variables, rule| {
        let place = || FileLine { file: Arc::clone(file), line: first + line - 1 };
        let whole = match interpolate(reference, arguments) {
            Ok(whole) => whole,
            Err(why) => return reading.pass(reference, place(), format!("{why} by an ARG here"), true),
        };
        if whole == "scratch" || stages.contains(&whole.to_ascii_lowercase()) {
            return;
        }
        match name(&whole, Trust::Certain) {
            Ok(name) => reading.found.push(Found { text: name.to_owned(), place: place(), rule }),
            Err(not) => reading.pass(&whole, place(), not.reason, true),
        }
    };
    for Instruction { line, keyword, flags, arguments: rest, .. } in instructions(text) {
        let mut words = rest.split_whitespace();
        match keyword.as_str() {
            // Only an ARG before the first FROM applies to FROMs; the ARG of a stage does not.
            "ARG" if count == 0 => {
                for word in words {
                    let Some((name, value)) = word.split_once('=') else { continue };
                    let value = env_value(value);
                    let value = interpolate(&value, &arguments).unwrap_or(value);
                    arguments.insert(name.to_owned(), value);
                }
            }
            "FROM" => {
                count += 1;
                let Some(reference) = words.next() else { continue };
                take(reference, line, &stages, &arguments, "FROM");
                if let (Some(word), Some(stage)) = (words.next(), words.next())
                    && word.eq_ignore_ascii_case("as")
                {
                    stages.insert(stage.to_ascii_lowercase());
                }
            }
            "COPY" | "RUN" => {
                for flag in flags {
                    let from = match flag.strip_prefix("--mount=") {
                        Some(mount) => mount.split(',').find_map(|part| part.strip_prefix("from=")),
                        None => flag.strip_prefix("--from="),
                    };
                    // A number names a stage.
                    if let Some(from) = from.filter(|from| from.parse::<usize>().is_err()) {
                        take(from.trim_matches(['"', '\'']), line, &stages, &arguments, "--from");
                    }
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_found_in_from_and_in_copies() {
        let text = "\
# syntax=docker/dockerfile:1
ARG GO=1.22
ARG BASE=alpine:${GO}
FROM --platform=$BUILDPLATFORM golang:${GO} AS build
ARG GO=9
RUN --mount=type=bind,from=busybox:1,target=/b \\
    # why
    --mount=type=cache,target=/c make
RUN <<EOF
FROM nothing
EOF
FROM build as test
COPY --from=0 /a /b
COPY --from=ghcr.io/x/tool:1 /t /t
from scratch
FROM ${BASE}
FROM app:${NONE}
";
        let mut reading = Reading::default();
        read(&mut reading, &Arc::from("Dockerfile"), text, 1);
        let found: Vec<_> =
            reading.found.iter().map(|found| (found.text.as_str(), found.place.line)).collect();
        assert_eq!(
            found,
            [("golang:1.22", 4), ("busybox:1", 6), ("ghcr.io/x/tool:1", 14), ("alpine:1.22", 16)]
        );
        assert_eq!(reading.passed.len(), 1);
        assert_eq!(reading.passed[0].reason, "variable NONE is not set by an ARG here");
    }
}
