//! Finds what a build reads: for each platform, the stages that the target needs, and what their instructions read.

mod copy;
mod globals;
mod graph;
mod mount;
mod origin;
mod remote;
mod stage;
mod want;

use hythe_oci::{ImageName, Platform};

pub(crate) use want::{MAIN, Source, Want};

use crate::base::{Base, Use};
use crate::dockerfile::Fault;
use crate::program::Program;
use crate::recipe::Recipe;
use crate::record::PlatformRecord;
use crate::unknown::Unknown;

/// What a build reads.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    pub(crate) platforms: Vec<PlatformRecord>,
    pub(crate) wants: Vec<Want>,
    pub(crate) bases: Vec<Base>,
    pub(crate) unknown: Vec<Unknown>,
}

/// Why a build cannot be evaluated.
#[derive(Debug)]
pub(crate) enum Failure {
    Fault(Fault),
    /// There is no such target.
    Target(String),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Finds what a build for some platforms reads.
pub(crate) fn evaluate(program: &Program, recipe: &Recipe, platforms: &[Platform]) -> Result<Reads, Failure> {
    let mut reads = Reads::default();
    if let Some((line, image)) = syntax(program, recipe) {
        let image = origin::image(&image).map_err(|message| Fault::new(line, message))?;
        reads.read_image(image, None, Use::Syntax);
    }
    for platform in platforms {
        let globals = globals::evaluate(program, recipe, platform)?;
        let graph = graph::Graph::new(program, recipe, &globals)?;
        let record = stage::evaluate(&graph, platform, &mut reads)?;
        reads.platforms.push(record);
    }
    Ok(reads)
}

/// The frontend's image: the builder's argument wins over the Dockerfile's first line.
pub(crate) fn syntax(program: &Program, recipe: &Recipe) -> Option<(usize, String)> {
    let argument = recipe.args.get("BUILDKIT_SYNTAX").and_then(|value| value.split_whitespace().next());
    argument.map(|image| (1, image.to_owned())).or_else(|| program.syntax.clone())
}

impl Reads {
    fn read_image(&mut self, image: ImageName, platform: Option<&Platform>, purpose: Use) {
        let at = self.bases.iter().position(|base| base.image == image).unwrap_or_else(|| {
            self.bases.push(Base { image, platforms: Vec::new(), uses: Vec::new() });
            self.bases.len() - 1
        });
        let base = &mut self.bases[at];
        base.platforms.extend(platform.filter(|platform| !base.platforms.contains(platform)).cloned());
        if !base.uses.contains(&purpose) {
            base.uses.push(purpose);
        }
    }

    fn read_unknown(&mut self, unknown: Unknown) {
        if !self.unknown.contains(&unknown) {
            self.unknown.push(unknown);
        }
    }

    fn want(&mut self, want: Want) {
        if !self.wants.contains(&want) {
            self.wants.push(want);
        }
    }
}
