//! The services of a Compose file that are built (Compose specification, Build).
//!
//! `docker compose config` reads the file, if Docker's Compose is installed: it belongs to the format's owner. Otherwise hythe reads
//! the file itself ([`own`]). Both give one JSON model.

mod own;
mod program;
mod value;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::config::Environment;
use crate::failure::{BuildError, Failure};

/// The usual names of a Compose file, the preferred one first.
const NAMES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];

/// Keys of `build` that hythe uses, or that change nothing in the image.
const KNOWN: [&str; 16] = [
    "context",
    "dockerfile",
    "dockerfile_inline",
    "args",
    "target",
    "platforms",
    "additional_contexts",
    "secrets",
    "ssh",
    "labels",
    "tags",
    "network",
    "no_cache",
    "pull",
    "provenance",
    "sbom",
];

/// An application: the services of a Compose file that are built.
#[derive(Debug)]
pub(super) struct App {
    /// The project's name.
    pub(super) name: String,
    /// The services, in the order of their names.
    pub(super) services: Vec<Service>,
    /// What hythe does not use, for a warning.
    pub(super) warnings: Vec<String>,
}

/// A service that is built.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) image: Option<String>,
    pub(super) tags: Vec<String>,
    /// A folder, or the address of a repository.
    pub(super) context: String,
    pub(super) dockerfile: Option<String>,
    pub(super) inline: Option<String>,
    /// Build arguments; those without a value have that of the environment.
    pub(super) args: BTreeMap<String, Option<String>>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) target: Option<String>,
    pub(super) platforms: Vec<String>,
    pub(super) contexts: BTreeMap<String, String>,
    pub(super) secrets: Vec<String>,
    pub(super) ssh: Vec<String>,
    pub(super) network: Option<String>,
}

/// The Compose file of a folder, if it has one.
pub(super) fn file_in(folder: &Path) -> Option<PathBuf> {
    NAMES.iter().map(|name| folder.join(name)).find(|path| path.is_file())
}

/// Whether a file's name is that of a Compose file, not of a Dockerfile.
pub(super) fn is_file_name(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "yaml" || end == "yml")
}

/// Reads the services of a Compose file that are built. `explicit` says that the user named the file: then no override file beside
/// it counts. `all` reads also the services of profiles that are not active.
pub(super) fn read(
    file: &Path,
    explicit: bool,
    all: bool,
    environment: &Environment,
) -> Result<App, Failure> {
    let file = std::path::absolute(file).map_err(|error| BuildError::compose(file, error))?;
    let folder = file.parent().unwrap_or(Path::new("/")).to_owned();
    let (document, mut warnings) = match program::read(&file, explicit, all)? {
        Some(document) => (document, Vec::new()),
        None => {
            own::read(&file, explicit, all, environment).map_err(|why| BuildError::compose(&file, why))?
        }
    };
    let mut app = app(&document, &folder).map_err(|why| BuildError::compose(&file, why))?;
    warnings.append(&mut app.warnings);
    Ok(App { warnings, ..app })
}

/// The services of a document of the Compose specification, with short and long forms. Relative paths start at the folder.
fn app(document: &Value, folder: &Path) -> Result<App, String> {
    let named = document["name"].as_str().map(project_name);
    let base = folder.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let name = named.filter(|name| !name.is_empty()).unwrap_or_else(|| project_name(&base));
    let (mut services, mut warnings) = (Vec::new(), Vec::new());
    let none = Map::new();
    for (name, service) in document["services"].as_object().unwrap_or(&none) {
        let build = &service["build"];
        if build.is_null() {
            continue;
        }
        let service_of = Service {
            name: name.clone(),
            image: text(&service["image"]),
            ..built(build, &document["secrets"], folder).map_err(|why| format!("service {name}: {why}"))?
        };
        let unknown: Vec<&str> = build
            .as_object()
            .unwrap_or(&none)
            .iter()
            .filter(|(key, value)| {
                !KNOWN.contains(&key.as_str()) && !key.starts_with("x-") && !is_empty(value)
            })
            .map(|(key, _)| key.as_str())
            .collect();
        if !unknown.is_empty() {
            warnings.push(format!("service {name}: hythe does not use {} of its build", unknown.join(", ")));
        }
        services.push(service_of);
    }
    services.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(App { name, services, warnings })
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

fn built(build: &Value, files: &Value, folder: &Path) -> Result<Service, String> {
    if let Some(context) = text(build) {
        return Ok(Service { context: path(folder, &context), ..Service::default() });
    }
    let context = text(&build["context"]).unwrap_or_else(|| ".".to_owned());
    let inline = text(&build["dockerfile_inline"]);
    let dockerfile = text(&build["dockerfile"]).filter(|_| inline.is_none());
    let context = path(folder, &context);
    let contexts = pairs(&build["additional_contexts"]).into_iter().filter_map(|(name, value)| {
        let value = value?;
        let is_source = value.contains("://") || value.starts_with("service:");
        Some((name, if is_source { value } else { path(folder, &value) }))
    });
    let ssh = pairs(&build["ssh"]).into_iter().map(|(name, value)| match value {
        Some(value) => format!("{name}={value}"),
        None => name,
    });
    Ok(Service {
        dockerfile: dockerfile.map(|name| path(Path::new(&context), &name)),
        context,
        inline,
        args: pairs(&build["args"]),
        labels: pairs(&build["labels"])
            .into_iter()
            .map(|(name, value)| (name, value.unwrap_or_default()))
            .collect(),
        target: text(&build["target"]),
        platforms: texts(&build["platforms"]),
        contexts: contexts.collect(),
        secrets: secrets(&build["secrets"], files, folder)?,
        ssh: ssh.collect(),
        network: text(&build["network"]),
        tags: texts(&build["tags"]),
        ..Service::default()
    })
}

/// The options for the builder that give it the secrets.
fn secrets(used: &Value, files: &Value, folder: &Path) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    for secret in used.as_array().into_iter().flatten() {
        let source = text(secret).or_else(|| text(&secret["source"])).ok_or("a secret has no `source`")?;
        let id = text(&secret["target"]).unwrap_or_else(|| source.clone());
        let place = &files[&source];
        all.push(match (text(&place["file"]), text(&place["environment"])) {
            (Some(file), _) => format!("id={id},src={}", path(folder, &file)),
            (None, Some(variable)) => format!("id={id},env={variable}"),
            (None, None) => return Err(format!("the secret {source} has neither `file` nor `environment`")),
        });
    }
    Ok(all)
}

/// A path that the file names. An address stays as it is.
fn path(folder: &Path, text: &str) -> String {
    if text.contains("://") || text.starts_with("git@") {
        return text.to_owned();
    }
    let text = text.strip_prefix("./").unwrap_or(text);
    if text == "." { folder.display().to_string() } else { folder.join(text).display().to_string() }
}

/// The text of a scalar; `None` for an empty one.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
    .filter(|text| !text.is_empty())
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(text).collect()
}

/// The pairs of a mapping, or of a list of `NAME=VALUE`.
fn pairs(value: &Value) -> BTreeMap<String, Option<String>> {
    let scalar = |value: &Value| if value.as_str() == Some("") { Some(String::new()) } else { text(value) };
    match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), scalar(value))).collect(),
        Value::Array(items) => items
            .iter()
            .filter_map(text)
            .map(|item| match item.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (item, None),
            })
            .collect(),
        _ => BTreeMap::new(),
    }
}

/// A project's name, as Compose makes it of a folder's: lower case, and only letters, digits, `-` and `_`.
fn project_name(text: &str) -> String {
    let lower = text.to_lowercase();
    let kept = lower.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    kept.collect::<String>().trim_start_matches(['-', '_']).to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn short_and_long_forms_are_read() {
        let document = json!({
            "services": {
                "web": { "build": "./web" },
                "api": {
                    "image": "localhost:5000/my-app:latest",
                    "build": {
                        "context": ".", "dockerfile": "docker/api.Dockerfile", "target": "prod", "args": ["A=1", "B"],
                        "platforms": ["linux/amd64"], "ssh": ["default"], "labels": { "n": 1 },
                        "additional_contexts": ["lib=../lib", "base=service:web", "img=docker-image://redis:7"],
                        "secrets": ["token", { "source": "key", "target": "id" }],
                        "shm_size": "1g",
                    },
                },
                "db": { "image": "postgres" },
            },
            "secrets": { "token": { "environment": "TOKEN" }, "key": { "file": "./key" } },
        });
        let app = app(&document, Path::new("/src/My.App")).unwrap();
        assert_eq!(app.name, "myapp");
        assert_eq!(app.warnings, ["service api: hythe does not use shm_size of its build"]);
        let [api, web] = &app.services[..] else { panic!("{:?}", app.services) };
        assert_eq!((&*web.context, &web.dockerfile), ("/src/My.App/web", &None));
        assert_eq!(api.dockerfile.as_deref(), Some("/src/My.App/docker/api.Dockerfile"));
        assert_eq!(api.args, [("A".to_owned(), Some("1".to_owned())), ("B".to_owned(), None)].into());
        assert_eq!(api.secrets, ["id=token,env=TOKEN", "id=id,src=/src/My.App/key"]);
        assert_eq!((&api.ssh[..], &api.labels["n"]), (&["default".to_owned()][..], &"1".to_owned()));
        let contexts: Vec<(&str, &str)> =
            api.contexts.iter().map(|(name, value)| (&**name, &**value)).collect();
        let expected =
            [("base", "service:web"), ("img", "docker-image://redis:7"), ("lib", "/src/My.App/../lib")];
        assert_eq!(contexts, expected);
    }
}
