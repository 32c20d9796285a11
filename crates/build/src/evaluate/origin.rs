//! What a stage is built on, or what `--from` names.

use hythe_oci::ImageName;

use crate::program::Program;
use crate::recipe::{ContextSource, Recipe};
use crate::text::escape::escape;

use super::remote::is_fixed_context;

/// What a stage is built on, or what `--from` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Nothing.
    Scratch,
    /// Another stage, by its place in the Dockerfile.
    Stage(usize),
    /// An image, under its full name.
    Image(ImageName),
    /// The folder of an additional context, by the context's name.
    Folder(String),
    /// An additional context whose content only the builder knows, as it was written.
    Other(String),
}

impl Origin {
    /// The origin in the text of a key. Stages are numbered among those that the target needs.
    pub(super) fn written(&self, needed: &[usize]) -> String {
        match self {
            Self::Scratch => "scratch".to_owned(),
            Self::Stage(at) => {
                // Each stage that a needed one reads is needed.
                let number = needed.iter().position(|stage| stage == at).unwrap_or_default();
                format!("stage:{number}")
            }
            Self::Image(image) => format!("image:{image}"),
            Self::Folder(name) => format!("context:{}", escape(name.as_bytes())),
            Self::Other(source) => format!("other:{}", escape(source.as_bytes())),
        }
    }

    /// The source that only the builder knows, if it is one.
    pub(super) fn unknown(&self) -> Option<&str> {
        match self {
            Self::Other(source) if !is_fixed_context(source) => Some(source),
            _ => None,
        }
    }
}

/// The origin that the base of a stage names. Only earlier stages have names here.
pub(super) fn base(name: &str, stage: usize, program: &Program, recipe: &Recipe) -> Result<Origin, String> {
    if let Some(at) = program.stage_of_name(name, stage) {
        return Ok(Origin::Stage(at));
    }
    if name == "scratch" {
        return Ok(Origin::Scratch);
    }
    context(name, recipe).map_or_else(|| image(name).map(Origin::Image), Ok)
}

/// The origin that `--from` names in a stage: a stage by name or number, a context, an image.
pub(super) fn from(name: &str, stage: usize, program: &Program, recipe: &Recipe) -> Result<Origin, String> {
    let by_number = || name.parse::<usize>().ok().filter(|at| *at < program.stages.len());
    match program.stage_of_name(name, program.stages.len()).or_else(by_number) {
        Some(at) if at < stage => Ok(Origin::Stage(at)),
        Some(_) => Err(format!("stage `{name}` is not defined before this instruction")),
        None => base(name, 0, program, recipe),
    }
}

/// The additional context of a name. Contexts have the names of images too, so that `alpine` and `docker.io/library/alpine` are one.
pub(super) fn context(name: &str, recipe: &Recipe) -> Option<Origin> {
    let full = |name: &str| name.parse::<ImageName>().ok().map(|name| name.normalised());
    let by_name = || recipe.contexts.get_key_value(name);
    let by_image = || {
        let wanted = full(name)?;
        recipe.contexts.iter().find(|(name, _)| full(name).as_ref() == Some(&wanted))
    };
    let (name, source) = by_name().or_else(by_image)?;
    Some(match source {
        ContextSource::Folder(_) => Origin::Folder(name.clone()),
        ContextSource::Image(image) => Origin::Image(image.normalised()),
        ContextSource::Other(source) => Origin::Other(source.clone()),
    })
}

/// The full name of an image.
pub(super) fn image(name: &str) -> Result<ImageName, String> {
    name.parse::<ImageName>().map(|name| name.normalised()).map_err(|error| error.to_string())
}
