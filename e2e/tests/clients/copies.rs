//! `hythe copy` between registries of several kinds, layouts and archives, and other programs that read what it wrote.

use std::fs;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hythe_e2e::binary::{built_tool, hythe, tool};
use hythe_e2e::client::Client;
use hythe_e2e::command::{digest_in, program, run};
use hythe_e2e::engine::Engine;
use hythe_e2e::image::{MOTD, TAG, debian};
use hythe_e2e::issuer::Issuer;
use hythe_e2e::link::Link;
use hythe_e2e::repository::Repository;
use hythe_e2e::server::Server;
use hythe_e2e::upstream::{Access, Upstream};
use hythe_e2e::user::{PASSWORD, USER};
use tempfile::TempDir;

use crate::{lay_index, verify};

/// Runs `hythe` with the logins of `docker login` for these registries.
struct Hythe(TempDir);

impl Hythe {
    fn new(registries: &[SocketAddr]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let auth = STANDARD.encode(format!("{USER}:{PASSWORD}"));
        let logins: serde_json::Map<_, _> = registries
            .iter()
            .map(|registry| (registry.to_string(), serde_json::json!({ "auth": auth })))
            .collect();
        let config = serde_json::json!({ "auths": logins }).to_string();
        fs::write(folder.path().join("config.json"), config).expect("the folder is ours");
        Self(folder)
    }

    fn run(&self, words: &[&str]) -> String {
        run(program(hythe(), words).env("DOCKER_CONFIG", self.0.path()))
    }
}

#[test]
fn an_index_goes_between_registries_of_all_kinds_with_its_digest() {
    let (image, server) = (debian(), Server::start());
    let issuer = Issuer::start();
    let (open, basic) = (Upstream::start(Access::Anonymous), Upstream::start(Access::Basic));
    let token = Upstream::start(Access::Token(&issuer));
    let hythe = Hythe::new(&[basic.address(), token.address()]);
    let first = lay_index(&server, image, "first");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let layout = format!("oci:{}:multi", folder.path().join("layout").display());
    let archive = format!("archive:{}:multi", folder.path().join("image.tar").display());
    let at = |registry: SocketAddr| format!("{registry}/team/app:multi");
    // Each place is the source of the next copy, so each kind is read and written.
    let places = [
        first,
        at(token.address()),
        layout,
        at(basic.address()),
        archive,
        at(open.address()),
        at(server.address()),
    ];
    for pair in places.windows(2) {
        let copied = hythe.run(&["copy", &pair[0], &pair[1], "--output", "json"]);
        let copied: serde_json::Value = serde_json::from_str(&copied).expect("JSON");
        assert_eq!(copied["copied"][0]["digest"], image.index.to_string(), "{copied}");
        assert!(hythe.run(&["copy", &pair[0], &pair[1]]).contains(&image.index.to_string()));
    }
    assert_eq!(verify(&server, "team/app", "multi"), image.index);
    let mut client = Client::new(open.address());
    assert_eq!(Repository::new(&mut client, "team/app").verify("multi"), image.index);
    assert!(hythe.run(&["tags", &at(token.address()).replace(":multi", "")]).contains("multi"));
    assert!(hythe.run(&["inspect", &at(basic.address())]).contains("linux/"));
}

#[test]
fn a_copy_whose_connections_break_at_fifty_places_ends_whole() {
    let (image, server) = (debian(), Server::start());
    let hythe = Hythe::new(&[]);
    let distribution = Upstream::start(Access::Anonymous);
    let first = lay_index(&server, image, "first");
    let there = Link::to(distribution.address());
    let back = Link::to(server.address());
    // From hythe to distribution 3 the writes break, on the way back the reads.
    let ways = [
        (&there, first, format!("{}/app:multi", there.address())),
        (&there, format!("{}/app:multi", there.address()), format!("{}/copied:multi", server.address())),
        (&back, format!("{}/app:multi", distribution.address()), format!("{}/again:multi", back.address())),
    ];
    for (link, from, to) in ways {
        link.break_after((0..50).map(|number| 1 + number * 7919 % 900_000));
        hythe.run(&["copy", &from, &to, "--all", "--jobs", "2"]);
        assert_eq!(link.breaks_left(), 0, "all fifty breaks came");
    }
    for repository in ["copied", "again"] {
        assert_eq!(verify(&server, repository, "multi"), image.index);
    }
}

#[test]
fn other_programs_read_what_it_wrote() {
    let (image, server) = (debian(), Server::start());
    let hythe = Hythe::new(&[]);
    let source = format!("oci:{}:{TAG}", image.layout().display());
    let name = format!("{}/copies/debian:v1", server.address());
    hythe.run(&["copy", &source, &name]);
    assert_eq!(verify(&server, "copies/debian", "v1"), image.manifest);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let archive = folder.path().join("image.tar").display().to_string();
    hythe.run(&["copy", &name, &archive]);
    let inspected = program(tool("skopeo"), ["inspect", "--format", "{{.Digest}}"]);
    let inspected = { inspected }.arg(format!("oci-archive:{archive}:v1")).output().expect("skopeo runs");
    assert_eq!(digest_in(&String::from_utf8_lossy(&inspected.stdout)), image.manifest);
    let layout = folder.path().join("layout");
    hythe.run(&["copy", &name, &format!("oci:{}", layout.display())]);
    let pushed = format!("{}/crane/debian:v1", server.address());
    run(&mut program(built_tool("crane"), ["push", "--insecure", &layout.display().to_string(), &pushed]));
    assert_eq!(verify(&server, "crane/debian", "v1"), image.manifest);
    let docker = Engine::docker();
    run(docker.call(&["load", "--input"]).arg(&archive));
    assert_eq!(run(&mut docker.call(&["run", "--rm", "--network=none", &name])), MOTD);
    // And it reads what others wrote.
    let saved = folder.path().join("saved.tar").display().to_string();
    run(docker.call(&["save", "--output", &saved]).arg(&name));
    hythe.run(&["copy", &saved, &format!("{}/saved/debian", server.address())]);
    verify(&server, "saved/debian", "v1");
}
