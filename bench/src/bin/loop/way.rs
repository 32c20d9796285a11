//! The ways of an image from the engine to a node.

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use hythe_e2e::binary::{hythe, tool};
use hythe_e2e::command::{program, run};
use hythe_e2e::distribution;
use hythe_e2e::engine::Engine;
use hythe_e2e::process::Process;
use hythe_e2e::server::{Server, without_settings};
use tempfile::TempDir;

use crate::image::Context;

/// How Docker keeps images.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Store {
    /// In its own store, as Docker did before version 29, and does after an upgrade.
    Classic,
    /// In containerd's store.
    Containerd,
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Classic => "Docker's classic store",
            Self::Containerd => "containerd's store (Docker 29)",
        })
    }
}

/// The ways, as the table names them.
pub(crate) const SAVE: &str = "docker save, ctr import";
pub(crate) const DOCKER: &str = "docker push, registry 2.8, pull";
pub(crate) const HYTHE: &str = "hythe push, pull";
pub(crate) const BUILT: &str = "as hythe build builds, hythe push, pull";

impl Store {
    /// Which way is to be so many times as fast as which other one.
    pub(crate) fn bounds(self) -> &'static [(&'static str, &'static str, f64)] {
        match self {
            Self::Classic => &[(HYTHE, SAVE, 8.0), (HYTHE, DOCKER, 2.0)],
            Self::Containerd => &[(HYTHE, DOCKER, 1.0), (BUILT, DOCKER, 1.5)],
        }
    }
}

/// How the image leaves the engine.
enum Leave {
    Save,
    DockerPush(
        SocketAddr,
        #[allow(dead_code, reason = "ends with the value")] Process,
        #[allow(dead_code, reason = "ends with the value")] TempDir,
    ),
    HythePush(Server),
}

/// A way, with its own registry and node.
pub(crate) struct Way {
    name: &'static str,
    leave: Leave,
    /// Whether the image is built as `hythe build` does for a registry on the same machine: compressed with zstd.
    zstd: bool,
    node: Engine,
}

/// The stages of a way, with the time that each took.
pub(crate) type Stages = Vec<(&'static str, Duration)>;

impl Way {
    /// The ways that are measured on a store.
    pub(crate) fn all(store: Store) -> Vec<Self> {
        let way = |name, leave, zstd| Self { name, leave, zstd, node: Engine::containerd_1() };
        let docker = || {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let (process, address) = distribution::start(&tool("docker-registry"), folder.path());
            Leave::DockerPush(address, process, folder)
        };
        let hythe = || Leave::HythePush(Server::start());
        match store {
            Store::Classic => {
                vec![way(SAVE, Leave::Save, false), way(DOCKER, docker(), false), way(HYTHE, hythe(), false)]
            }
            Store::Containerd => {
                vec![way(DOCKER, docker(), false), way(HYTHE, hythe(), false), way(BUILT, hythe(), true)]
            }
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Builds the image, and measures its way to the node.
    pub(crate) fn run(&mut self, engine: &Engine, context: &Context) -> Stages {
        let image = match &self.leave {
            Leave::Save => "localhost/app:loop".to_owned(),
            Leave::DockerPush(address, ..) => format!("{address}/app:loop"),
            Leave::HythePush(server) => format!("{}/app:loop", server.address()),
        };
        self.build(engine, context, &image);
        // What the build left to write is not a part of the loop.
        run(&mut program(tool("sync"), [""; 0]));
        let mut stages = Stages::new();
        let mut stage = |name, command: &mut Command| {
            let begin = Instant::now();
            run(command);
            stages.push((name, begin.elapsed()));
        };
        let pull = ["images", "pull", "--plain-http", &image];
        match &self.leave {
            Leave::Save => {
                let archive = self.node.folder().join("image.tar");
                stage("save", engine.call(&["save", &image, "--output"]).arg(&archive));
                stage("import", self.node.call(&["images", "import"]).arg(&archive));
                fs::remove_file(archive).expect("it was written");
            }
            Leave::DockerPush(..) => {
                stage("push", &mut engine.call(&["push", &image]));
                stage("pull", &mut self.node.call(&pull));
            }
            Leave::HythePush(_) => {
                let mut push = program(hythe(), ["push", &image, "--engine", engine.address()]);
                without_settings(&mut push);
                stage("push", &mut push);
                stage("pull", &mut self.node.call(&pull));
            }
        }
        stages
    }

    fn build(&self, engine: &Engine, context: &Context, image: &str) {
        let mut build = if self.zstd {
            let output = format!(
                "type=image,name={image},compression=zstd,force-compression=true,oci-mediatypes=true"
            );
            engine.call(&["buildx", "build", "--provenance=false", "--output", &output])
        } else {
            engine.call(&["build", "--tag", image])
        };
        run(build.arg(context.path()));
    }
}
