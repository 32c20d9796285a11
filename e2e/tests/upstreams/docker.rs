//! Docker: its mirror is hythe's listener for docker.io; it reaches other upstreams by path.

use hythe_e2e::command::{Output, digest_in, run};
use hythe_e2e::engine::Engine;
use hythe_e2e::server::Server;
use hythe_oci::Digest;

use crate::puller::{Puller, outcome};
use crate::site::{Site, path};

pub(crate) struct Docker {
    engine: Engine,
    /// The prefix of other upstreams' names: `127.0.0.1:PORT/`.
    before: String,
}

impl Docker {
    pub(crate) fn new(site: &Site) -> Self {
        Self::with_mirror(&format!("127.0.0.1:{}", site.mirror), &site.hythe)
    }

    /// Uses `mirror` as Docker Hub's mirror.
    pub(crate) fn with_mirror(mirror: &str, hythe: &Server) -> Self {
        let configuration = format!(r#"{{ "registry-mirrors": ["http://{mirror}"] }}"#);
        Self { engine: Engine::docker_with(&configuration), before: path(hythe, "") }
    }

    fn reference(&self, image: &str) -> String {
        if image.starts_with("docker.io/") { image.to_owned() } else { format!("{}{image}", self.before) }
    }
}

impl Puller for Docker {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn pull(&self, image: &str) -> Result<Digest, Output> {
        let pulled = outcome(&mut self.engine.call(&["pull", &self.reference(image)]))?;
        Ok(digest_in(pulled.rsplit_once("Digest: ").expect("pull prints the digest").1))
    }

    fn push(&self, image: &str, to: &str) {
        run(&mut self.engine.call(&["tag", &self.reference(image), to]));
        run(&mut self.engine.call(&["push", to]));
    }
}
