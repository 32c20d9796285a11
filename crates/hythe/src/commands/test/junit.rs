//! The report as JUnit XML, which build servers read.

use std::fmt::Write as _;

use super::report::{Report, explain};
use super::verdict::Stop;

/// The report as an XML document.
pub(super) fn xml(report: &Report<'_>) -> String {
    let totals = report.totals();
    let took: f64 = report.done.iter().map(|done| done.took.as_secs_f64()).sum();
    let (tests, failures, skipped) =
        (report.done.len(), totals.failed, totals.not_supported + totals.skipped);
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "  <testsuite name=\"test of {}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" \
         skipped=\"{skipped}\" time=\"{took:.3}\">\n    <properties>",
        escaped(report.registry)
    );
    for (name, word) in report.capabilities() {
        let _ = writeln!(text, "      <property name=\"{}\" value=\"{word}\"/>", escaped(name));
    }
    text += "    </properties>\n";
    for done in report.done {
        let (group, name) = (escaped(done.check.group), escaped(done.check.name));
        let _ = write!(
            text,
            "    <testcase classname=\"{group}\" name=\"{name}\" time=\"{:.3}\"",
            done.took.as_secs_f64()
        );
        match &done.verdict {
            Ok(_) => text += "/>\n",
            Err(Stop::Failed(fault)) => {
                let message = escaped(&explain(fault));
                let _ = writeln!(text, ">\n      <failure message=\"{message}\"/>\n    </testcase>");
            }
            Err(Stop::NotSupported(why)) => {
                let message = escaped(&format!("not supported: {why}"));
                let _ = writeln!(text, ">\n      <skipped message=\"{message}\"/>\n    </testcase>");
            }
            Err(Stop::Skipped(why)) => {
                let _ = writeln!(text, ">\n      <skipped message=\"{}\"/>\n    </testcase>", escaped(why));
            }
        }
    }
    text + "  </testsuite>\n</testsuites>\n"
}

/// The text for an attribute. XML has no form for most control characters; they are left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\n' => escaped += "&#10;",
            '\t' => escaped += "&#9;",
            character if character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}') => {}
            character => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        assert_eq!(escaped("a<b>&\"c\"\u{1}\n"), "a&lt;b&gt;&amp;&quot;c&quot;&#10;");
    }
}
