//! Checks that the files of a crate import each other in one direction.
//!
//! A file `x.rs` and its folder `x/` are one noun: within it, the file and the files of the folder may import each other. Two
//! such nouns in one folder are siblings; no chain of imports may lead from one sibling back to it.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests; the lint knows only functions marked so")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Circles that are left: the crate, the folder, and the siblings in alphabetical order.
const EXCEPTIONS: &[(&str, &str, &[&str])] = &[];

/// A module's path in its crate, from the crate's root.
type Module = Vec<String>;

/// The modules of a crate, with their code.
struct Crate {
    name: String,
    code: BTreeMap<Module, String>,
    /// For each module, what it re-exports from where: `pub use a::b::C`.
    exports: BTreeMap<Module, BTreeMap<String, Module>>,
}

/// A path in a `use` declaration or in an expression, by its names.
type Names = Vec<String>;

impl Crate {
    fn read(folder: &Path) -> Self {
        let mut code = BTreeMap::new();
        let source = folder.join("src");
        for file in files(&source) {
            let mut module: Module =
                file.strip_prefix(&source).unwrap().with_extension("").iter().map(text).collect();
            if module.last().is_some_and(|last| last == "mod")
                || matches!(&module[..], [only] if only == "lib" || only == "main")
            {
                module.pop();
            }
            // A crate's library and its program have one root.
            code.entry(module)
                .or_insert_with(String::new)
                .push_str(&plain(&std::fs::read_to_string(&file).unwrap()));
        }
        let name = folder.file_name().map(text).unwrap();
        let mut read = Self { name, code, exports: BTreeMap::new() };
        let exports = read.code.iter().map(|(module, code)| (module.clone(), Self::exported(module, code)));
        read.exports = exports.collect();
        read
    }

    fn exported(module: &Module, code: &str) -> BTreeMap<String, Module> {
        let declared = code.split("pub").skip(1).filter_map(|after| {
            let after =
                after.strip_prefix("(crate)").or_else(|| after.strip_prefix("(super)")).unwrap_or(after);
            after.trim_start().strip_prefix("use ")?.split(';').next()
        });
        let names = declared.flat_map(tree).filter(|names| names.len() > 1);
        let mut exported = BTreeMap::new();
        for names in names {
            let from = absolute(module, &names).unwrap_or_else(|| [&module[..], &names].concat());
            if let Some(last) = names.last() {
                exported.insert(last.clone(), from);
            }
        }
        exported
    }

    /// The module that defines what `path` names, as far as re-exports tell.
    fn home(&self, path: &[String]) -> Option<Module> {
        let mut path = path.to_vec();
        // A re-export may name another one; a circle of them does not compile.
        for _ in 0..10 {
            let length = (0..=path.len()).rev().find(|length| self.code.contains_key(&path[..*length]))?;
            let exported = path.get(length).and_then(|name| self.exports.get(&path[..length])?.get(name));
            match exported {
                Some(from) => path = from.clone(),
                None => return Some(path[..length].to_vec()),
            }
        }
        None
    }

    /// Which siblings import which, in each folder: from, to, and a file and what it imports as an example.
    fn imports(&self) -> BTreeMap<Module, BTreeMap<String, BTreeMap<String, String>>> {
        let mut imports: BTreeMap<Module, BTreeMap<String, BTreeMap<String, String>>> = BTreeMap::new();
        for (module, code) in &self.code {
            for path in paths(code).filter_map(|names| absolute(module, &names)) {
                let Some(home) = self.home(&path) else { continue };
                let shared = module.iter().zip(&home).take_while(|(a, b)| a == b).count();
                if let (Some(from), Some(to)) = (module.get(shared), home.get(shared)) {
                    let example = format!("{} imports {}", module.join("::"), path.join("::"));
                    let folder = imports.entry(module[..shared].to_vec()).or_default();
                    folder.entry(from.clone()).or_default().entry(to.clone()).or_insert(example);
                }
            }
        }
        imports
    }
}

fn text(name: impl AsRef<std::ffi::OsStr>) -> String {
    name.as_ref().to_str().unwrap().to_owned()
}

/// The files of a folder and of the folders in it, except unit tests, which may import anything.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.file_stem().is_some_and(|name| name == "tests") {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The code without comments, the contents of strings, and unit tests.
fn plain(code: &str) -> String {
    let code = code.split("#[cfg(test)]\nmod tests").next().unwrap();
    let mut plain = String::new();
    for line in code.lines() {
        let line = line.split("//").next().unwrap();
        for (number, part) in line.split('"').enumerate() {
            plain.push_str(if number % 2 == 0 { part } else { "\"\"" });
        }
        plain.push('\n');
    }
    plain
}

/// Every path in the code that starts with `crate`, `super` or `self`.
fn paths(code: &str) -> impl Iterator<Item = Names> {
    let starts = code.match_indices("::").filter_map(|(at, _)| {
        let start =
            code[..at].rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |before| before + 1);
        let is_first = !code[..start].ends_with("::");
        (is_first && ["crate", "super", "self"].contains(&&code[start..at])).then_some(start)
    });
    starts.flat_map(|start| tree(&code[start..]))
}

/// The paths at the beginning of the code: one, or those of a tree like `a::{b, c::{d, e as f}}`.
fn tree(code: &str) -> Vec<Names> {
    let (mut names, mut rest): (Names, &str) = (Vec::new(), code);
    loop {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        names.push(rest[..end].to_owned());
        let Some(after) = rest[end..].strip_prefix("::") else { return vec![names] };
        let Some(inner) = after.strip_prefix('{') else {
            rest = after;
            continue;
        };
        return branches(inner)
            .into_iter()
            .flat_map(|branch| tree(branch.trim_start()))
            .map(|branch| {
                names.iter().cloned().chain(branch.into_iter().filter(|name| name != "self")).collect()
            })
            .collect();
    }
}

/// The parts between the commas, up to the brace that closes.
fn branches(inner: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0, 0);
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                parts.push(&inner[from..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inner[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.into_iter().filter(|part| !part.trim().is_empty()).collect()
}

/// The path from the crate's root; `None` for a path to another crate.
fn absolute(module: &Module, names: &[String]) -> Option<Module> {
    let mut base = module.clone();
    let mut rest = names;
    match names.first().map(String::as_str) {
        Some("crate") => base.clear(),
        Some("self") => {}
        Some("super") => {
            while rest.first().is_some_and(|name| name == "super") {
                base.pop();
                rest = &rest[1..];
            }
            return Some([base, rest.to_vec()].concat());
        }
        _ => return None,
    }
    Some([base, rest[1..].to_vec()].concat())
}

/// The largest sets of siblings that reach each other.
fn circles(imports: &BTreeMap<String, BTreeMap<String, String>>) -> BTreeSet<Vec<String>> {
    let reached = |from: &String| {
        let (mut reached, mut next) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(one) = next.pop() {
            for to in imports.get(&one).into_iter().flat_map(BTreeMap::keys) {
                if reached.insert(to.clone()) {
                    next.push(to.clone());
                }
            }
        }
        reached
    };
    let reached: BTreeMap<_, _> = imports.keys().map(|from| (from, reached(from))).collect();
    let is_there = |from: &String, to: &String| reached.get(from).is_some_and(|reached| reached.contains(to));
    let circle = |one: &String| {
        imports.keys().filter(|other| is_there(one, other) && is_there(other, one)).cloned().collect()
    };
    imports.keys().filter(|one| is_there(one, one)).map(circle).collect()
}

#[test]
fn the_files_of_a_crate_import_each_other_in_one_direction() {
    let crates = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let (mut found, mut told) = (BTreeSet::new(), Vec::new());
    let mut folders: Vec<_> = std::fs::read_dir(crates).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.extend(["bench", "e2e"].map(|other| Path::new(crates).join("..").join(other)));
    folders.sort();
    for read in folders.iter().filter(|folder| folder.join("src").is_dir()).map(|folder| Crate::read(folder))
    {
        for (folder, imports) in read.imports() {
            for circle in circles(&imports) {
                let folder = folder.join("/");
                let is_known = EXCEPTIONS
                    .iter()
                    .any(|(name, at, siblings)| *name == read.name && *at == folder && *siblings == circle);
                if !is_known {
                    told.push(format!("{} {folder}/ {circle:?}:", read.name));
                    for from in &circle {
                        for (to, example) in &imports[from] {
                            if circle.contains(to) {
                                told.push(format!("    {from} -> {to}: {example}"));
                            }
                        }
                    }
                }
                found.insert((read.name.clone(), folder, circle));
            }
        }
    }
    assert!(
        told.is_empty(),
        "files import each other in circles; move what they share into a file of its own:\n{}",
        told.join("\n")
    );
    let gone: Vec<_> = EXCEPTIONS
        .iter()
        .filter(|(name, folder, siblings)| {
            let circle = siblings.iter().map(|sibling| (*sibling).to_owned()).collect();
            !found.contains(&((*name).to_owned(), (*folder).to_owned(), circle))
        })
        .collect();
    assert!(gone.is_empty(), "these circles are gone, so remove their exceptions: {gone:?}");
}

#[test]
fn paths_are_read_as_rust_writes_them() {
    let read = |code: &str| paths(code).map(|names| names.join("::")).collect::<Vec<_>>();
    assert_eq!(
        read("use crate::a::{self, b, c::{D, E as F}};"),
        ["crate::a", "crate::a::b", "crate::a::c::D", "crate::a::c::E"]
    );
    assert_eq!(
        read("use super::super::x; fn f(y: &crate::z::Z, w: self::W) {}"),
        ["super::super::x", "crate::z::Z", "self::W"]
    );
    assert_eq!(read("use std::crate_x::y;"), [""; 0]);
}

#[test]
fn a_circle_is_found_through_re_exports_and_files_of_folders() {
    let module =
        |text: &str| text.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect::<Module>();
    let code: BTreeMap<Module, String> = [
        ("", "pub use a::A; mod a; mod b; mod c;"),
        ("a", "use crate::b::B; pub struct A;"),
        ("b", "mod inner; pub struct B;"),
        ("b/inner", "use super::B; use crate::A;"),
        ("c", "use crate::{A, b};"),
    ]
    .into_iter()
    .map(|(name, code)| (module(name), code.to_owned()))
    .collect();
    let mut read = Crate { name: "x".to_owned(), code, exports: BTreeMap::new() };
    read.exports =
        read.code.iter().map(|(module, code)| (module.clone(), Crate::exported(module, code))).collect();
    let imports = read.imports();
    assert_eq!(circles(&imports[&Module::new()]), BTreeSet::from([vec!["a".to_owned(), "b".to_owned()]]));
    assert!(imports.get(&module("b")).is_none_or(|within| circles(within).is_empty()));
}
