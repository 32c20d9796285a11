//! Follows the instructions of the needed stages: what they set and what they read.

use std::collections::BTreeMap;

use hythe_oci::{Algorithm, Digest, Platform};

use crate::base::Use;
use crate::dockerfile::{Fault, Instruction, name_values, parse_words};
use crate::expand::{Expanded, Variables, expand};
use crate::record::{InstructionRecord, PlatformRecord, StageRecord};
use crate::unknown::Unknown;

use super::graph::{Graph, Node};
use super::origin::Origin;
use super::want::{MAIN, Source, Want};
use super::{Reads, copy, globals, mount};

/// What BuildKit sets as `PATH` if the base does not.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Follows the needed stages for one platform.
pub(super) fn evaluate(
    graph: &Graph<'_>,
    platform: &Platform,
    reads: &mut Reads,
) -> Result<PlatformRecord, Fault> {
    let mut arguments = BTreeMap::new();
    let (mut stages, mut of_stages) = (Vec::new(), BTreeMap::<usize, Variables>::new());
    for node in &graph.needed {
        let (written_platform, own) = platform_of(graph, node, platform)?;
        let purpose = if node.is_final { Use::Final } else { Use::Stage };
        read_origin(&node.base, Some(&own), purpose, node.stage.line, reads);
        if let Origin::Folder(name) = &node.base {
            let (context, line) = (name.clone(), node.stage.line);
            reads.want(Want { context, line, source: Source::Everything });
        }
        let variables = match &node.base {
            Origin::Stage(at) => of_stages.get(at).cloned().unwrap_or_else(Variables::open),
            base => variables_of(graph, base),
        };
        let mut walk = Walk { graph, platform, variables, arguments: &mut arguments, reads };
        let mut instructions = Vec::new();
        for (instruction, origins) in &node.instructions {
            walk.follow(instruction, origins)?;
            instructions.push(InstructionRecord {
                line: instruction.line,
                keyword: instruction.keyword.clone(),
                hash: Digest::of(Algorithm::Sha256, instruction.normalised().as_bytes()),
                sources: origins.iter().map(|origin| origin.written(&graph.places)).collect(),
            });
        }
        of_stages.insert(node.place, walk.variables);
        let base = node.base.written(&graph.places);
        stages.push(StageRecord { line: node.stage.line, base, platform: written_platform, instructions });
    }
    Ok(PlatformRecord { platform: platform.to_string(), arguments, stages })
}

/// `--platform` of a stage as it enters the key, and the platform that it means.
fn platform_of(
    graph: &Graph<'_>,
    node: &Node<'_>,
    target: &Platform,
) -> Result<(Option<String>, Platform), Fault> {
    let Some(written) = &node.stage.platform else { return Ok((None, target.clone())) };
    let fault = |message: String| Fault::new(node.stage.line, message);
    let text_by = |globals: &Variables| expand(written, globals, graph.program.escape).map_err(fault);
    let text = text_by(graph.globals)?.text;
    let platform = text.parse::<Platform>().map_err(|why| fault(format!("platform `{text}`: {why}")))?;
    let entered = text_by(&globals::without_machine(graph.globals, graph.recipe))?.text;
    Ok((Some(entered), platform))
}

/// The variables that a base sets.
fn variables_of(graph: &Graph<'_>, base: &Origin) -> Variables {
    let mut variables = Variables::closed();
    variables.set("PATH", Some(PATH.to_owned()));
    match base {
        Origin::Other(_) => return Variables::open(),
        Origin::Image(image) => {
            let Some(facts) = graph.recipe.images.get(image) else { return Variables::open() };
            for entry in &facts.env {
                let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
                variables.set(name, Some(value.to_owned()));
            }
        }
        Origin::Scratch | Origin::Stage(_) | Origin::Folder(_) => {}
    }
    variables
}

fn read_origin(origin: &Origin, platform: Option<&Platform>, purpose: Use, line: usize, reads: &mut Reads) {
    if let Origin::Image(image) = origin {
        reads.read_image(image.clone(), platform, purpose);
    } else if let Some(source) = origin.unknown() {
        let reason = "only the builder reads this context; it may have other content now".to_owned();
        reads.read_unknown(Unknown { line, source: source.to_owned(), reason });
    }
}

/// The state between two instructions of a stage.
struct Walk<'a> {
    graph: &'a Graph<'a>,
    /// The target's: `--from` reads images of it, whatever the stage's own is.
    platform: &'a Platform,
    variables: Variables,
    arguments: &'a mut BTreeMap<String, Digest>,
    reads: &'a mut Reads,
}

impl Walk<'_> {
    fn follow(&mut self, instruction: &Instruction, origins: &[Origin]) -> Result<(), Fault> {
        for origin in origins {
            read_origin(origin, Some(self.platform), Use::Copy, instruction.line, self.reads);
        }
        let escape = self.graph.program.escape;
        match instruction.keyword.as_str() {
            "ARG" => self.declare(instruction),
            "ENV" => {
                let pairs = name_values(&instruction.arguments, escape);
                let expanded = pairs.iter().map(|(name, value)| {
                    Ok((self.expand(name, instruction)?, self.expand(value, instruction)?))
                });
                for (name, value) in expanded.collect::<Result<Vec<_>, Fault>>()? {
                    self.variables.set(name.text, (!value.is_unknown).then_some(value.text));
                }
                Ok(())
            }
            "COPY" | "ADD" => match origins {
                [] => copy::read(instruction, MAIN, &self.variables, escape, self.reads),
                [Origin::Folder(name)] => copy::read(instruction, name, &self.variables, escape, self.reads),
                _ => Ok(()),
            },
            "RUN" => self.mounts(instruction, origins),
            _ => Ok(()),
        }
    }

    fn expand(&self, word: &str, instruction: &Instruction) -> Result<Expanded, Fault> {
        let expanded = expand(word, &self.variables, self.graph.program.escape);
        expanded.map_err(|message| Fault::new(instruction.line, message))
    }

    /// Follows an `ARG`: the value that the builder is given wins, then the default, then the global argument.
    fn declare(&mut self, instruction: &Instruction) -> Result<(), Fault> {
        for word in parse_words(&instruction.arguments, self.graph.program.escape) {
            let (name, default) = word.split_once('=').map_or((word.as_str(), None), |(n, v)| (n, Some(v)));
            let given = self.graph.recipe.args.get(name).map(String::as_str);
            let inherited = self.graph.globals.known(name).filter(|_| default.is_none());
            if let Some(value) = given.or(inherited) {
                if given.is_some() || !globals::is_platform_argument(name) {
                    let hash = Digest::of(Algorithm::Sha256, value.as_bytes());
                    self.arguments.insert(name.to_owned(), hash);
                }
                self.variables.set(name, Some(value.to_owned()));
            } else if let Some(default) = default {
                let value = self.expand(default, instruction)?;
                self.variables.set(name, (!value.is_unknown).then_some(value.text));
            }
        }
        Ok(())
    }

    /// Notes the files that the mounts of a `RUN` show.
    fn mounts(&mut self, instruction: &Instruction, origins: &[Origin]) -> Result<(), Fault> {
        let mut origins = origins.iter();
        for text in instruction.flag("mount") {
            let origin = mount::from(text).and_then(|_| origins.next());
            let mount = mount::read(text, &self.variables, self.graph.program.escape);
            let mount = mount.map_err(|message| Fault::new(instruction.line, message))?;
            let context = match origin {
                None if mount.is_bind => MAIN.to_owned(),
                Some(Origin::Folder(name)) => name.clone(),
                _ => continue,
            };
            let source = if mount.source.is_unknown {
                Source::Everything
            } else {
                Source::Path { path: mount.source.text, exclude: Vec::new(), may_have_wildcards: false }
            };
            self.reads.want(Want { context, line: instruction.line, source });
        }
        Ok(())
    }
}
