//! crane, by path.

use hythe_e2e::binary::built_tool;
use hythe_e2e::command::{Output, program, run};
use hythe_e2e::image::{assert_layout, entry};
use hythe_e2e::server::Server;
use hythe_oci::Digest;

use crate::puller::{Puller, outcome};
use crate::site::path;

pub(crate) struct Crane<'s> {
    hythe: &'s Server,
}

impl<'s> Crane<'s> {
    pub(crate) fn new(hythe: &'s Server) -> Self {
        Self { hythe }
    }
}

impl Puller for Crane<'_> {
    fn name(&self) -> &'static str {
        "crane"
    }

    fn pull(&self, image: &str) -> Result<Digest, Output> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let layout = folder.path().join("image");
        let mut pull = program(built_tool("crane"), ["pull", "--format=oci", &path(self.hythe, image)]);
        outcome(pull.arg(&layout))?;
        let digest = entry(&layout);
        assert_layout(&layout, &digest);
        Ok(digest)
    }

    fn push(&self, image: &str, to: &str) {
        run(&mut program(built_tool("crane"), ["copy", &path(self.hythe, image), to]));
    }
}
