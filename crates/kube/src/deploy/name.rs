//! Names that a user gives, by the rules of Kubernetes.

use std::fmt;
use std::str::FromStr;

/// Why a text is not a valid value, with what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` {reason}")]
pub struct ValueError {
    text: String,
    reason: String,
}

impl ValueError {
    pub(super) fn new(text: &str, reason: impl Into<String>) -> Self {
        Self { text: text.to_owned(), reason: reason.into() }
    }
}

/// Makes a type for texts that a function checks.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = ValueError;

            fn from_str(text: &str) -> Result<Self, ValueError> {
                let check: fn(&str) -> Result<(), String> = $check;
                match check(text) {
                    Ok(()) => Ok(Self(text.to_owned())),
                    Err(reason) => Err(ValueError::new(text, reason)),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
pub(super) use checked_text;

/// The most characters of a registry's name. A `StatefulSet`'s revision is a label of its Pods: `NAME-` and ten
/// characters. A label's value has 63 characters at most.
const NAME_LENGTH: usize = 52;

checked_text! {
    /// The name of the registry, and of its workload, its Service and its claim.
    Name, |text| {
        dns_label(text, NAME_LENGTH)?;
        // Kubernetes' rule for Services (RFC 1035) is older than the rule for other objects (RFC 1123).
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return Err("is not a valid name for a Service: the name has to begin with a letter".to_owned());
        }
        Ok(())
    }
}

checked_text! {
    /// The name of a namespace.
    Namespace, |text| dns_label(text, 63)
}

checked_text! {
    /// The name of a storage class.
    StorageClass, dns_subdomain
}

/// Checks a label of RFC 1123, the form of most names in Kubernetes.
fn dns_label(text: &str, most: usize) -> Result<(), String> {
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if text.is_empty() || !text.chars().all(fine) {
        return Err("is not a valid name in Kubernetes: use only a-z, 0-9 and -".to_owned());
    }
    if text.starts_with('-') || text.ends_with('-') {
        return Err(
            "is not a valid name in Kubernetes: the name has to begin and end with a letter or a digit"
                .to_owned(),
        );
    }
    if text.len() > most {
        return Err(format!("is too long for a name: {most} characters at most"));
    }
    Ok(())
}

/// Checks a domain: labels with dots between them.
pub(super) fn dns_subdomain(text: &str) -> Result<(), String> {
    if text.len() > 253 {
        return Err("is too long for a name: 253 characters at most".to_owned());
    }
    text.split('.').try_for_each(|label| dns_label(label, 253))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_kubernetes_accepts_are_accepted() {
        for text in ["registry", "docker-registry", "a", "r2", &"a".repeat(52)] {
            assert_eq!(text.parse::<Name>().unwrap().as_str(), text);
        }
        assert!("2024".parse::<Namespace>().is_ok());
        assert!("fast.ssd-1".parse::<StorageClass>().is_ok());
    }

    #[test]
    fn names_that_kubernetes_refuses_are_refused_with_what_to_write() {
        for (text, reason) in [
            ("", "a-z, 0-9 and -"),
            ("Registry", "a-z, 0-9 and -"),
            ("my_registry", "a-z, 0-9 and -"),
            ("-a", "begin and end"),
            ("a-", "begin and end"),
            ("2a", "begin with a letter"),
            (&"a".repeat(53), "52 characters at most"),
        ] {
            let error = text.parse::<Name>().unwrap_err().to_string();
            assert!(error.contains(reason) && error.starts_with(&format!("`{text}`")), "{error}");
        }
        assert!(&"a".repeat(64).parse::<Namespace>().is_err());
        assert!("a..b".parse::<StorageClass>().is_err());
    }
}
