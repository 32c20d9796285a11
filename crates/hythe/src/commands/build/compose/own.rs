//! Reads a Compose file without Docker's Compose: variables, `.env`, the override file beside it, `extends` and profiles.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hythe_yaml::{Keys, Reader};
use serde_json::{Map, Value};

use super::super::super::interpolate::{Variables, add_env_file, variables};
use super::value::Values;
use super::{path, text};
use crate::config::Environment;

/// Levels of values at most: more than any Compose file has. The limit protects the stack.
const MAX_DEPTH: usize = 50;

/// Values at most, also through aliases.
const MAX_SIZE: usize = 100_000;

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// Services that extend services.
const MAX_EXTENDS: usize = 16;

/// Reads the file. Returns the document, and warnings.
pub(super) fn read(
    file: &Path,
    explicit: bool,
    all: bool,
    environment: &Environment,
) -> Result<(Value, Vec<String>), String> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    let mut variables = variables(environment);
    if let Ok(text) = std::fs::read_to_string(folder.join(".env")) {
        add_env_file(&mut variables, &text);
    }
    let mut files = Files { variables: &variables, unset: BTreeSet::new() };
    let mut document = files.document(file)?;
    if let Some(beside) = override_of(file).filter(|_| !explicit) {
        merge(&mut document, files.document(&beside)?);
    }
    if !document["include"].is_null() {
        return Err("it uses `include`: install Docker's Compose, with which hythe reads it".to_owned());
    }
    let project = variables.get("COMPOSE_PROJECT_NAME").filter(|name| !name.is_empty());
    if let (Some(name), Some(fields)) = (project, document.as_object_mut()) {
        fields.insert("name".to_owned(), Value::String(name.clone()));
    }
    let names: Vec<String> = fields(&document["services"]).map(|(name, _)| name.clone()).collect();
    let active = variables.get("COMPOSE_PROFILES").map_or("", String::as_str);
    let mut services = Map::new();
    for name in names {
        let service =
            files.service(file, &document, &name, 0).map_err(|why| format!("service {name}: {why}"))?;
        let profiles = service["profiles"].as_array().map_or(&[][..], |list| &list[..]);
        let is_active =
            |profile: &Value| active == "*" || active.split(',').any(|name| Some(name) == profile.as_str());
        if all || profiles.is_empty() || profiles.iter().any(is_active) {
            services.insert(name, service);
        }
    }
    if let Some(fields) = document.as_object_mut() {
        fields.insert("services".to_owned(), Value::Object(services));
    }
    let warnings =
        files.unset.iter().map(|name| format!("the variable {name} is not set; it counts as empty"));
    Ok((document, warnings.collect()))
}

fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// The override file that belongs to a file, if there is one.
fn override_of(file: &Path) -> Option<PathBuf> {
    let stem = file.file_stem()?.to_str()?;
    ["yml", "yaml"]
        .iter()
        .map(|end| file.with_file_name(format!("{stem}.override.{end}")))
        .find(|path| path.is_file())
}

/// Adds a later document to an earlier one: mappings are joined, every other value is replaced.
fn merge(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (name, value) in over {
                merge(under.entry(name).or_insert(Value::Null), value);
            }
        }
        (_, Value::Null) => {}
        (under, over) => *under = over,
    }
}

/// Files that are read with the same variables.
struct Files<'a> {
    variables: &'a Variables,
    unset: BTreeSet<String>,
}

impl Files<'_> {
    fn document(&mut self, file: &Path) -> Result<Value, String> {
        let size = file.metadata().map_err(|error| error.to_string())?.len();
        if size > MAX_FILE {
            return Err(format!("it is larger than {} MiB", MAX_FILE >> 20));
        }
        let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
        // `!reset` removes the value of an earlier file.
        let rewrite = |text: &str, tag: Option<&str>| {
            if tag == Some("reset") { String::new() } else { text.to_owned() }
        };
        let reader = Reader {
            keys: Keys::Unique,
            max_size: MAX_SIZE,
            rewrite: Some(&rewrite),
            ..Reader::new(MAX_DEPTH)
        };
        let documents =
            reader.read(&text).map_err(|error| format!("line {}: {}", error.position.line, error.reason))?;
        let mut values = Values { variables: self.variables, unset: BTreeSet::new() };
        let mut whole = Value::Object(Map::new());
        for document in &documents {
            let value = values.of(document)?;
            merge(&mut whole, with_long_forms(value, file.parent().unwrap_or(Path::new("/"))));
        }
        self.unset.append(&mut values.unset);
        Ok(whole)
    }

    /// A service with the values of those that it extends.
    fn service(&mut self, file: &Path, document: &Value, name: &str, depth: usize) -> Result<Value, String> {
        if depth > MAX_EXTENDS {
            return Err("services extend one another in a circle".to_owned());
        }
        let own = document["services"][name].clone();
        if own.is_null() && depth > 0 {
            return Err(format!("{} has no service `{name}`", file.display()));
        }
        let extends = &own["extends"];
        let Some(base) = text(extends).or_else(|| text(&extends["service"])) else { return Ok(own) };
        let mut service = match text(&extends["file"]) {
            None => self.service(file, document, &base, depth + 1)?,
            Some(other) => {
                let other = PathBuf::from(path(file.parent().unwrap_or(Path::new("/")), &other));
                let document = self
                    .document(&other)
                    .map_err(|why| format!("`extends` of {}: {why}", other.display()))?;
                self.service(&other, &document, &base, depth + 1)?
            }
        };
        merge(&mut service, own);
        Ok(service)
    }
}

/// Short forms of `build` as long ones, and its paths from the root, so that documents of several folders can be merged.
fn with_long_forms(mut document: Value, folder: &Path) -> Value {
    let services = document.get_mut("services").and_then(Value::as_object_mut);
    for service in services.into_iter().flat_map(|services| services.values_mut()) {
        let Some(build) = service.get_mut("build").filter(|build| !build.is_null()) else { continue };
        if let Some(context) = text(build) {
            *build = Value::Object([("context".to_owned(), Value::String(context))].into_iter().collect());
        }
        let Some(build) = build.as_object_mut() else { continue };
        if let Some(context) = build.get("context").and_then(text) {
            build.insert("context".to_owned(), Value::String(path(folder, &context)));
        }
        for key in ["args", "labels", "additional_contexts"] {
            if let Some(list) = build.get(key).filter(|value| value.is_array()) {
                let pairs = super::pairs(list).into_iter();
                let fields = pairs.map(|(name, value)| (name, value.map_or(Value::Null, Value::String)));
                build.insert(key.to_owned(), Value::Object(fields.collect()));
            }
        }
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_files(
        files: &[(&str, &str)],
        variables: &[(&str, &str)],
        all: bool,
    ) -> Result<(Value, Vec<String>), String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text.replace("{folder}", &folder.path().display().to_string())).unwrap();
        }
        let mut environment = Environment::default();
        for (name, value) in variables {
            environment.variables.insert((*name).to_owned(), (*value).into());
        }
        let (mut value, warnings) = read(&folder.path().join(files[0].0), false, all, &environment)?;
        let text = value.to_string().replace(folder.path().to_str().unwrap(), "");
        value = serde_json::from_str(&text).unwrap();
        Ok((value, warnings))
    }

    #[test]
    fn variables_overrides_extends_and_profiles_are_resolved() {
        let files = [
            (
                "docker-compose.yml",
                "x-args: &args {A: '1', B: two}\nservices:\n  web:\n    image: ${REG:-localhost:5000}/web:${TAG}$NONE\n    build:\n      \
                 context: web\n      args: [X=1, Y]\n  api:\n    extends: {file: base/compose.yaml, service: common}\n    build:\n      \
                 args: {<<: *args, B: '2'}\n  tool:\n    profiles: [tools]\n    build: .\n",
            ),
            ("docker-compose.override.yml", "services:\n  web:\n    build:\n      args:\n        Y: 2\n"),
            ("base/compose.yaml", "services:\n  common:\n    build: ./api\n"),
            (".env", "TAG=v3\nREG=ignored\n"),
        ];
        let (document, warnings) = read_files(&files, &[("REG", "registry:5000")], false).unwrap();
        let services = &document["services"];
        assert_eq!(services["web"]["image"], "registry:5000/web:v3");
        assert_eq!(
            services["web"]["build"],
            serde_json::json!({ "context": "/web", "args": { "X": "1", "Y": "2" } })
        );
        assert_eq!(
            services["api"]["build"],
            serde_json::json!({ "context": "/base/api", "args": { "A": "1", "B": "2" } })
        );
        assert!(services.get("tool").is_none());
        assert_eq!(warnings, ["the variable NONE is not set; it counts as empty"]);
        let (all, _) = read_files(&files, &[], true).unwrap();
        assert_eq!(all["services"]["tool"]["build"]["context"], "");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_an_error_with_its_line() {
        for (text, expected) in [
            ("services: [", "line"),
            ("services:\n  a:\n    image: ${X:?set it}\n", "line 3: variable X is not set: set it"),
            ("include: [a.yaml]\n", "Docker's Compose"),
            ("services:\n  a: {extends: b, build: .}\n  b: {extends: a}\n", "in a circle"),
            ("services:\n  a: {extends: c, build: .}\n", "no service `c`"),
        ] {
            let error = read_files(&[("compose.yaml", text)], &[], false).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
