//! All patterns of an ignore file.

use super::pattern::{Pattern, PatternError};

/// All patterns of an ignore file, in their order.
#[derive(Debug, Default)]
pub(crate) struct Matcher {
    patterns: Vec<Pattern>,
    has_exceptions: bool,
    /// Whether each exception is a path, so that a folder above none of them needs no visit.
    has_literal_exceptions: bool,
}

/// Which patterns match a folder: a path in it matches them too.
#[derive(Clone, Debug, Default)]
pub(crate) struct Matched(Vec<bool>);

impl Matcher {
    pub(crate) fn new<T: AsRef<[u8]>>(patterns: &[T]) -> Result<Self, PatternError> {
        let trimmed = patterns.iter().map(|pattern| pattern.as_ref().trim_ascii());
        let patterns = trimmed.filter(|pattern| !pattern.is_empty()).map(Pattern::parse);
        let patterns: Vec<Pattern> = patterns.collect::<Result<_, _>>()?;
        let mut exceptions = patterns.iter().filter(|pattern| pattern.is_exception).peekable();
        let has_exceptions = exceptions.peek().is_some();
        let has_literal_exceptions = exceptions.all(|pattern| pattern.literal().is_some());
        Ok(Self { patterns, has_exceptions, has_literal_exceptions })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether a path matches, in a folder whose matches are given; the root's are empty. The last pattern decides.
    pub(crate) fn matches(&self, path: &[u8], folder: &Matched) -> bool {
        self.each(path, folder, |_, _| {})
    }

    /// Whether a folder matches, and which patterns match it.
    pub(crate) fn matches_folder(&self, path: &[u8], folder: &Matched) -> (bool, Matched) {
        if self.is_empty() {
            return (false, Matched::default());
        }
        let mut matched = Matched(vec![false; self.patterns.len()]);
        let is_match = self.each(path, folder, |at, does| matched.0[at] = does);
        (is_match, matched)
    }

    fn each(&self, path: &[u8], folder: &Matched, mut tell: impl FnMut(usize, bool)) -> bool {
        let mut is_match = false;
        for (at, pattern) in self.patterns.iter().enumerate() {
            // Only an exception can change a match, and only a pattern that is none can change a path that does not match.
            let does = folder.0.get(at).copied().unwrap_or_default()
                || (pattern.is_exception == is_match && pattern.matches(path));
            tell(at, does);
            if does {
                is_match = !pattern.is_exception;
            }
        }
        is_match
    }

    /// Whether a path matches, by the matches of each folder above it. Also returns the matches of the path itself.
    pub(crate) fn matches_from_root(&self, path: &[u8]) -> (bool, Matched) {
        let (mut is_match, mut matched) = (false, Matched::default());
        let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        for end in slashes.chain([path.len()]).filter(|end| *end > 0) {
            (is_match, matched) = self.matches_folder(&path[..end], &matched);
        }
        (is_match, matched)
    }

    /// Whether no exception can include anything below a folder that matches.
    pub(crate) fn may_skip(&self, folder: &[u8]) -> bool {
        if !self.has_exceptions {
            return true;
        }
        let below = [folder, b"/"].concat();
        let may_include = |pattern: &Pattern| {
            pattern.literal().is_some_and(|path| [path, b"/"].concat().starts_with(&below))
        };
        self.has_literal_exceptions
            && !self.patterns.iter().any(|pattern| pattern.is_exception && may_include(pattern))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What moby's own library answers (`github.com/moby/patternmatcher` v0.6.1).
    const VERDICTS: &str = include_str!("../../tests/data/patternmatcher.tsv");

    #[test]
    fn patterns_match_what_moby_s_library_matches() {
        let lines = || VERDICTS.lines().filter(|line| !line.starts_with('#'));
        let paths: Vec<&str> =
            lines().find_map(|line| line.strip_prefix("paths\t")).unwrap().split(':').collect();
        let mut count = 0;
        for line in lines().filter(|line| !line.starts_with("paths\t")) {
            let mut fields = line.split('\t');
            let (kind, yes) = (fields.next().unwrap(), fields.next().unwrap());
            let patterns: Vec<&str> = fields.collect();
            let matcher = Matcher::new(&patterns);
            assert_eq!(matcher.is_err(), kind == "error", "{patterns:?}");
            let Ok(matcher) = matcher else { continue };
            let yes: Vec<&str> = yes.split(':').collect();
            for path in &paths {
                let (is_match, _) = matcher.matches_from_root(path.as_bytes());
                assert_eq!(is_match, yes.contains(path), "{patterns:?} {path}");
                count += 1;
            }
        }
        assert!(count > 4_000, "{count}");
    }

    #[test]
    fn a_folder_is_left_out_only_if_no_exception_can_be_below_it() {
        for (patterns, folder, may) in [
            (&["a"][..], "a", true),
            (&["a", "!a/b"], "a", false),
            (&["a", "!b/c"], "a", true),
            (&["*", "!a/b/**"], "a", false),
            (&["*", "!a/b/**"], "c", true),
            (&["*", "!**/x"], "c", false),
            (&["*", "!c?"], "a", false),
        ] {
            let matcher = Matcher::new(patterns).unwrap();
            assert_eq!(matcher.may_skip(folder.as_bytes()), may, "{patterns:?} {folder}");
        }
    }

    proptest! {
        #[test]
        fn no_pattern_and_no_path_panic(
            patterns in prop::collection::vec(prop::collection::vec(prop::sample::select(b"ab/*?[]^-\\!. \xff\xc3".to_vec()), 0..12), 0..4),
            path in prop::collection::vec(any::<u8>(), 0..12),
        ) {
            if let Ok(matcher) = Matcher::new(&patterns) {
                let (whole, _) = matcher.matches_from_root(&path);
                prop_assert!(!whole || !matcher.is_empty());
                matcher.may_skip(&path);
            }
        }
    }
}
