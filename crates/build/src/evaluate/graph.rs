//! Which stages the target needs.

use std::collections::BTreeSet;

use crate::dockerfile::{Fault, Instruction, parse_trigger};
use crate::expand::{Variables, expand};
use crate::program::{Program, Stage};
use crate::recipe::Recipe;

use super::Failure;
use super::mount;
use super::origin::{self, Origin};

/// The stages that the target needs, for one platform.
pub(super) struct Graph<'a> {
    pub(super) program: &'a Program,
    pub(super) recipe: &'a Recipe,
    pub(super) globals: &'a Variables,
    /// The stages that the target needs, in the order of the Dockerfile.
    pub(super) needed: Vec<Node<'a>>,
    /// Their places in the Dockerfile.
    pub(super) places: Vec<usize>,
}

/// A stage that the target needs.
pub(super) struct Node<'a> {
    pub(super) place: usize,
    pub(super) stage: &'a Stage,
    pub(super) base: Origin,
    /// Whether the image is built on it.
    pub(super) is_final: bool,
    /// Its instructions with what they read by `--from`: first the `ONBUILD` instructions of its base, then its own.
    pub(super) instructions: Vec<(Instruction, Vec<Origin>)>,
}

impl<'a> Graph<'a> {
    pub(super) fn new(
        program: &'a Program,
        recipe: &'a Recipe,
        globals: &'a Variables,
    ) -> Result<Self, Failure> {
        let target = target(program, recipe)?;
        let mut graph = Self { program, recipe, globals, needed: Vec::new(), places: Vec::new() };
        let (mut open, mut seen) = (vec![(target, true)], BTreeSet::new());
        while let Some((place, is_final)) = open.pop() {
            if !seen.insert(place) {
                // A stage may be known before it turns out that the image is built on it.
                if is_final {
                    graph.mark_final(place);
                }
                continue;
            }
            let node = graph.node(place, is_final)?;
            open.extend(node.instructions.iter().flat_map(|(_, origins)| origins).filter_map(|origin| {
                let Origin::Stage(at) = origin else { return None };
                Some((*at, false))
            }));
            if let Origin::Stage(at) = node.base {
                open.push((at, is_final));
            }
            graph.needed.push(node);
        }
        graph.needed.sort_by_key(|node| node.place);
        graph.places = graph.needed.iter().map(|node| node.place).collect();
        Ok(graph)
    }

    fn mark_final(&mut self, place: usize) {
        let mut place = Some(place);
        while let Some(node) = place.and_then(|place| self.needed.iter_mut().find(|node| node.place == place))
        {
            node.is_final = true;
            place = if let Origin::Stage(at) = node.base { Some(at) } else { None };
        }
    }

    fn node(&self, place: usize, is_final: bool) -> Result<Node<'a>, Fault> {
        let stage = &self.program.stages[place];
        let fault = |message: String| Fault::new(stage.line, message);
        // A context with the name of a stage takes the stage's place.
        let replaced = stage.name.as_deref().and_then(|name| origin::context(name, self.recipe));
        if let Some(base) = replaced {
            return Ok(Node { place, stage, base, is_final, instructions: Vec::new() });
        }
        let name = expand(&stage.base, self.globals, self.program.escape).map_err(fault)?.text;
        if name.is_empty() {
            return Err(fault(format!("FROM names no image: `{}` is empty", stage.base)));
        }
        let base = origin::base(&name, place, self.program, self.recipe).map_err(fault)?;
        let instructions = self.triggers(stage, &base).into_iter().chain(stage.instructions.iter().cloned());
        let instructions = instructions.map(|instruction| {
            let origins = self.origins(&instruction, place)?;
            Ok((instruction, origins))
        });
        let instructions = instructions.collect::<Result<_, Fault>>()?;
        Ok(Node { place, stage, base, is_final, instructions })
    }

    /// The instructions that the base of a stage runs in it (`ONBUILD`).
    fn triggers(&self, stage: &Stage, base: &Origin) -> Vec<Instruction> {
        let escape = self.program.escape;
        match base {
            Origin::Stage(at) => {
                let of_base = self.program.stages[*at].instructions.iter();
                of_base.filter_map(|instruction| instruction.trigger(escape)).collect()
            }
            Origin::Image(image) => {
                let facts = self.recipe.images.get(image);
                let triggers = facts.map(|facts| facts.on_build.as_slice()).unwrap_or_default();
                triggers.iter().map(|text| parse_trigger(stage.line, text, escape)).collect()
            }
            Origin::Scratch | Origin::Folder(_) | Origin::Other(_) => Vec::new(),
        }
    }

    /// What an instruction reads by `--from`.
    fn origins(&self, instruction: &Instruction, place: usize) -> Result<Vec<Origin>, Fault> {
        let names: Vec<&str> = match instruction.keyword.as_str() {
            "COPY" => instruction.flag("from").filter(|name| !name.is_empty()).collect(),
            "RUN" => instruction.flag("mount").filter_map(mount::from).collect(),
            _ => Vec::new(),
        };
        let origins = names.into_iter().map(|name| {
            if name.contains('$') {
                return Err("variables are not expanded in `from`; name a stage whose FROM has the variable"
                    .to_owned());
            }
            origin::from(name, place, self.program, self.recipe)
        });
        origins.collect::<Result<_, _>>().map_err(|message| Fault::new(instruction.line, message))
    }
}

/// The stage to build.
fn target(program: &Program, recipe: &Recipe) -> Result<usize, Failure> {
    let stages = program.stages.len();
    let Some(target) = &recipe.target else { return Ok(stages - 1) };
    let by_number = || target.parse::<usize>().ok().filter(|at| *at < stages);
    program.stage_of_name(target, stages).or_else(by_number).ok_or_else(|| Failure::Target(target.clone()))
}
