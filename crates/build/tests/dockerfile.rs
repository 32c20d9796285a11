//! What a Dockerfile reads: which images, and which files of the context.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::fs;

use hythe_build::{ContextSource, ImageFacts, Use};
use hythe_oci::ImageName;
use proptest::prelude::*;
use support::project;

#[test]
fn bases_are_the_images_of_needed_stages() {
    let text = "\
# syntax=docker/dockerfile:1
ARG GO=1.22
FROM --platform=$BUILDPLATFORM golang:${GO} AS build
COPY --from=ghcr.io/x/tool:1 /t /t
RUN --mount=from=busybox,target=/b --mount=type=cache,target=/c true
FROM nothing AS unused
FROM alpine AS runtime
FROM runtime
COPY --from=build /app /app
";
    let project = project(text);
    let inputs = project.inputs().unwrap();
    let bases: Vec<_> = inputs
        .bases()
        .iter()
        .map(|base| (base.image.to_string(), base.uses.clone(), base.platforms.len(), base.is_final()))
        .collect();
    assert_eq!(
        bases,
        [
            ("docker.io/docker/dockerfile:1".to_owned(), vec![Use::Syntax], 0, false),
            ("docker.io/library/golang:1.22".to_owned(), vec![Use::Stage], 1, false),
            ("ghcr.io/x/tool:1".to_owned(), vec![Use::Copy], 1, false),
            ("docker.io/library/busybox:latest".to_owned(), vec![Use::Copy], 1, false),
            ("docker.io/library/alpine:latest".to_owned(), vec![Use::Final], 1, true),
        ]
    );
}

#[test]
fn only_the_target_s_stages_are_read() {
    let text = "FROM a AS one\nCOPY missing /\nFROM b AS two\nFROM c\n";
    assert_eq!(project(text).target("Two").bases(), ["docker.io/library/b:latest"]);
    assert_eq!(project(text).bases(), ["docker.io/library/c:latest"]);
    assert_eq!(project(text).target("three").error(), "Dockerfile has no stage `three`");
}

#[test]
fn a_stage_can_depend_on_the_platform() {
    let text = "FROM a AS for-amd64\nFROM b AS for-arm64\nFROM for-${TARGETARCH}\n";
    let mut project = project(text);
    assert_eq!(project.bases(), ["docker.io/library/a:latest"]);
    project.recipe.platforms.push("linux/arm64".parse().unwrap());
    assert_eq!(project.bases(), ["docker.io/library/a:latest", "docker.io/library/b:latest"]);
}

#[test]
fn files_are_selected_by_variables_wildcards_and_json() {
    let text = "\
FROM scratch
ARG DIR=one
ENV KIND=${DIR%e}ly
COPY ${DIR}/a.txt /
COPY [\"with space\", \"$KIND\", \"/\"]
ADD w*/[ab].t?t /x/
COPY --chmod=755 --link \\
  # between
  more 'quo'ted /more
";
    let project = project(text)
        .file("one/a.txt", "")
        .file("one/b.txt", "")
        .file("with space", "")
        .file("only", "")
        .file("w1/a.txt", "")
        .file("w1/c.txt", "")
        .file("w2/b.txt", "")
        .file("more/x/y", "")
        .file("quoted", "");
    assert_eq!(
        project.files(),
        [
            "folder more",
            "folder more/x",
            "file more/x/y",
            "file one/a.txt",
            "file only",
            "file quoted",
            "file w1/a.txt",
            "file w2/b.txt",
            "file with%20space"
        ]
    );
}

#[test]
fn a_missing_source_is_an_error_with_its_line() {
    let expected = "Dockerfile:2: `x` does not exist in CONTEXT, or its ignore file excludes it";
    assert_eq!(project("FROM scratch\nCOPY x /\n").error(), expected);
    let ignored = project("FROM scratch\nCOPY x /\n").file("x", "").file(".dockerignore", "x\n");
    assert_eq!(ignored.error(), expected);
    let mounted = project("FROM scratch\nRUN --mount=source=x,target=/x true\n");
    assert_eq!(mounted.error(), expected);
    let parents = project("FROM scratch\nCOPY --parents x /\n");
    assert_eq!(parents.error(), expected);
    assert!(project("FROM scratch\nCOPY x* /\n").files().is_empty());
}

#[test]
fn a_path_does_not_leave_the_context() {
    let project = project("FROM scratch\nCOPY ../../a /\n").file("a", "");
    assert_eq!(project.files(), ["file a"]);
}

#[test]
fn a_link_that_is_a_source_is_followed_within_the_context_and_others_are_kept() {
    let project = project("FROM scratch\nCOPY link /\nCOPY dir /d\nCOPY abs/f /\n")
        .file("real/f", "")
        .file("dir/x", "")
        .link("link", "../../real")
        .link("abs", "/real")
        .link("dir/inner", "../real");
    assert_eq!(
        project.files(),
        [
            "link abs /real",
            "folder dir",
            "link dir/inner ../real",
            "file dir/x",
            "link link ../../real",
            "folder real",
            "file real/f"
        ]
    );
}

#[test]
fn links_in_a_circle_are_a_missing_source() {
    let project = project("FROM scratch\nCOPY a /\n").link("a", "b").link("b", "a");
    assert!(project.error().contains("`a` does not exist"));
}

#[test]
fn an_exception_below_an_ignored_folder_is_selected() {
    let project = project("FROM scratch\nCOPY . /\n")
        .file(".dockerignore", "*\n!src/keep\n!lib/**/*.so\n")
        .file("src/keep", "")
        .file("src/drop", "")
        .file("lib/a/b.so", "")
        .file("lib/a/b.c", "");
    assert_eq!(project.files(), ["file lib/a/b.so", "file src/keep"]);
}

#[test]
fn exclude_and_parents_select_fewer_files() {
    let exclude = project("FROM scratch\nCOPY --exclude=*.md --exclude=sub/x src /\n")
        .file("src/a.md", "")
        .file("src/b", "")
        .file("src/sub/x", "")
        .file("src/sub/y", "");
    assert_eq!(exclude.files(), ["folder src", "file src/b", "folder src/sub", "file src/sub/y"]);
    let parents = project("FROM scratch\nCOPY --parents ./src/*/x /\nCOPY --parents lib/./../a/b /\n")
        .file("src/one/x", "")
        .file("src/one/y", "")
        .file("lib/a/b", "")
        .file("lib/a/c", "");
    assert_eq!(parents.files(), ["file lib/a/b", "file src/one/x"]);
}

#[test]
fn a_source_that_names_a_variable_of_the_base_means_the_whole_context() {
    let text = "FROM node\nCOPY $NODE_DIR /\n";
    let mut project = project(text).file("a", "").file("b", "");
    assert_eq!(project.files(), ["file Dockerfile", "file a", "file b"]);
    let facts = ImageFacts { env: vec!["NODE_DIR=a".to_owned()], on_build: Vec::new() };
    project.recipe.images.insert("node".parse::<ImageName>().unwrap().normalised(), facts);
    assert_eq!(project.files(), ["file a"]);
}

#[test]
fn instructions_of_onbuild_run_in_the_stage_that_is_built_on_them() {
    let own = project("FROM scratch AS base\nONBUILD COPY a /\nFROM base\n").file("a", "").file("b", "");
    assert_eq!(own.files(), ["file a"]);
    let mut of_image = project("FROM company/base\n").file("a", "").file("b", "");
    assert!(of_image.files().is_empty());
    let facts =
        ImageFacts { env: Vec::new(), on_build: vec!["COPY --from=tools /t /t".into(), "ADD b /".into()] };
    of_image.recipe.images.insert("company/base".parse::<ImageName>().unwrap().normalised(), facts);
    assert_eq!(of_image.files(), ["file b"]);
    assert_eq!(of_image.bases().len(), 2);
}

#[test]
fn here_documents_are_part_of_the_instruction() {
    let text = "FROM scratch\nCOPY <<EOF <<\"B\" real /x/\nFROM nothing\nEOF\nb\nB\nRUN <<-X\n\tCOPY missing /\n\tX\n";
    let mut project = project(text).file("real", "");
    assert_eq!(project.files(), ["file real"]);
    let changes = project.changes(|project| project.write("Dockerfile", text.replace("\nb\n", "\nc\n")));
    assert_eq!(changes, ["line 2 of the Dockerfile changed (COPY)"]);
}

#[test]
fn a_backtick_can_be_the_escape_character() {
    let project = project("# escape=`\nFROM scratch\nCOPY a `\n  b `\n  /x/\n").file("a", "").file("b", "");
    assert_eq!(project.files(), ["file a", "file b"]);
}

#[test]
fn what_only_the_builder_knows_is_said() {
    let hash = "0123456789abcdef0123456789abcdef01234567";
    let text = format!(
        "FROM scratch\nADD https://example.com/a.tar /\nADD --checksum=sha256:00 https://example.com/b.tar /\n\
         ADD https://example.com/c.git#main /c\nADD https://example.com/d.git#{hash} /d\nCOPY --from=source / /e\n"
    );
    let project =
        project(&text).context("source", ContextSource::Other("https://example.com/f.git".to_owned()));
    let inputs = project.inputs().unwrap();
    let said: Vec<_> =
        inputs.unknown().iter().map(|unknown| (unknown.line, unknown.source.as_str())).collect();
    assert_eq!(
        said,
        [
            (2, "https://example.com/a.tar"),
            (4, "https://example.com/c.git#main"),
            (6, "https://example.com/f.git")
        ]
    );
    let shown = inputs.unknown()[0].to_string();
    assert_eq!(
        shown,
        "line 2: https://example.com/a.tar: the server may send other bytes now; add `--checksum`"
    );
}

#[test]
fn a_context_takes_the_place_of_an_image_or_a_stage() {
    let image = ContextSource::Image("ghcr.io/x/alpine:1".parse().unwrap());
    let project =
        project("FROM a AS build\nCOPY missing /\nFROM docker.io/library/alpine\nCOPY --from=build / /\n")
            .context("alpine", image.clone())
            .context("build", image);
    assert_eq!(project.bases(), ["ghcr.io/x/alpine:1"]);
}

#[test]
fn a_stage_on_a_context_s_folder_reads_all_of_it() {
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("x"), "").unwrap();
    fs::write(other.path().join("y.log"), "").unwrap();
    fs::write(other.path().join(".dockerignore"), "*.log\n").unwrap();
    let project = project("FROM other\n").context("other", ContextSource::Folder(other.path().to_owned()));
    assert_eq!(project.files(), ["file other .dockerignore", "file other x"]);
}

#[test]
fn names_that_are_not_utf_8_keep_their_bytes() {
    use std::os::unix::ffi::OsStrExt as _;
    let project = project("FROM scratch\nCOPY d /\n").file("d/a", "");
    fs::write(project.path("d").join(std::ffi::OsStr::from_bytes(b"\xff n")), "").unwrap();
    assert_eq!(project.files(), ["folder d", "file d/%FF%20n", "file d/a"]);
}

#[test]
fn a_dockerfile_that_is_not_utf_8_is_an_input_as_a_whole() {
    let project = project("");
    project.write("Dockerfile", b"FROM scratch\n# \xe9\nENV A=\xe9\n");
    let was = project.keyed().key();
    project.write("Dockerfile", b"FROM scratch\n# \xe9\nENV A=\xe8\n");
    assert_ne!(project.keyed().key(), was);
}

#[test]
fn an_invalid_dockerfile_is_an_error_with_its_line() {
    for (text, expected) in [
        ("", "Dockerfile:1: there is no FROM"),
        ("RUN true\n", "Dockerfile:1: RUN comes before the first FROM"),
        ("FROM a b\n", "Dockerfile:1: write `FROM IMAGE` or `FROM IMAGE AS NAME`"),
        ("FROM scratch\n\nTEA earl\n", "Dockerfile:3: unknown instruction TEA"),
        ("FROM scratch\nCOPY a\n", "Dockerfile:2: COPY needs a source and a destination"),
        ("FROM $NONE\n", "Dockerfile:1: FROM names no image: `$NONE` is empty"),
        (
            "FROM scratch\nCOPY --from=$X a /\n",
            "Dockerfile:2: variables are not expanded in `from`; name a stage whose FROM has the variable",
        ),
        (
            "FROM scratch AS a\nCOPY --from=b x /\nFROM a AS b\n",
            "Dockerfile:2: stage `b` is not defined before this instruction",
        ),
        ("FROM scratch\nRUN <<EOF\nx\n", "Dockerfile:2: the here-document EOF does not end"),
        ("# escape=x\nFROM scratch\n", "Dockerfile:1: `# escape=` must be \\ or `"),
        ("FROM scratch\nENV A=${B\n", "Dockerfile:2: cannot expand `${B`: a `${` has no `}`"),
    ] {
        assert_eq!(project(text).error(), expected, "{text}");
    }
}

#[test]
fn the_machine_s_own_platform_does_not_enter_the_key() {
    let text = project("FROM --platform=$BUILDPLATFORM golang\nARG BUILDARCH\nARG TARGETARCH\n")
        .keyed()
        .record()
        .text();
    assert!(text.contains("stage image:docker.io/library/golang:latest $BUILDPLATFORM\n"), "{text}");
    assert!(!text.contains("argument"), "{text}");
    let mut other = project("ARG BUILD_FOR=linux/amd64\nFROM --platform=$BUILD_FOR golang\n");
    let changes =
        other.changes(|other| drop(other.recipe.args.insert("BUILD_FOR".into(), "linux/arm64".into())));
    assert_eq!(changes, ["line 2 of the Dockerfile changed (FROM)"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_dockerfile_panics(words in prop::collection::vec(prop::sample::select(WORDS.to_vec()), 0..40), ignored in "[ab*?!/\\[\\]^.\n-]{0,20}") {
        let project = project(&format!("FROM scratch\n{}", words.concat())).file("a", "").file("b/a", "");
        project.write(".dockerignore", ignored);
        if let Ok(inputs) = project.inputs() {
            prop_assert!(inputs.with_bases(&std::collections::BTreeMap::new()).is_ok() || words.contains(&"FROM ") || words.contains(&"x"));
        }
    }
}

/// Pieces of Dockerfiles.
const WORDS: &[&str] = &[
    "\n",
    "\n",
    "\n",
    " ",
    "\\\n",
    "#",
    "FROM ",
    "COPY ",
    "ADD ",
    "RUN ",
    "ENV ",
    "ARG ",
    "ONBUILD ",
    "--from=",
    "--mount=",
    "--exclude=",
    "--parents ",
    "a",
    "b/",
    "*",
    "?",
    "[",
    "]",
    "\"",
    "'",
    "$",
    "{",
    "}",
    ":-",
    "%",
    "/",
    ".",
    "..",
    "<<E",
    "E",
    "=",
    "x",
    " AS ",
    ",",
    "source=",
    "type=",
    "https://",
    "\\",
    "`",
    "\r\n",
    "\t",
    "ü",
];
