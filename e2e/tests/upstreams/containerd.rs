//! containerd, which names the upstream in `?ns=`.

use std::fs;

use hythe_e2e::command::{Output, digest_in, run};
use hythe_e2e::engine::Engine;
use hythe_oci::Digest;

use crate::puller::{Puller, outcome};
use crate::site::Site;

pub(crate) struct Containerd {
    name: &'static str,
    engine: Engine,
}

impl Containerd {
    /// Debian's version.
    pub(crate) fn first(site: &Site) -> Self {
        Self::new("containerd-1", Engine::containerd_1(), site)
    }

    /// The newest version.
    pub(crate) fn second(site: &Site) -> Self {
        Self::new("containerd-2", Engine::containerd_2(), site)
    }

    fn new(name: &'static str, engine: Engine, site: &Site) -> Self {
        for upstream in ["docker.io", "up.example", "basic.example", "token.example"] {
            let folder = engine.folder().join("certs.d").join(upstream);
            fs::create_dir_all(&folder).expect("the folder is ours");
            // The server that containerd asks last does not exist, so every byte comes through hythe.
            let text = format!(
                "server = \"http://127.0.0.1:1\"\n\n[host.\"http://{}\"]\ncapabilities = [\"pull\", \"resolve\"]\n",
                site.hythe.address()
            );
            fs::write(folder.join("hosts.toml"), text).expect("the folder is ours");
        }
        Self { name, engine }
    }
}

impl Puller for Containerd {
    fn name(&self) -> &'static str {
        self.name
    }

    fn pull(&self, image: &str) -> Result<Digest, Output> {
        let hosts = self.engine.folder().join("certs.d");
        outcome(self.engine.call(&["images", "pull", "--hosts-dir"]).arg(hosts).arg(image))?;
        let listed = run(&mut self.engine.call(&["images", "ls", &format!("name=={image}")]));
        let line = listed.lines().find(|line| line.starts_with(image));
        let line = line.unwrap_or_else(|| panic!("the pulled image is not listed: {listed}"));
        // Skips the name, which may contain a digest too.
        Ok(digest_in(&line[image.len()..]))
    }

    fn push(&self, image: &str, to: &str) {
        run(&mut self.engine.call(&["images", "tag", image, to]));
        run(&mut self.engine.call(&["images", "push", "--plain-http", to]));
    }
}
