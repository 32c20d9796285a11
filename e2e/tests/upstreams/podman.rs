//! Podman, which uses paths at hythe as mirrors of any registry.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use hythe_e2e::command::{Output, digest_in, run};
use hythe_e2e::store::Store;
use hythe_oci::Digest;

use crate::puller::{Puller, outcome};
use crate::site::{Site, path};

pub(crate) struct Podman {
    store: Store,
    registries: PathBuf,
}

impl Podman {
    pub(crate) fn new(site: &Site) -> Self {
        let store = Store::new("podman");
        let registries = store.folder().join("registries.conf");
        let upstreams = ["docker.io", "up.example", "basic.example", "token.example"];
        let text: String =
            upstreams.map(|upstream| registry(upstream, &path(&site.hythe, upstream))).concat();
        fs::write(&registries, text).expect("the folder is ours");
        Self { store, registries }
    }

    fn call(&self, arguments: &[&str]) -> Command {
        let mut command = self.store.call(arguments);
        command.env("CONTAINERS_REGISTRIES_CONF", &self.registries);
        command
    }
}

fn registry(location: &str, mirror: &str) -> String {
    format!(
        "[[registry]]\nlocation = \"{location}\"\n\n\
         [[registry.mirror]]\nlocation = \"{mirror}\"\ninsecure = true\n\n"
    )
}

impl Puller for Podman {
    fn name(&self) -> &'static str {
        "podman"
    }

    fn pull(&self, image: &str) -> Result<Digest, Output> {
        outcome(&mut self.call(&["pull", "--quiet", image]))?;
        Ok(digest_in(&run(&mut self.call(&["image", "inspect", "--format", "{{.Digest}}", image]))))
    }

    fn push(&self, image: &str, to: &str) {
        run(&mut self.call(&["push", "--tls-verify=false", image, to]));
    }
}
