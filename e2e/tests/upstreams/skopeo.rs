//! Skopeo, by path.

use hythe_e2e::binary::tool;
use hythe_e2e::command::{Output, program, run};
use hythe_e2e::image::{assert_layout, entry};
use hythe_e2e::server::Server;
use hythe_oci::Digest;

use crate::puller::{Puller, outcome};
use crate::site::path;

pub(crate) struct Skopeo<'s> {
    hythe: &'s Server,
}

impl<'s> Skopeo<'s> {
    pub(crate) fn new(hythe: &'s Server) -> Self {
        Self { hythe }
    }
}

impl Puller for Skopeo<'_> {
    fn name(&self) -> &'static str {
        "skopeo"
    }

    fn pull(&self, image: &str) -> Result<Digest, Output> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let layout = folder.path().join("image");
        let source = format!("docker://{}", path(self.hythe, image));
        let mut copy = program(tool("skopeo"), ["copy", "--src-tls-verify=false", &source]);
        outcome(copy.arg(format!("oci:{}:pulled", layout.display())))?;
        let digest = entry(&layout);
        assert_layout(&layout, &digest);
        Ok(digest)
    }

    fn push(&self, image: &str, to: &str) {
        let (from, to) = (format!("docker://{}", path(self.hythe, image)), format!("docker://{to}"));
        let flags = ["copy", "--src-tls-verify=false", "--dest-tls-verify=false"];
        run(program(tool("skopeo"), flags).args([from, to]));
    }
}
