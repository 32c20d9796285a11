//! The stages of a Dockerfile.

use crate::dockerfile::{Dockerfile, Fault, Instruction};

/// The instructions that BuildKit knows. Another one may read files in a way that is not known here.
const KEYWORDS: &[&str] = &[
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// A Dockerfile as stages.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) escape: char,
    pub(crate) syntax: Option<(usize, String)>,
    /// The `ARG`s before the first `FROM`.
    pub(crate) globals: Vec<Instruction>,
    /// At least one stage.
    pub(crate) stages: Vec<Stage>,
}

/// A stage: `FROM` and the instructions behind it.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) line: usize,
    /// What it is built on, with variables.
    pub(crate) base: String,
    /// `--platform`, with variables.
    pub(crate) platform: Option<String>,
    /// Its name in lower case.
    pub(crate) name: Option<String>,
    pub(crate) instructions: Vec<Instruction>,
}

impl Program {
    pub(crate) fn new(dockerfile: Dockerfile) -> Result<Self, Fault> {
        let Dockerfile { escape, syntax, instructions } = dockerfile;
        let (mut globals, mut stages) = (Vec::new(), Vec::<Stage>::new());
        for instruction in instructions {
            check(&instruction)?;
            match (instruction.keyword.as_str(), stages.last_mut()) {
                ("FROM", _) => stages.push(Stage::new(&instruction)?),
                (_, Some(stage)) => stage.instructions.push(instruction),
                ("ARG", None) => globals.push(instruction),
                (keyword, None) => {
                    return Err(Fault::new(
                        instruction.line,
                        format!("{keyword} comes before the first FROM"),
                    ));
                }
            }
        }
        if stages.is_empty() {
            return Err(Fault::new(1, "there is no FROM"));
        }
        Ok(Self { escape, syntax, globals, stages })
    }

    /// The last stage of a name among the first ones.
    pub(crate) fn stage_of_name(&self, name: &str, among: usize) -> Option<usize> {
        let name = name.to_ascii_lowercase();
        self.stages[..among].iter().rposition(|stage| stage.name.as_ref() == Some(&name))
    }
}

fn check(instruction: &Instruction) -> Result<(), Fault> {
    let keyword = instruction.keyword.as_str();
    let message = if !KEYWORDS.contains(&keyword) {
        format!("unknown instruction {keyword}")
    } else if instruction.arguments.is_empty() && !matches!(keyword, "CMD" | "ENTRYPOINT" | "VOLUME") {
        format!("{keyword} needs an argument")
    } else {
        return Ok(());
    };
    Err(Fault::new(instruction.line, message))
}

impl Stage {
    fn new(from: &Instruction) -> Result<Self, Fault> {
        let words = from.words();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (base, name) = match words[..] {
            [base] => (base, None),
            [base, word, name] if word.eq_ignore_ascii_case("as") => (base, Some(name.to_ascii_lowercase())),
            _ => return Err(Fault::new(from.line, "write `FROM IMAGE` or `FROM IMAGE AS NAME`")),
        };
        Ok(Self {
            line: from.line,
            base: base.to_owned(),
            platform: from.flag("platform").last().map(str::to_owned),
            name,
            instructions: Vec::new(),
        })
    }
}
