use super::*;
use crate::doctor::Verdict;
use crate::doctor::symptom::SYMPTOMS;

/// The messages from which the rules were made.
const MESSAGES: &str = include_str!("tests/messages.txt");

/// Messages that were collected after the rules were made, to test them.
const MORE: &str = include_str!("tests/more.txt");

/// The rows of a table: the number of the symptom, and the message.
fn rows(table: &str) -> Vec<(Option<u8>, String)> {
    let rows = table.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    rows.map(|row| {
        let (number, message) = row.split_once(' ').unwrap();
        (number.parse().ok(), message.replace("\\n", "\n"))
    })
    .collect()
}

/// The rows of a table for which the rules find another symptom than the expected one.
fn wrong(table: &str) -> Vec<String> {
    let wrong = rows(table).into_iter().filter_map(|(expected, message)| {
        let found = explain(&message).map(|symptom| symptom.number);
        (found != expected).then(|| format!("{found:?} instead of {expected:?}: {message}"))
    });
    wrong.collect()
}

#[test]
fn every_message_shows_its_symptom_or_none() {
    for table in [MESSAGES, MORE] {
        let wrong = wrong(table);
        assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows(table).len(), wrong.join("\n"));
    }
}

#[test]
fn every_symptom_has_a_message_or_is_silent() {
    let known = rows(MESSAGES);
    for symptom in &SYMPTOMS {
        let has_message = known.iter().any(|(number, _)| *number == Some(symptom.number));
        assert!(has_message != SILENT.contains(&symptom.number), "{}", symptom.number);
    }
}

#[test]
fn a_message_is_explained_or_reported_as_unknown() {
    let known =
        message("Get \"http://localhost:5001/v2/\": dial tcp 127.0.0.1:5001: connect: connection refused");
    assert!(
        known.verdict == Verdict::Bad && known.cause.is_some_and(|cause| cause.ends_with("(symptom 46)"))
    );
    let unknown = message("it is a nice day");
    assert_eq!((unknown.verdict, unknown.cause), (Verdict::Unknown, None));
}
