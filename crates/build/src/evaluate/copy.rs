//! What `COPY` and `ADD` read.

use crate::dockerfile::{Fault, Instruction, heredoc_name};
use crate::expand::{Variables, expand};
use crate::unknown::Unknown;

use super::Reads;
use super::remote::{Remote, names_commit, remote};
use super::want::{Source, Want};

/// Notes what a `COPY` or `ADD` reads of a context.
pub(super) fn read(
    instruction: &Instruction,
    context: &str,
    variables: &Variables,
    escape: char,
    reads: &mut Reads,
) -> Result<(), Fault> {
    let fault = |message: String| Fault::new(instruction.line, message);
    let words = instruction.words();
    let Some((_, sources)) = words.split_last().filter(|(_, sources)| !sources.is_empty()) else {
        return Err(fault(format!("{} needs a source and a destination", instruction.keyword)));
    };
    let exclude: Vec<String> = instruction.flag("exclude").map(str::to_owned).collect();
    let has_parents = instruction.flag("parents").any(|value| value != "false");
    for word in sources.iter().filter(|word| heredoc_name(word).is_none()) {
        let expanded = expand(word, variables, escape).map_err(fault)?;
        let path = expanded.text;
        if instruction.keyword == "ADD"
            && let Some(kind) = remote(&path)
        {
            read_remote(instruction, kind, path, reads);
            continue;
        }
        let source = if expanded.is_unknown {
            Source::Everything
        } else if has_parents {
            let (folder, pattern) = path.split_once("/./").unwrap_or(("", &path));
            Source::Parents {
                folder: folder.to_owned(),
                pattern: pattern.to_owned(),
                exclude: exclude.clone(),
            }
        } else {
            Source::Path { path, exclude: exclude.clone(), may_have_wildcards: true }
        };
        reads.want(Want { context: context.to_owned(), line: instruction.line, source });
    }
    Ok(())
}

/// Notes an address whose content is not known. With a checksum or a commit the instruction's text says what is behind it.
fn read_remote(instruction: &Instruction, kind: Remote, source: String, reads: &mut Reads) {
    let has_checksum = instruction.flag("checksum").any(|sum| !sum.is_empty());
    let reason = match kind {
        _ if has_checksum => return,
        Remote::Git if names_commit(&source) => return,
        Remote::Git => "the repository may have another commit now; add `--checksum` or name a commit",
        Remote::Http => "the server may send other bytes now; add `--checksum`",
    };
    reads.read_unknown(Unknown { line: instruction.line, source, reason: reason.to_owned() });
}
