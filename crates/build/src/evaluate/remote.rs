//! Addresses that `ADD` and contexts name, and whether they say what is behind them.

/// What the address of an `ADD` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remote {
    Http,
    Git,
}

/// What an address of `ADD` is; `None` for a path of the context.
pub(super) fn remote(source: &str) -> Option<Remote> {
    let is_http = source.starts_with("http://") || source.starts_with("https://");
    let path = source.split(['#', '?']).next().unwrap_or_default();
    if ["git://", "ssh://", "git@"].iter().any(|start| source.starts_with(start))
        || (is_http && path.strip_suffix(".git").is_some())
    {
        return Some(Remote::Git);
    }
    is_http.then_some(Remote::Http)
}

/// Whether the address of a git repository names a commit by its hash: `…#<hash>` or `…#<hash>:folder`.
pub(super) fn names_commit(source: &str) -> bool {
    let reference =
        source.split_once('#').map(|(_, fragment)| fragment.split(':').next().unwrap_or_default());
    reference.is_some_and(|text| matches!(text.len(), 40 | 64) && text.bytes().all(|c| c.is_ascii_hexdigit()))
}

/// Whether an additional context says what is behind it: a commit, or a digest of an image in a layout.
pub(super) fn is_fixed_context(source: &str) -> bool {
    names_commit(source) || (source.starts_with("oci-layout://") && source.contains("@sha256:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_paths() {
        for (source, expected) in [
            ("https://example.com/a.tar", Some(Remote::Http)),
            ("https://example.com/a.git", Some(Remote::Git)),
            ("https://example.com/a.git#main:sub", Some(Remote::Git)),
            ("git@example.com:a/b.git", Some(Remote::Git)),
            ("src/http", None),
            ("github.com/a/b", None),
        ] {
            assert_eq!(remote(source), expected, "{source}");
        }
        let hash = "0123456789abcdef0123456789abcdef01234567";
        assert!(names_commit(&format!("https://example.com/a.git#{hash}")));
        assert!(names_commit(&format!("https://example.com/a.git#{hash}:sub")));
        assert!(!names_commit("https://example.com/a.git#main"));
        assert!(is_fixed_context("oci-layout:///x@sha256:00"));
    }
}
