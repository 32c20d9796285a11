//! Says why the S3 server did not do what it should, for people.

use std::error::Error as StdError;
use std::io::{self, ErrorKind};

use object_store::Error;

/// The error of a request to a bucket.
pub(crate) fn failed(bucket: &str) -> impl Fn(Error) -> io::Error + '_ {
    move |error| {
        let (all, code) = (chain(&error), code(&error));
        // The answer to HEAD has no code. Some servers answer 404 for other reasons too, such as a wrong access key.
        let is_object = matches!(code.as_deref(), None | Some("NoSuchKey"));
        let kind = match &error {
            Error::NotFound { .. } if is_object => ErrorKind::NotFound,
            Error::AlreadyExists { .. } | Error::Precondition { .. } => ErrorKind::AlreadyExists,
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => ErrorKind::PermissionDenied,
            _ => ErrorKind::Other,
        };
        let reason = match code.as_deref() {
            Some("NoSuchBucket") => {
                format!("the S3 server has no bucket `{bucket}`: create it, or correct the name and the endpoint")
            }
            // The second is versitygw's.
            Some("InvalidAccessKeyId" | "XAdminUserNotFound") => {
                "the S3 server does not know the access key: check AWS_ACCESS_KEY_ID (backup.access-key-id)".to_owned()
            }
            Some("SignatureDoesNotMatch") => {
                "the S3 server refuses the signature: check AWS_SECRET_ACCESS_KEY (backup.secret-access-key-file), and the clock of \
                 this machine"
                    .to_owned()
            }
            Some("ExpiredToken" | "InvalidToken") => {
                "the S3 server refuses the session token: it has expired, or does not belong to the access key".to_owned()
            }
            Some("AccessDenied") => {
                format!("the S3 server denies access to bucket `{bucket}`: give the access key the right to list, read, write and delete there")
            }
            Some("AuthorizationHeaderMalformed" | "PermanentRedirect" | "IllegalLocationConstraintException") => {
                format!("bucket `{bucket}` is in another region: set AWS_REGION (backup.region)")
            }
            Some(code) => match message(&all) {
                Some(message) => format!("the S3 server answered {code}: {message}"),
                None => format!("the S3 server answered {code}"),
            },
            None => match &error {
                Error::NotFound { .. } => "it does not exist".to_owned(),
                Error::AlreadyExists { .. } | Error::Precondition { .. } => "it exists already".to_owned(),
                Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
                    format!("the S3 server denies access to bucket `{bucket}` with these credentials")
                }
                _ if all.contains("without LOCATION") => {
                    format!("bucket `{bucket}` is in another region: set AWS_REGION (backup.region)")
                }
                error => innermost(error),
            },
        };
        io::Error::new(kind, reason)
    }
}

/// The texts of the error and its causes.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push('\n');
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn innermost(error: &Error) -> String {
    let mut last: &dyn StdError = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

/// The code in the server's answer.
fn code(error: &Error) -> Option<String> {
    element(&chain(error), "Code")
}

fn message(text: &str) -> Option<String> {
    element(text, "Message")
}

/// The text of an XML element that has no others inside.
fn element(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (inner, _) = rest.split_once(&format!("</{name}>"))?;
    Some(inner.chars().filter(|c| !c.is_control()).take(300).collect())
}
