//! The images that a file names: a Kubernetes manifest, a Compose file, or a plain list.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Read as _};
use std::rc::Rc;

use super::compose::interpolate;
use super::yaml::{self, Node};
use crate::config::Environment;

/// The name of an image, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// As it is written, its variables replaced; or why they could not be.
    pub(super) text: Result<String, String>,
    /// In which line.
    pub(super) line: usize,
}

/// What a file holds; `-` is the standard input.
pub(super) fn read(file: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = match file {
        "-" => io::stdin().lock().read_to_end(&mut bytes).map(|_| ()),
        file => fs::read(file).map(|content| bytes = content),
    };
    read.map_err(|error| format!("{file} cannot be read: {error}"))?;
    String::from_utf8(bytes).map_err(|_| format!("{file} is not a text"))
}

/// The images that a text names. Its kind is told from its content.
pub(super) fn find(text: &str, environment: &Environment) -> Result<Vec<Found>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(list) = list(text) {
        return Ok(list);
    }
    let documents = yaml::parse(text)?;
    if !documents.iter().any(|document| matches!(**document, Node::Map(_) | Node::List(_))) {
        return Err("it is neither a list of images, one a line, nor YAML that names some".to_owned());
    }
    let mut found = Vec::new();
    for document in &documents {
        match document.child("services").filter(|_| is_compose(document)) {
            Some(services) => compose(services, environment, &mut found),
            None => anywhere(document, &mut HashSet::new(), &mut found),
        }
    }
    Ok(found)
}

/// The lines of a plain list; `None` where it is none. No name of an image has a space, and no line of YAML says much
/// without one.
fn list(text: &str) -> Option<Vec<Found>> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.split_once(" #").map_or(line, |(line, _)| line).trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let is_name = !line.contains(char::is_whitespace)
            && !line.ends_with(':')
            && line.starts_with(|c: char| c.is_ascii_alphanumeric());
        if !is_name {
            return None;
        }
        found.push(Found { text: Ok(line.to_owned()), line: at + 1 });
    }
    Some(found)
}

/// Kubernetes' objects have a kind, and none has services beside it.
fn is_compose(document: &Node) -> bool {
    document.child("apiVersion").is_none()
        && document.child("services").is_some_and(|services| matches!(**services, Node::Map(_)))
}

fn compose(services: &Node, environment: &Environment, found: &mut Vec<Found>) {
    let Node::Map(services) = services else { return };
    for (_, service) in services {
        if let Some(Node::Text(text, line)) = service.child("image").map(|image| &**image) {
            let replaced = interpolate(text, environment).map_err(|why| format!("`{text}`: {why}"));
            found.push(Found { text: replaced, line: *line });
        }
    }
}

/// Whatever is called `image` and has a name: containers of all kinds, and custom resources.
fn anywhere(node: &Rc<Node>, seen: &mut HashSet<*const Node>, found: &mut Vec<Found>) {
    // What has several names by aliases is looked at once.
    if !seen.insert(Rc::as_ptr(node)) {
        return;
    }
    match &**node {
        Node::List(items) => items.iter().for_each(|item| anywhere(item, seen, found)),
        Node::Map(entries) => {
            for (key, value) in entries {
                match &**value {
                    Node::Text(text, line) if key == "image" && !text.is_empty() => {
                        found.push(Found { text: Ok(text.clone()), line: *line });
                    }
                    _ => anywhere(value, seen, found),
                }
            }
        }
        Node::Other | Node::Text(..) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        let mut environment = Environment::default();
        environment.variables.insert("TAG".to_owned(), "7".into());
        let found = find(text, &environment).unwrap();
        found.into_iter().map(|found| found.text.unwrap_or_else(|why| format!("error: {why}"))).collect()
    }

    #[test]
    fn a_plain_list_has_one_image_a_line() {
        let list = "# for the demo\nredis\n\n  ghcr.io/x/y:v1  # pinned\nlocalhost:5001/app\n";
        assert_eq!(texts(list), ["redis", "ghcr.io/x/y:v1", "localhost:5001/app"]);
        assert_eq!(texts("redis:7"), ["redis:7"]);
        assert_eq!(texts(""), [""; 0]);
        assert_eq!(find("\nredis", &Environment::default()).unwrap()[0].line, 2);
    }

    #[test]
    fn of_kubernetes_objects_every_image_is_found() {
        let text = "\
apiVersion: apps/v1
kind: Deployment
spec:
  template:
    spec:
      initContainers:
      - name: init
        image: busybox:1
      containers:
      - {name: app, image: \"redis:7\"}
      ephemeralContainers:
      - image: ghcr.io/x/debug
---
# Source: chart/templates/none.yaml
---
apiVersion: v1
kind: List
items:
- kind: Pod
  spec: {containers: [{image: quay.io/a/b@sha256:1}]}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
spec:
  properties: {image: {type: string}, other: {image: null}}
";
        assert_eq!(texts(text), ["busybox:1", "redis:7", "ghcr.io/x/debug", "quay.io/a/b@sha256:1"]);
    }

    #[test]
    fn of_a_compose_file_the_services_images_are_found_with_their_variables() {
        let text = "\
x-base: &base
  image: postgres:${PG:-16}
services:
  cache: {image: 'redis:${TAG}'}
  db:
    <<: *base
    environment: {image: no}
  built: {build: .}
  broken: {image: 'x:${NONE}'}
";
        assert_eq!(texts(text), ["redis:7", "postgres:16", "error: `x:${NONE}`: variable NONE is not set"]);
    }

    #[test]
    fn json_is_yaml_too() {
        assert_eq!(texts(r#"{"kind": "Pod", "spec": {"containers": [{"image": "redis"}]}}"#), ["redis"]);
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in ["two words", "- [", "a: b: c"] {
            assert!(find(text, &Environment::default()).is_err(), "{text}");
        }
    }

    #[test]
    fn aliases_of_aliases_are_looked_at_once() {
        let mut bomb = "a: &a [{image: x}, {image: y}]\n".to_owned();
        for (before, name) in ('a'..='y').zip('b'..='z') {
            let aliases = vec![format!("*{before}"); 10].join(", ");
            bomb.extend([format!("{name}: &{name} [{aliases}]\n")]);
        }
        assert_eq!(texts(&bomb), ["x", "y"]);
    }
}
