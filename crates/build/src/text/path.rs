//! Paths with slashes, as Go's `filepath` cleans them.

/// The shortest equal path (`filepath.Clean`): without `.`, doubled slashes and inner `..`.
pub(crate) fn clean(path: &[u8]) -> Vec<u8> {
    let is_rooted = path.first() == Some(&b'/');
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if parts.last().is_some_and(|last| *last != b"..") => drop(parts.pop()),
            b".." if is_rooted => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join(&b'/');
    match (is_rooted, joined.is_empty()) {
        (true, _) => [b"/", joined.as_slice()].concat(),
        (false, true) => b".".to_vec(),
        (false, false) => joined,
    }
}

/// A path relative to the root that it is read in; empty for the root itself. `..` does not leave the root.
pub(crate) fn within_root(path: &[u8]) -> Vec<u8> {
    let rooted = clean(&[b"/", path].concat());
    rooted[1..].to_vec()
}

/// A path in a folder; the root is an empty path.
pub(crate) fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() { name.to_vec() } else { [folder, b"/", name].concat() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_cleaned_as_go_does() {
        for (path, expected) in [
            ("", "."),
            ("./a//b/", "a/b"),
            ("a/../../b", "../b"),
            ("/../a", "/a"),
            ("a/..", "."),
            ("/", "/"),
            ("../..", "../.."),
        ] {
            assert_eq!(String::from_utf8(clean(path.as_bytes())).unwrap(), expected, "{path}");
        }
    }

    #[test]
    fn a_path_never_leaves_its_root() {
        for (path, expected) in [("../../etc/x", "etc/x"), ("/a/./b", "a/b"), (".", ""), ("/", ""), ("", "")]
        {
            assert_eq!(String::from_utf8(within_root(path.as_bytes())).unwrap(), expected, "{path}");
        }
    }
}
