//! What changes the key of a build, and what does not.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use hythe_build::{ContextSource, StatCache};
use hythe_oci::{ImageName, is_input_tag};
use support::{digest, project};

/// Two stages, of which the image needs both, and one that it does not need.
const APP: &str = "\
ARG BASE=python:3.12
FROM golang:1.22 AS tool
COPY tool/ /src/
RUN go build -o /tool /src
FROM alpine AS docs
COPY docs /docs
FROM ${BASE}
ARG VERSION
COPY --from=tool /tool /bin/tool
COPY src /app
RUN --mount=type=bind,source=build.sh,target=/build.sh sh /build.sh $VERSION
";

fn app() -> support::Project {
    project(APP)
        .file("src/app.py", "print(1)\n")
        .file("src/run.sh", "#!/bin/sh\n")
        .file("src/sub/a.txt", "a\n")
        .link("src/link", "app.py")
        .file("tool/main.go", "package main\n")
        .file("docs/index.md", "# docs\n")
        .file("build.sh", "true\n")
        .file("notes.txt", "not copied\n")
        .file(".dockerignore", "*.log\n**/*.tmp\n")
        .arg("VERSION", "1")
}

#[test]
fn a_changed_file_that_is_copied_changes_the_key() {
    let changes = app().changes(|app| app.write("src/app.py", "print(2)\n"));
    assert_eq!(changes, ["src/app.py changed"]);
    let changes = app().changes(|app| app.write("tool/main.go", "package x\n"));
    assert_eq!(changes, ["tool/main.go changed"]);
}

#[test]
fn a_changed_file_that_a_command_mounts_changes_the_key() {
    let changes = app().changes(|app| app.write("build.sh", "false\n"));
    assert_eq!(changes, ["build.sh changed"]);
}

#[test]
fn an_added_and_a_removed_file_change_the_key() {
    assert_eq!(app().changes(|app| app.write("src/new.py", "")), ["src/new.py was added"]);
    let changes = app().changes(|app| fs::remove_file(app.path("src/run.sh")).unwrap());
    assert_eq!(changes, ["src/run.sh was removed"]);
}

#[test]
fn the_x_bit_changes_the_key() {
    let mut app = app();
    app.set_mode("src/run.sh", 0o644);
    assert_eq!(app.changes(|app| app.set_mode("src/run.sh", 0o755)), ["the x bit of src/run.sh changed"]);
}

#[test]
fn the_target_of_a_link_changes_the_key() {
    let changes = app().changes(|app| {
        fs::remove_file(app.path("src/link")).unwrap();
        symlink("run.sh", app.path("src/link")).unwrap();
    });
    assert_eq!(changes, ["the symbolic link src/link has another target"]);
}

#[test]
fn a_link_that_becomes_a_file_of_the_same_bytes_changes_the_key() {
    let changes = app().changes(|app| {
        fs::remove_file(app.path("src/link")).unwrap();
        fs::copy(app.path("src/app.py"), app.path("src/link")).unwrap();
    });
    assert_eq!(changes, ["src/link became another kind of file"]);
}

#[test]
fn a_renamed_file_and_a_file_that_moved_between_folders_change_the_key() {
    let rename = |app: &support::Project, to| fs::rename(app.path("src/app.py"), app.path(to)).unwrap();
    let changes = app().changes(|app| rename(app, "src/main.py"));
    assert_eq!(changes, ["src/app.py was renamed to src/main.py"]);
    let changes = app().changes(|app| rename(app, "src/sub/app.py"));
    assert_eq!(changes, ["src/app.py was renamed to src/sub/app.py"]);
}

#[test]
fn an_emptied_folder_changes_the_key_and_an_empty_folder_is_an_input() {
    let changes = app().changes(|app| fs::remove_file(app.path("src/sub/a.txt")).unwrap());
    assert_eq!(changes, ["src/sub/a.txt was removed"]);
    let changes = app().changes(|app| fs::create_dir(app.path("src/empty")).unwrap());
    assert_eq!(changes, ["src/empty was added"]);
}

#[test]
fn line_endings_are_bytes() {
    assert_eq!(app().changes(|app| app.write("src/app.py", "print(1)\r\n")), ["src/app.py changed"]);
}

#[test]
fn a_build_argument_that_is_declared_changes_the_key() {
    let set = |app: &mut support::Project, name: &str| drop(app.recipe.args.insert(name.into(), "2".into()));
    assert_eq!(app().changes(|app| set(app, "VERSION")), ["the build argument VERSION changed"]);
    assert!(app().changes(|app| set(app, "OTHER")).is_empty());
}

#[test]
fn a_build_argument_s_value_is_not_in_the_record() {
    let app = app().arg("VERSION", "hush-hush");
    let record = serde_json::to_string(app.keyed().record()).unwrap();
    assert!(!record.contains("hush-hush"));
}

#[test]
fn an_argument_of_a_from_changes_the_base() {
    let changes = app().changes(|app| drop(app.recipe.args.insert("BASE".into(), "python:3.13".into())));
    assert_eq!(
        changes,
        [
            "line 7 of the Dockerfile changed (FROM)",
            "the base docker.io/library/python:3.12 was removed",
            "the base docker.io/library/python:3.13 was added"
        ]
    );
}

#[test]
fn the_digest_of_a_base_changes_the_key() {
    for image in ["python:3.12", "golang:1.22"] {
        let name = image.parse::<ImageName>().unwrap().normalised();
        let changes = app().changes(|app| {
            app.digests.insert(name.clone(), digest("moved"));
        });
        let (was, now) = (digest(name.as_str()), digest("moved"));
        assert_eq!(changes, [format!("the base {name} moved from {was} to {now}")]);
    }
}

#[test]
fn an_instruction_of_a_needed_stage_changes_the_key() {
    let changes = app().changes(|app| app.write("Dockerfile", APP.replace("go build", "go build -v")));
    assert_eq!(changes, ["line 4 of the Dockerfile changed (RUN)"]);
    let changes = app().changes(|app| app.write("Dockerfile", format!("{APP}CMD [\"/bin/tool\"]\n")));
    assert_eq!(changes, ["line 12 of the Dockerfile changed (CMD)"]);
    let changes =
        app().changes(|app| app.write("Dockerfile", APP.replace("RUN go build -o /tool /src\n", "")));
    assert_eq!(changes, ["line 4 of the Dockerfile was removed (RUN)"]);
}

#[test]
fn the_target_the_platforms_and_labels_change_the_key() {
    let changes = app().changes(|app| app.recipe.target = Some("tool".to_owned()));
    assert_eq!(changes[0], "the target changed");
    let changes = app().changes(|app| app.recipe.platforms.push("linux/arm64".parse().unwrap()));
    assert_eq!(changes, ["the platforms changed"]);
    let changes = app().changes(|app| drop(app.recipe.labels.insert("a".into(), "b".into())));
    assert_eq!(changes, ["the label a changed"]);
}

#[test]
fn the_order_of_platforms_does_not_change_the_key() {
    let (mut one, mut other) = (app(), app());
    one.recipe.platforms = ["linux/amd64", "linux/arm64"].map(|text| text.parse().unwrap()).to_vec();
    other.recipe.platforms = ["linux/arm64", "linux/amd64"].map(|text| text.parse().unwrap()).to_vec();
    assert_eq!(one.keyed().key(), other.keyed().key());
}

#[test]
fn a_file_that_is_ignored_does_not_change_the_key() {
    assert!(app().changes(|app| app.write("src/sub/x.tmp", "x")).is_empty());
}

#[test]
fn a_file_outside_of_what_is_copied_does_not_change_the_key() {
    assert!(app().changes(|app| app.write("notes.txt", "other")).is_empty());
    assert!(app().changes(|app| app.write("new/file", "other")).is_empty());
}

#[test]
fn a_file_of_a_stage_that_is_not_needed_does_not_change_the_key() {
    assert!(app().changes(|app| app.write("docs/index.md", "other")).is_empty());
}

#[test]
fn an_instruction_of_a_stage_that_is_not_needed_does_not_change_the_key() {
    assert!(
        app().changes(|app| app.write("Dockerfile", APP.replace("/docs\n", "/docs\nRUN make\n"))).is_empty()
    );
}

#[test]
fn comments_blank_lines_and_the_case_of_keywords_do_not_change_the_key() {
    let text =
        format!("# a comment\n\n{}", APP.replace("COPY src", "\n# why\ncopy   src").replace('\n', "\r\n"));
    assert!(app().changes(|app| app.write("Dockerfile", text)).is_empty());
}

#[test]
fn times_and_mode_bits_other_than_the_owner_s_x_do_not_change_the_key() {
    let mut app = app();
    for (mode, other) in [(0o644, 0o664), (0o644, 0o600), (0o644, 0o4644)] {
        app.set_mode("src/app.py", mode);
        assert!(app.changes(|app| app.set_mode("src/app.py", other)).is_empty(), "{other:o}");
    }
    app.set_mode("src/run.sh", 0o755);
    assert!(app.changes(|app| app.set_mode("src/run.sh", 0o775)).is_empty());
    assert!(app.changes(|app| app.set_mode("src/sub", 0o700)).is_empty());
    let changes = app.changes(|app| {
        let file = fs::File::options().write(true).open(app.path("src/app.py")).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
    });
    assert!(changes.is_empty());
}

#[test]
fn another_clone_at_another_path_has_the_same_key() {
    assert_eq!(app().keyed().key(), app().keyed().key());
}

#[test]
fn an_inline_dockerfile_has_the_key_of_a_file() {
    let (file, mut inline) = (app(), app());
    inline.recipe.dockerfile = hythe_build::DockerfileSource::Inline(APP.to_owned());
    assert_eq!(file.keyed().key(), inline.keyed().key());
}

#[test]
fn a_context_reached_by_a_symbolic_link_has_the_same_key() {
    let mut app = app();
    let elsewhere = tempfile::tempdir().unwrap();
    let changes = app.changes(|app| {
        symlink(app.folder.path(), elsewhere.path().join("here")).unwrap();
        app.recipe.context = elsewhere.path().join("here");
    });
    assert!(changes.is_empty());
}

#[test]
fn another_ignore_file_that_selects_the_same_files_does_not_change_the_key() {
    assert!(app().changes(|app| app.write(".dockerignore", "*.log\n**/*.tmp\n# more\nnothing\n")).is_empty());
}

#[test]
fn an_ignore_file_that_excludes_a_file_changes_the_key() {
    let changes = app().changes(|app| app.write(".dockerignore", "src/run.sh\n"));
    assert_eq!(changes, ["src/run.sh was removed"]);
}

#[test]
fn an_ignore_file_and_a_dockerfile_that_are_copied_are_inputs() {
    let mut all = project("FROM scratch\nCOPY . /\n").file(".dockerignore", "*.log\n");
    assert_eq!(all.changes(|all| all.write(".dockerignore", "*.txt\n")), [".dockerignore changed"]);
    assert_eq!(
        all.changes(|all| all.write("Dockerfile", "FROM scratch\nCOPY . /\n#\n")),
        ["Dockerfile changed"]
    );
    let mut none = project("FROM scratch\nCOPY . /\n").file(".dockerignore", ".dockerignore\nDockerfile\n");
    assert!(none.changes(|none| none.write("Dockerfile", "FROM scratch\nCOPY . /\n#\n")).is_empty());
}

#[test]
fn the_dockerfile_s_own_ignore_file_wins() {
    let mut project = project("FROM scratch\nCOPY . /\n")
        .file("Dockerfile.dockerignore", "a\n*ignore\nDockerfile\n")
        .file(".dockerignore", "b\n")
        .file("a", "")
        .file("b", "");
    assert_eq!(project.files(), ["file b"]);
    assert!(project.changes(|project| project.write("a", "2")).is_empty());
}

#[test]
fn an_additional_context_is_an_input() {
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("x"), "1").unwrap();
    fs::write(other.path().join("y"), "1").unwrap();
    let mut project = project("FROM scratch\nCOPY --from=other x /\n")
        .context("other", ContextSource::Folder(other.path().to_owned()));
    assert_eq!(project.changes(|_| fs::write(other.path().join("x"), "2").unwrap()), ["other:x changed"]);
    assert!(project.changes(|_| fs::write(other.path().join("y"), "2").unwrap()).is_empty());
}

#[test]
fn a_key_has_a_reserved_tag() {
    let key = app().keyed().key();
    assert!(is_input_tag(&key.tag()));
    assert!(key.to_string().starts_with("sha256:"));
    assert!(key.digest().hex().starts_with(&key.tag().as_str()["in-".len()..]));
}

#[test]
fn a_record_is_kept_as_json() {
    let keyed = app().keyed();
    let json = serde_json::to_string(keyed.record()).unwrap();
    let record: hythe_build::Record = serde_json::from_str(&json).unwrap();
    assert_eq!(&record, keyed.record());
    assert_eq!(record.key(), keyed.key());
}

#[test]
fn stages_that_swap_their_bases_change_the_key() {
    let text =
        "ARG A=a\nARG B=b\nFROM $A AS x\nFROM $B AS y\nFROM scratch\nCOPY --from=x / /\nCOPY --from=y / /\n";
    let mut project = project(text);
    let changes = project.changes(|project| {
        project.recipe.args.insert("A".into(), "b".into());
        project.recipe.args.insert("B".into(), "a".into());
    });
    assert!(!changes.is_empty());
}

#[test]
fn a_number_that_names_another_stage_changes_the_key() {
    let (a, b, unused) = ("FROM a AS a\n", "FROM b AS b\n", "FROM c\n");
    let last = "FROM scratch\nCOPY --from=1 / /\nCOPY --from=a / /\nCOPY --from=b / /\n";
    let mut project = project(&[unused, a, b, last].concat());
    let changes = project.changes(|project| project.write("Dockerfile", [a, b, unused, last].concat()));
    assert_eq!(changes, ["line 5 of the Dockerfile changed (COPY)"]);
}

#[test]
fn a_cache_of_hashes_does_not_change_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let app = app();
    let open = || StatCache::open(folder.path(), app.folder.path());
    let key = app.keyed().key();
    for _ in 0..2 {
        let mut cache = open();
        assert_eq!(app.keyed_by_cache(&mut cache).key(), key);
        cache.save().unwrap();
    }
    // The same size, and soon after: without the rule about recent changes the old hash could be taken.
    app.write("src/app.py", "print(9)\n");
    assert_ne!(app.keyed_by_cache(&mut open()).key(), key);
}
