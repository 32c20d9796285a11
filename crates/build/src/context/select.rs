//! Selects the files that instructions read (BuildKit: `fsutil`'s copy and walk).

use std::collections::VecDeque;

use super::tree::{Child, Tree, Unreadable};
use super::{Files, Found};
use crate::ignore::{Matched, Matcher};
use crate::text::glob;
use crate::text::path::{join, within_root};

/// Symbolic links that one source may follow.
const MAX_LINKS: usize = 255;

/// Selects files of a context, for one instruction after the other.
#[derive(Debug)]
pub(crate) struct Selection {
    tree: Tree,
    files: Files,
    /// All files are selected already.
    has_everything: bool,
}

/// What an instruction takes of a source.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    /// Only paths that match, if given; relative to the source.
    pub(crate) include: Option<Matcher>,
    pub(crate) exclude: Matcher,
}

/// The matches of a folder: by the ignore file, by what the instruction includes, and by what it excludes.
#[derive(Clone, Default)]
struct Matches {
    ignored: Matched,
    included: Matched,
    excluded: Matched,
}

impl Selection {
    pub(crate) fn new(tree: Tree) -> Self {
        let files = Files { root: tree.root.clone(), ..Files::default() };
        Self { tree, files, has_everything: false }
    }

    pub(crate) fn finish(self) -> Files {
        self.files
    }

    /// Selects all files.
    pub(crate) fn add_everything(&mut self) -> Result<(), Unreadable> {
        if !self.has_everything {
            self.walk(b"", b"", &Matches::default(), &Filter::default())?;
            self.has_everything = true;
        }
        Ok(())
    }

    /// Selects a source with wildcards. Whatever does not match selects nothing: that is an error for some builders only.
    pub(crate) fn add_wildcard(&mut self, source: &[u8], filter: &Filter) -> Result<(), Unreadable> {
        let source = within_root(source);
        let parts: Vec<&[u8]> = source.split(|byte| *byte == b'/').collect();
        let fixed = parts.iter().take_while(|part| !glob::has_wildcards(part)).count();
        let Some(folder) = self.follow(&parts[..fixed].join(&b'/'))? else { return Ok(()) };
        let (is_ignored, matched) = self.tree.ignored.matches_from_root(&folder);
        if is_ignored && self.tree.ignored.may_skip(&folder) {
            return Ok(());
        }
        for path in self.matches(&folder, &matched, &parts[fixed..])? {
            self.add_path(&path, filter)?;
        }
        Ok(())
    }

    /// The paths below a folder that match the parts of a pattern.
    fn matches(&self, folder: &[u8], matched: &Matched, parts: &[&[u8]]) -> Result<Vec<Vec<u8>>, Unreadable> {
        let (mut paths, mut deeper) = (Vec::new(), Vec::new());
        let Some((part, rest)) = parts.split_first() else { return Ok(paths) };
        if self.tree.find(folder)? != Some(Found::Folder) {
            return Ok(paths);
        }
        self.tree.children(folder, matched, |child, _, matched| {
            let name = child.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            if glob::matches(part, name) == Ok(true) {
                if rest.is_empty() {
                    paths.push(child.path);
                } else if child.found == Found::Folder {
                    deeper.push((child.path, matched));
                }
            }
            Ok(())
        })?;
        for (folder, matched) in deeper {
            paths.extend(self.matches(&folder, &matched, rest)?);
        }
        Ok(paths)
    }

    /// Selects a path and what is below it, and says whether it exists. A symbolic link is followed within the context.
    pub(crate) fn add_path(&mut self, path: &[u8], filter: &Filter) -> Result<bool, Unreadable> {
        let Some(path) = self.follow(&within_root(path))? else { return Ok(false) };
        let (is_ignored, ignored) = self.tree.ignored.matches_from_root(&path);
        let Some(found) = self.tree.find(&path)? else { return Ok(false) };
        if found != Found::Folder {
            if !is_ignored {
                self.files.found.insert(path, found);
            }
            return Ok(!is_ignored);
        }
        if is_ignored && self.tree.ignored.may_skip(&path) {
            return Ok(false);
        }
        let is_plain = filter.include.is_none() && filter.exclude.is_empty();
        if path.is_empty() && is_plain {
            self.add_everything()?;
            return Ok(true);
        }
        let matches = Matches { ignored, ..Matches::default() };
        let has_files = self.walk(&path, &path, &matches, filter)?;
        if !is_ignored && !path.is_empty() && filter.include.is_none() {
            self.files.found.insert(path, Found::Folder);
        }
        Ok(has_files || (!is_ignored && filter.include.is_none()))
    }

    /// The path without symbolic links, which are selected on the way; `None` if a part of it does not exist or is ignored.
    fn follow(&mut self, path: &[u8]) -> Result<Option<Vec<u8>>, Unreadable> {
        let split = |path: &[u8]| path.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect::<Vec<_>>();
        let mut parts: VecDeque<Vec<u8>> = split(path).into();
        let (mut at, mut links) = (Vec::new(), 0);
        while let Some(part) = parts.pop_front() {
            match part.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    let parent = at.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                    at.truncate(parent);
                    continue;
                }
                _ => {}
            }
            let next = join(&at, &part);
            match self.tree.find(&next)? {
                None => return Ok(None),
                Some(Found::Link(target)) => {
                    links += 1;
                    if links > MAX_LINKS || self.tree.ignored.matches_from_root(&next).0 {
                        return Ok(None);
                    }
                    if target.starts_with(b"/") {
                        at.clear();
                    }
                    for part in split(&target).into_iter().rev() {
                        parts.push_front(part);
                    }
                    self.files.found.insert(next, Found::Link(target));
                }
                Some(_) => at = next,
            }
        }
        Ok(Some(at))
    }

    /// Selects what is below a folder; says whether something was. Patterns of the filter are relative to the source.
    fn walk(
        &mut self,
        folder: &[u8],
        source: &[u8],
        matches: &Matches,
        filter: &Filter,
    ) -> Result<bool, Unreadable> {
        let (mut found, mut folders) = (Vec::new(), Vec::new());
        self.tree.children(
            folder,
            &matches.ignored,
            |Child { path, found: kind }, is_ignored, ignored| {
                let relative = path.get(source.len()..).unwrap_or_default();
                let relative = relative.strip_prefix(b"/").unwrap_or(relative);
                let is_folder = kind == Found::Folder;
                let (is_excluded, excluded) = filter.exclude.matches_folder(relative, &matches.excluded);
                let (is_included, included) = match &filter.include {
                    Some(include) => include.matches_folder(relative, &matches.included),
                    None => (true, Matched::default()),
                };
                if !is_ignored && is_included && !is_excluded {
                    found.push((path.clone(), kind));
                }
                if is_folder && !(is_excluded && filter.exclude.may_skip(relative)) {
                    folders.push((path, Matches { ignored, included, excluded }));
                }
                Ok(())
            },
        )?;
        let mut has_found = !found.is_empty();
        self.files.found.extend(found);
        for (folder, matches) in folders {
            has_found |= self.walk(&folder, source, &matches, filter)?;
        }
        Ok(has_found)
    }
}
