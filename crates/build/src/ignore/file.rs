//! The patterns of an ignore file (`patternmatcher/ignorefile`).

use crate::text::path::clean;

/// The patterns of an ignore file's lines: without comments, blank lines, the white space around them, and a slash at the start.
pub(crate) fn patterns(file: &[u8]) -> Vec<Vec<u8>> {
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let lines = file.split(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"#"));
    lines.map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()).map(pattern).collect()
}

fn pattern(line: &[u8]) -> Vec<u8> {
    let (mark, path) = match line.strip_prefix(b"!") {
        Some(path) => (b"!".as_slice(), path.trim_ascii()),
        None => (b"".as_slice(), line),
    };
    if path.is_empty() {
        return mark.to_vec();
    }
    let path = clean(path);
    let path = path.strip_prefix(b"/").filter(|path| !path.is_empty()).unwrap_or(&path);
    [mark, path].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_patterns_as_in_moby() {
        let file = "\u{feff}# comment\n  a/./b/ \r\n\n!  /c\n/\n #not a comment\n! \n../x\n";
        let read: Vec<_> =
            patterns(file.as_bytes()).into_iter().map(|p| String::from_utf8(p).unwrap()).collect();
        assert_eq!(read, ["a/b", "!c", "/", "#not a comment", "!", "../x"]);
    }
}
