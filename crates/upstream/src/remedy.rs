//! Which setting of an upstream would let a request succeed.

use hythe_client::{Error as Failure, Remedy};

/// The failure in words, with the setting that would let the request succeed.
pub(crate) fn worded(failure: &Failure) -> String {
    format!("{failure}{}", setting(failure))
}

/// As [`worded`], without the requested thing.
pub(crate) fn cause(failure: &Failure) -> String {
    format!("{}{}", failure.cause(), setting(failure))
}

fn setting(failure: &Failure) -> String {
    match failure.remedy() {
        Some(Remedy::PrivateHost(host)) => format!("; to allow that, list `{host}` in `private-hosts`"),
        Some(Remedy::Authority) => "; add that CA's file to `ca`".to_owned(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_setting_that_would_help() {
        let failure = |remedy| Failure::Denied {
            host: "hub.example".to_owned(),
            asked: "tag `v1`".to_owned(),
            status: 401,
            reason: "why".to_owned(),
            remedy,
        };
        for (remedy, end) in [
            (None, "401: why"),
            (Some(Remedy::Authority), "401: why; add that CA's file to `ca`"),
            (
                Some(Remedy::PrivateHost("auth.example".to_owned())),
                "401: why; to allow that, list `auth.example` in `private-hosts`",
            ),
        ] {
            let failure = failure(remedy);
            assert!(worded(&failure).ends_with(end) && cause(&failure).ends_with(end), "{failure}");
            let upstream = "hub.example".parse().unwrap();
            let told = crate::Error::Upstream { upstream, error: failure }.to_string();
            assert!(told.ends_with(end), "{told}");
        }
    }
}
