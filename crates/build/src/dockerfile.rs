//! Reads a Dockerfile into instructions, as BuildKit's parser does.

mod directive;
mod flags;
mod heredoc;
mod instruction;
mod lines;
mod words;

pub(crate) use heredoc::heredoc_name;
pub use instruction::Instruction;
pub(crate) use words::{name_values, parse_words};

/// A Dockerfile as instructions.
#[derive(Debug)]
pub(crate) struct Dockerfile {
    /// The character that joins lines and escapes others: a backslash or a backtick.
    pub(crate) escape: char,
    /// The frontend's image of `# syntax=`, and its line.
    pub(crate) syntax: Option<(usize, String)>,
    pub(crate) instructions: Vec<Instruction>,
}

/// A line that is not valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) line: usize,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn new(line: usize, message: impl Into<String>) -> Self {
        Self { line, message: message.into() }
    }
}

/// The instructions of a text that may be a Dockerfile. Faults are left out: a wrong directive, a here-document that does not end.
pub fn instructions(text: &str) -> Vec<Instruction> {
    let escape = directive::read(text).unwrap_or_default().escape.unwrap_or(ESCAPE);
    let mut instructions = Vec::new();
    let mut lines = lines::Lines::new(text, escape);
    while let Some((line, text)) = lines.next_instruction() {
        let instruction = Instruction::parse(line, &text, escape);
        for heredoc in instruction.heredocs_of_line() {
            let _ = lines.heredoc(line, &heredoc);
        }
        instructions.push(instruction);
    }
    instructions
}

/// The escape character of a Dockerfile that sets no other.
const ESCAPE: char = '\\';

/// Reads a Dockerfile.
pub(crate) fn parse(text: &str) -> Result<Dockerfile, Fault> {
    let directives = directive::read(text)?;
    let escape = directives.escape.unwrap_or(ESCAPE);
    let mut instructions = Vec::new();
    let mut lines = lines::Lines::new(text, escape);
    while let Some((line, text)) = lines.next_instruction() {
        let mut instruction = Instruction::parse(line, &text, escape);
        for heredoc in instruction.heredocs_of_line() {
            instruction.bodies.push(lines.heredoc(line, &heredoc)?);
        }
        instructions.push(instruction);
    }
    Ok(Dockerfile { escape, syntax: directives.syntax, instructions })
}

/// Reads an instruction of `ONBUILD`, which runs at the line of a `FROM`.
pub(crate) fn parse_trigger(line: usize, text: &str, escape: char) -> Instruction {
    Instruction::parse(line, text, escape)
}
