//! The images of Compose files (Compose specification): of services, of the services that they extend, and of included
//! files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hythe_yaml::{Content, Node, Scalar};

use super::Reader;
use super::dockerfile;
use super::found::{FileLine, Found, Unread};
use super::name::{Trust, name};
use crate::commands::interpolate::{Variables, add_env_file, interpolate};

/// The file with variables beside a Compose file.
const ENV_FILE: &str = ".env";

/// Levels of services that extend services. Real files nest less deeply.
const MAX_DEPTH: usize = 16;

/// A file, with its document and the variables in effect in it.
#[derive(Clone)]
struct ComposeFile {
    file: Arc<str>,
    document: Node,
    variables: Variables,
}

impl ComposeFile {
    fn place(&self, line: usize) -> FileLine {
        FileLine { file: Arc::clone(&self.file), line }
    }

    /// A path that this file names, relative to its folder.
    fn path(&self, path: &str) -> Result<PathBuf, String> {
        let path = interpolate(path, &self.variables)?;
        Ok(folder(&self.file).join(path))
    }
}

fn folder(file: &str) -> PathBuf {
    Path::new(file).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Reads a document of a Compose file.
pub(super) fn read(reader: &mut Reader<'_>, file: &Arc<str>, document: &Node) {
    let mut variables = reader.variables();
    add_file(&mut variables, &folder(file).join(ENV_FILE));
    read_with(reader, file, document, variables);
}

/// Adds a file's variables. A missing file is no error: few folders have such a file.
fn add_file(variables: &mut Variables, path: &Path) {
    if let Ok(text) = std::fs::read_to_string(path) {
        add_env_file(variables, &text);
    }
}

fn read_with(reader: &mut Reader<'_>, file: &Arc<str>, document: &Node, variables: Variables) {
    reader.reading.documents += 1;
    reader.reading.understood += 1;
    let source = ComposeFile { file: Arc::clone(file), document: document.clone(), variables };
    for entry in document.child("services").map(Node::entries).unwrap_or_default() {
        service(reader, &source, &entry.value);
    }
    match document.child("include").map(|include| &*include.content) {
        Some(Content::List { items, .. }) => items.iter().for_each(|item| include(reader, &source, item)),
        Some(Content::Scalar(_)) => {
            if let Some(item) = document.child("include") {
                include(reader, &source, item);
            }
        }
        Some(Content::Map { .. }) | None => {}
    }
}

/// `include: [FILE, {path: FILE or list, env_file: …}]`.
fn include(reader: &mut Reader<'_>, source: &ComposeFile, item: &Node) {
    let texts = |node: &Node| match &*node.content {
        Content::Scalar(scalar) => vec![scalar.clone()],
        Content::List { items, .. } => items.iter().filter_map(|item| item.scalar().cloned()).collect(),
        Content::Map { .. } => Vec::new(),
    };
    let paths = item.child("path").map_or_else(|| texts(item), texts);
    let env_files = item.child("env_file").map(texts).unwrap_or_default();
    for Scalar { text, line, .. } in paths {
        let followed = source.path(&text).and_then(|path| {
            let mut variables = source.variables.clone();
            for env_file in &env_files {
                add_file(&mut variables, &source.path(&env_file.text)?);
            }
            add_file(&mut variables, &path.with_file_name(ENV_FILE));
            reader
                .follow(&path, |reader, file, document| read_with(reader, file, document, variables.clone()))
        });
        if let Err(why) = followed {
            reader.reading.miss(source.place(line), format!("cannot follow `include` of `{text}`: {why}"));
        }
    }
}

/// Reads a service and the services that it extends. A key of the service overrides those of the services it extends.
fn service(reader: &mut Reader<'_>, source: &ComposeFile, service: &Node) {
    let mut chain = vec![(source.clone(), service.clone())];
    while let Some((source, service)) = chain.last().cloned() {
        let Some(extends) = service.child("extends").filter(|_| chain.len() <= MAX_DEPTH) else { break };
        let name = extends.scalar().and_then(|scalar| scalar.value()).or_else(|| extends.text("service"));
        let Some(name) = name else { break };
        match extended(reader, &source, extends, name) {
            Ok(base) => chain.push(base),
            Err(why) => {
                let line = line_of(extends).unwrap_or(1);
                reader.reading.miss(source.place(line), format!("cannot follow `extends`: {why}"));
                break;
            }
        }
    }
    let first = |key: &str| {
        chain.iter().find_map(|(source, service)| {
            let value = service.child(key)?;
            // `!reset` removes a value: the key counts as not written.
            let written = value.scalar().is_none_or(|scalar| scalar.value().is_some());
            written.then(|| (source, value.clone()))
        })
    };
    let policy = first("pull_policy")
        .and_then(|(source, value)| interpolate(value.scalar()?.value()?, &source.variables).ok());
    let policy = policy.unwrap_or_default();
    let build = first("build");
    let reason = match policy.as_str() {
        "build" => Some("`pull_policy: build`: it is built, not pulled"),
        "never" => Some("`pull_policy: never`: it is not pulled"),
        "" if build.is_some() => Some("its service has `build`: it is built, not pulled"),
        _ => None,
    };
    if let Some((source, image)) = first("image")
        && let Some(scalar) = image.scalar()
        && let Some(text) = scalar.word()
    {
        match reason {
            Some(reason) => reader.reading.pass(text, source.place(scalar.line), reason, false),
            None => take(reader, source, scalar, "image"),
        }
    }
    if let Some((source, build)) = &build {
        bases(reader, source, build);
    }
    for (source, service) in &chain {
        for volume in service.child("volumes").map(Node::items).unwrap_or_default() {
            if let (Some("image"), Some(scalar)) =
                (volume.text("type"), volume.child("source").and_then(|at| at.scalar()))
            {
                take(reader, source, scalar, "a volume");
            }
        }
    }
}

/// The base images of a built service, as far as the Compose file itself names them.
fn bases(reader: &mut Reader<'_>, source: &ComposeFile, build: &Node) {
    if let Some(inline) = build.child("dockerfile_inline").and_then(|inline| inline.scalar()) {
        let text = interpolate(&inline.text, &source.variables).unwrap_or_else(|_| inline.text.clone());
        dockerfile::read(&mut reader.reading, &source.file, &text, inline.line + 1);
    }
    for entry in build.child("additional_contexts").map(Node::entries).unwrap_or_default() {
        if let Some(scalar) = entry.value.scalar().filter(|scalar| scalar.text.starts_with("docker-image://"))
        {
            take(reader, source, scalar, "a context");
        }
    }
}

fn extended(
    reader: &mut Reader<'_>,
    source: &ComposeFile,
    extends: &Node,
    name: &str,
) -> Result<(ComposeFile, Node), String> {
    let named =
        |document: &Node| document.child("services").and_then(|services| services.child(name)).cloned();
    let Some(file) = extends.text("file") else {
        let base = named(&source.document).ok_or_else(|| format!("this file has no service `{name}`"))?;
        return Ok((source.clone(), base));
    };
    let path = source.path(file)?;
    let documents = reader.open(&path)?;
    let (document, base) = documents
        .iter()
        .find_map(|document| Some((document, named(document)?)))
        .ok_or_else(|| format!("{} has no service `{name}`", path.display()))?;
    let file = Arc::from(path.display().to_string());
    Ok((ComposeFile { file, document: document.clone(), variables: source.variables.clone() }, base))
}

fn line_of(node: &Node) -> Option<usize> {
    match &*node.content {
        Content::Scalar(scalar) => Some(scalar.line),
        Content::Map { entries, .. } => entries.first().map(|entry| entry.key.start.line),
        Content::List { items, .. } => line_of(items.first()?),
    }
}

fn take(reader: &mut Reader<'_>, source: &ComposeFile, scalar: &Scalar, rule: &'static str) {
    let place = source.place(scalar.line);
    let whole = match interpolate(&scalar.text, &source.variables) {
        Ok(whole) => whole,
        // The missing variable is no fault of the file: the user sets it when running Compose.
        Err(why) => {
            let reason = format!("`{}`: {why}", scalar.text);
            reader.reading.unread.push(Unread { text: Some(scalar.text.clone()), place, reason });
            return;
        }
    };
    match name(&whole, Trust::Certain) {
        Ok(name) => reader.reading.found.push(Found { text: name.to_owned(), place, rule }),
        Err(not) => {
            reader.reading.unread.push(Unread { text: Some(whole), place, reason: not.reason });
        }
    }
}
