//! The value of an `Authorization` header and the scope of a token: no input panics, and what is read is written as it was.
#![no_main]

use hythe_auth::{Credentials, Scope, Subject, SubjectPattern};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = Credentials::parse(text);
    if let Ok(scope) = text.parse::<Scope>() {
        assert!(!scope.kind.is_empty() && !scope.name.is_empty());
    }
    if let Ok(subject) = text.parse::<Subject>() {
        assert_eq!(subject.to_string(), text);
        let pattern: SubjectPattern = text.parse().expect("each subject is a pattern");
        assert_eq!(pattern.to_string(), text);
    }
});
