//! The mounts of `RUN --mount=…`.

use crate::expand::{Expanded, Variables, expand};

/// What a mount shows the command.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// Whether it shows files of a context, a stage or an image: not a secret, an ssh agent, or memory.
    pub(super) is_bind: bool,
    pub(super) source: Expanded,
}

/// What a mount names as `from`, if it does.
pub(super) fn from(mount: &str) -> Option<&str> {
    let mut fields = mount.split(',').rev().map(unquoted);
    let from = fields.find_map(|field| {
        let (key, value) = field.split_once('=')?;
        key.eq_ignore_ascii_case("from").then_some(value)
    });
    from.filter(|name| !name.is_empty())
}

/// Reads a mount. The values other than `from` may have variables.
pub(super) fn read(mount: &str, variables: &Variables, escape: char) -> Result<Mount, String> {
    let (mut is_bind, mut source) = (true, Expanded::default());
    for field in mount.split(',').map(unquoted) {
        let Some((key, value)) = field.split_once('=') else { continue };
        match key.to_ascii_lowercase().as_str() {
            "type" => {
                let kind = expand(value, variables, escape)?;
                is_bind = kind.is_unknown || kind.text.eq_ignore_ascii_case("bind");
            }
            "source" | "src" => source = expand(value, variables, escape)?,
            _ => {}
        }
    }
    Ok(Mount { is_bind, source })
}

/// A field of the list without its quotes.
fn unquoted(field: &str) -> &str {
    field.strip_prefix('"').and_then(|field| field.strip_suffix('"')).unwrap_or(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_read() {
        let mut variables = Variables::closed();
        variables.set("DIR", Some("src".to_owned()));
        for (text, source_of, is_bind, source) in [
            ("type=bind,from=build,source=/a,target=/b", Some("build"), true, "/a"),
            ("target=/b,src=$DIR/x", None, true, "src/x"),
            ("type=cache,target=/c", None, false, ""),
            ("type=secret,id=token", None, false, ""),
            ("\"from=x\",target=/b", Some("x"), true, ""),
        ] {
            assert_eq!(from(text), source_of);
            let mount = read(text, &variables, '\\').unwrap();
            assert_eq!((mount.is_bind, mount.source.text.as_str()), (is_bind, source), "{text}");
        }
    }
}
