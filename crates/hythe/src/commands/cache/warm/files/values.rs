//! Parameters and variables whose values are in the same file: of Tekton, Argo, pipelines, `OpenShift`'s templates.

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use hythe_yaml::{Content, Node};

/// Values of one variable at most, and names that one text can become at most.
const MAX_VALUES: usize = 64;

/// Levels of variables within values. Real files nest less deeply.
const MAX_DEPTH: usize = 8;

/// Words that may stand before the dot in a variable's name.
const SCOPES: [&str; 12] = [
    "params",
    "parameters",
    "inputs",
    "matrix",
    "env",
    "variables",
    "vars",
    "workflow",
    "pipeline",
    "substitutions",
    "spec",
    "arguments",
];

/// The ways to write a variable: its opening and its closing characters.
const FORMS: [(&str, &str); 6] =
    [("${{", "}}"), ("{{", "}}"), ("$(", ")"), ("${", "}"), ("<<", ">>"), ("$[[", "]]")];

/// Each variable's values in a file.
#[derive(Debug, Default)]
pub(super) struct Values(BTreeMap<String, Vec<String>>);

impl Values {
    pub(super) fn of(document: &Node) -> Self {
        let mut values = Self::default();
        values.collect(document, &mut HashSet::new());
        values
    }

    fn collect(&mut self, node: &Node, seen: &mut HashSet<*const Content>) {
        if !seen.insert(Rc::as_ptr(&node.content)) {
            return;
        }
        for item in node.items() {
            self.collect(item, seen);
        }
        for entry in node.entries() {
            let value = &entry.value;
            match entry.name() {
                "params" | "parameters" | "inputs" | "variables" | "env" | "environment" | "vars" => {
                    self.named(value);
                }
                "substitutions" | "substitute" => self.named(value),
                "matrix" => self.matrix(value),
                _ => {}
            }
            self.collect(value, seen);
        }
    }

    /// `NAME: VALUE`, `NAME: {default: VALUE}`, or a list of `{name: NAME, value: VALUE}`.
    fn named(&mut self, node: &Node) {
        for item in node.items() {
            if let Some(name) = item.text("name") {
                self.add_all(name, item);
            }
        }
        for entry in node.entries() {
            match &*entry.value.content {
                Content::Scalar(scalar) => self.add(entry.name(), scalar.value()),
                Content::List { items, .. } => {
                    for item in items {
                        self.add_item(entry.name(), item);
                    }
                }
                Content::Map { .. } => self.add_all(entry.name(), &entry.value),
            }
        }
    }

    fn add_all(&mut self, name: &str, described: &Node) {
        for key in ["value", "default"] {
            self.add(name, described.text(key));
        }
    }

    /// Reads a matrix: lists of values by name, and the entries that `include` adds.
    fn matrix(&mut self, node: &Node) {
        for item in node.items() {
            self.matrix(item);
        }
        for entry in node.entries() {
            match (entry.name(), &*entry.value.content) {
                ("include" | "parameters", _) => self.matrix(&entry.value),
                (key, Content::List { items, .. }) if key != "exclude" => {
                    for item in items {
                        self.add_item(key, item);
                    }
                }
                (key, Content::Scalar(scalar)) => self.add(key, scalar.value()),
                (_, Content::Map { .. } | Content::List { .. }) => {}
            }
        }
    }

    fn add_item(&mut self, key: &str, item: &Node) {
        match &*item.content {
            Content::Scalar(scalar) => self.add(key, scalar.value()),
            Content::Map { entries, .. } => {
                for entry in entries {
                    self.add(entry.name(), entry.value.scalar().and_then(|scalar| scalar.value()));
                }
            }
            Content::List { .. } => {}
        }
    }

    fn add(&mut self, name: &str, value: Option<&str>) {
        let Some(value) = value else { return };
        let values = self.0.entry(name.to_owned()).or_default();
        if values.len() < MAX_VALUES && !values.iter().any(|known| known == value) {
            values.push(value.to_owned());
        }
    }

    /// Every text that this text can become with its variables replaced. The error says why that is not known.
    pub(super) fn resolve(&self, text: &str) -> Result<Vec<String>, String> {
        self.resolved(text, 0)
    }

    fn resolved(&self, text: &str, depth: usize) -> Result<Vec<String>, String> {
        let Some((start, end, expression)) = variable(text) else { return Ok(vec![text.to_owned()]) };
        let unknown = || {
            // An expression with spaces, or one that begins as a field does, is a template's; a single name is a
            // variable.
            if expression.contains(char::is_whitespace) || expression.starts_with(['.', '-', '/', '#']) {
                "a template: render it first (helm template, kubectl kustomize)".to_owned()
            } else {
                format!("this file does not set `{}`", &text[start..end])
            }
        };
        if depth == MAX_DEPTH {
            return Err(unknown());
        }
        let values = self.lookup(expression).ok_or_else(unknown)?;
        let mut all = Vec::new();
        for value in values {
            for text in self.resolved(&format!("{}{value}{}", &text[..start], &text[end..]), depth + 1)? {
                if !all.contains(&text) {
                    all.push(text);
                }
            }
            if all.len() >= MAX_VALUES {
                break;
            }
        }
        Ok(all)
    }

    fn lookup(&self, expression: &str) -> Option<Vec<String>> {
        let split = [":-", ":=", "-"].iter().find_map(|by| expression.split_once(by));
        let (name, default) = match split {
            Some((name, default)) if name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_') => {
                (name, Some(default))
            }
            _ => (expression, None),
        };
        // Look the whole expression up first: names of parameters may contain hyphens.
        let known = |name: &str| {
            let (scope, last) = name.rsplit_once('.').unwrap_or(("", name));
            let scoped = scope.is_empty()
                || scope.split('.').all(|part| SCOPES.contains(&part) || self.0.contains_key(part));
            self.0.get(last).filter(|_| scoped).cloned()
        };
        known(expression)
            .or_else(|| known(name))
            .or_else(|| default.filter(|default| !default.is_empty()).map(|default| vec![default.to_owned()]))
            .filter(|values| !values.is_empty())
    }
}

/// The first variable of a text: its start, its end, and the expression in it.
fn variable(text: &str) -> Option<(usize, usize, &str)> {
    let mut first: Option<(usize, usize, &str)> = None;
    for (open, close) in FORMS {
        let Some(start) = text.find(open) else { continue };
        let from = start + open.len();
        let Some(length) = text[from..].find(close) else { continue };
        let found = (start, from + length + close.len(), text[from..from + length].trim());
        if first.is_none_or(|(at, _, _)| start < at) {
            first = Some(found);
        }
    }
    // A name without braces, as in shells.
    let bare = text.find('$').filter(|at| first.is_none_or(|(first, _, _)| *at < first)).and_then(|start| {
        let name = &text[start + 1..];
        let length = name.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(name.len());
        (length > 0).then(|| (start, start + 1 + length, &name[..length]))
    });
    bare.or(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::cache::warm::files::text::documents;

    #[test]
    fn variables_are_replaced_by_the_files_own_values() {
        let text = "
spec:
  params: [{name: builder-image, default: 'a:1'}, {name: TAG, value: 2}]
  arguments: {parameters: [{name: image, value: 'b:1'}, {name: image, value: 'b:2'}]}
parameters: {node: {type: string, default: '18'}}
matrix: {go: ['1.21', '1.22'], include: [{os: x}]}
variables: {A: 'c:$TAG'}
";
        let values = Values::of(&documents(text, 1).trees[0]);
        for (text, expected) in [
            ("plain:1", vec!["plain:1"]),
            ("$(params.builder-image)", vec!["a:1"]),
            ("{{inputs.parameters.image}}", vec!["b:1", "b:2"]),
            ("x:${{ matrix.go }}-y", vec!["x:1.21-y", "x:1.22-y"]),
            ("node:<< parameters.node >>", vec!["node:18"]),
            ("$A", vec!["c:2"]),
            ("x:${NONE:-3}", vec!["x:3"]),
        ] {
            assert_eq!(values.resolve(text), Ok(expected.into_iter().map(str::to_owned).collect()), "{text}");
        }
        for text in ["{{ .Values.image }}", "$NONE", "x:${NONE}", "{{ steps.TAG }}"] {
            assert!(values.resolve(text).is_err(), "{text}");
        }
    }
}
