//! The verdict of a check.

use hythe_client::RawAnswer;
use hythe_oci::ErrorBody;

/// How a check ended: passed, with what it measured, or not.
pub(super) type Verdict = Result<Vec<Figure>, Stop>;

/// A measurement.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Figure {
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) unit: &'static str,
}

/// Why a check did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The registry does not have an optional capability. The text says how it answered.
    NotSupported(String),
    /// The registry's answer is wrong.
    Failed(Fault),
    /// The check could not run. The text says why.
    Skipped(String),
}

/// A wrong answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) expected: String,
    pub(super) got: String,
    pub(super) advice: String,
}

impl Figure {
    pub(super) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit }
    }
}

impl Stop {
    pub(super) fn failed(
        expected: impl Into<String>,
        got: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self::Failed(Fault { expected: expected.into(), got: got.into(), advice: advice.into() })
    }

    /// A check that needs content which the registry did not take or give.
    pub(super) fn into_skipped(self, needed: &str) -> Self {
        match self {
            Self::Failed(Fault { expected, got, .. }) => {
                Self::Skipped(format!("{needed} failed: expected {expected}, got {got}"))
            }
            Self::NotSupported(why) => Self::Skipped(format!("{needed} is not supported: {why}")),
            Self::Skipped(why) => Self::Skipped(why),
        }
    }
}

/// The status, with the code and the message of the error body if there is one.
pub(super) fn said(answer: &RawAnswer) -> String {
    let status = format!("status {}", answer.status.as_u16());
    let body = serde_json::from_slice::<ErrorBody>(&answer.body).ok();
    match body.as_ref().and_then(|body| body.errors.first()) {
        Some(error) if error.message.is_empty() => format!("{status} {}", error.code),
        Some(error) => format!("{status} {}: {}", error.code, error.message),
        None => status,
    }
}

/// Whether the error body has this code.
pub(super) fn has_code(answer: &RawAnswer, codes: &[&str]) -> bool {
    let body = serde_json::from_slice::<ErrorBody>(&answer.body).unwrap_or_default();
    body.errors.iter().any(|error| codes.contains(&error.code.as_str()))
}

/// Whether the registry says that it lacks the request's operation.
pub(super) fn is_unsupported(answer: &RawAnswer) -> bool {
    matches!(answer.status.as_u16(), 405 | 501) || has_code(answer, &["UNSUPPORTED"])
}

/// Requires one of these statuses. `what` names the request.
pub(super) fn expect(answer: &RawAnswer, what: &str, statuses: &[u16], advice: &str) -> Result<(), Stop> {
    if statuses.contains(&answer.status.as_u16()) {
        return Ok(());
    }
    let listed: Vec<String> = statuses.iter().map(ToString::to_string).collect();
    Err(Stop::failed(format!("{what} to be answered with {}", listed.join(" or ")), said(answer), advice))
}

/// As [`expect`], for an operation that the registry may lack.
pub(super) fn expect_optional(
    answer: &RawAnswer,
    what: &str,
    statuses: &[u16],
    advice: &str,
) -> Result<(), Stop> {
    if is_unsupported(answer) {
        return Err(Stop::NotSupported(format!("{what}: {}", said(answer))));
    }
    expect(answer, what, statuses, advice)
}

/// Requires that these are equal.
pub(super) fn same<T: PartialEq>(
    got: &T,
    expected: &T,
    what: &str,
    show: impl Fn(&T) -> String,
    advice: &str,
) -> Result<(), Stop> {
    if got == expected {
        return Ok(());
    }
    Err(Stop::failed(format!("{what} to be {}", show(expected)), show(got), advice))
}
