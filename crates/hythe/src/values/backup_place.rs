//! Where backups are: a folder, or a bucket of an S3 server.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::ValueError;
use super::path::parse_path;

/// The scheme of a bucket's URL.
const SCHEME: &str = "s3://";

/// Where backups are: a folder, or `s3://BUCKET/PREFIX`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackupPlace {
    /// A folder.
    Folder(PathBuf),
    /// A bucket, and what the names of its objects begin with.
    Bucket {
        /// The bucket's name.
        bucket: String,
        /// The prefix, without slashes at its ends; empty for the whole bucket.
        prefix: String,
    },
}

impl FromStr for BackupPlace {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let Some(rest) = text.strip_prefix(SCHEME) else {
            if text.split_once("://").is_some_and(|(scheme, _)| !scheme.contains('/')) {
                return Err(ValueError::new("write the path of a folder, or s3://BUCKET/PREFIX"));
            }
            return parse_path(text).map(Self::Folder);
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if bucket.is_empty() || !bucket.chars().all(is_plain) {
            return Err(ValueError::new("write s3://BUCKET/PREFIX, with the name of a bucket"));
        }
        let prefix = prefix.trim_matches('/');
        let is_part =
            |part: &str| !part.is_empty() && part != "." && part != ".." && part.chars().all(is_plain);
        if !prefix.is_empty() && !prefix.split('/').all(is_part) {
            let text = "a prefix may have letters, digits, dots, dashes and underscores, with single slashes between";
            return Err(ValueError::new(text));
        }
        Ok(Self::Bucket { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }
}

impl fmt::Display for BackupPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::Bucket { bucket, prefix } if prefix.is_empty() => write!(f, "{SCHEME}{bucket}"),
            Self::Bucket { bucket, prefix } => write!(f, "{SCHEME}{bucket}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_and_a_bucket_are_read_as_they_are_shown() {
        for text in ["/mnt/backup", "backup", "./s3:/x", "s3://bucket", "s3://my.bucket/hythe/prod_1"] {
            assert_eq!(text.parse::<BackupPlace>().unwrap().to_string(), text);
        }
        let place: BackupPlace = "s3://bucket/a/".parse().unwrap();
        assert_eq!(place, BackupPlace::Bucket { bucket: "bucket".to_owned(), prefix: "a".to_owned() });
    }

    #[test]
    fn another_scheme_an_empty_bucket_and_a_strange_prefix_are_refused() {
        for text in [
            "",
            "gs://bucket",
            "https://host/bucket",
            "s3://",
            "s3:///x",
            "s3://b//x/../y",
            "s3://b/a b",
            "~/x",
        ] {
            assert!(text.parse::<BackupPlace>().is_err(), "{text}");
        }
    }
}
