//! The text whose hash is the key. `docs/reference/input-key.md` specifies it; another text needs another format number.

use std::fmt::Write as _;

use super::{Entry, PlatformRecord, Record};
use crate::text::escape::escape;

pub(super) fn text(record: &Record) -> String {
    let mut text = format!("hythe-input-key {}\n", record.format);
    // Writing to a string cannot fail.
    let _ = write(&mut text, record);
    text
}

fn write(text: &mut String, record: &Record) -> std::fmt::Result {
    if let Some(hash) = &record.dockerfile {
        writeln!(text, "dockerfile {hash}")?;
    }
    if let Some(escape) = record.escape {
        writeln!(text, "escape {escape}")?;
    }
    if let Some(image) = &record.syntax {
        writeln!(text, "syntax {image}")?;
    }
    for (name, hash) in &record.labels {
        writeln!(text, "label {} {hash}", escape(name.as_bytes()))?;
    }
    for platform in &record.platforms {
        write_platform(text, platform)?;
    }
    for (context, files) in &record.contexts {
        let context = escape(context.as_bytes());
        for (path, entry) in files {
            match entry {
                Entry::File(hash) => writeln!(text, "file {context} {path} {hash}")?,
                Entry::Executable(hash) => writeln!(text, "executable {context} {path} {hash}")?,
                Entry::Link(target) => writeln!(text, "link {context} {path} {target}")?,
                Entry::Folder => writeln!(text, "folder {context} {path}")?,
                Entry::Special => writeln!(text, "special {context} {path}")?,
            }
        }
    }
    for (image, digest) in &record.bases {
        writeln!(text, "base {image} {digest}")?;
    }
    Ok(())
}

fn write_platform(text: &mut String, platform: &PlatformRecord) -> std::fmt::Result {
    writeln!(text, "platform {}", platform.platform)?;
    for (name, hash) in &platform.arguments {
        writeln!(text, "argument {} {hash}", escape(name.as_bytes()))?;
    }
    for stage in &platform.stages {
        match &stage.platform {
            Some(platform) => writeln!(text, "stage {} {}", stage.base, escape(platform.as_bytes()))?,
            None => writeln!(text, "stage {}", stage.base)?,
        }
        for instruction in &stage.instructions {
            write!(text, "instruction {}", instruction.hash)?;
            for source in &instruction.sources {
                write!(text, " {source}")?;
            }
            text.push('\n');
        }
    }
    Ok(())
}
