//! Lists of tags.

use hythe_client::RawAnswer;
use serde_json::Value;

use crate::commands::test::bench::Bench;
use crate::commands::test::check::Check;
use crate::commands::test::verdict::{Stop, Verdict, expect_optional};

pub(super) const CHECKS: &[Check] = &[
    Check::new("tags", "end-8a", "the pushed tags are listed", |bench| Box::pin(list(bench)))
        .shows("list of tags"),
    Check::new("tags", "end-8b", "tags come in pages of n, with a Link to the next", |bench| {
        Box::pin(pages(bench))
    })
    .shows("pages of tags"),
    Check::new("tags", "end-8b", "a page begins after the tag in last", |bench| Box::pin(last(bench)))
        .shows("pages of tags"),
];

/// Pages that are followed at most: a repository that the user named may have many tags.
const PAGES: usize = 200;

/// The texts of a list in a JSON body.
pub(super) fn texts(answer: &RawAnswer, field: &str) -> Vec<String> {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let list = body[field].as_array().cloned().unwrap_or_default();
    list.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

/// The address of the next page: its path and query.
pub(super) fn next(answer: &RawAnswer) -> Option<String> {
    let link = answer.text("link")?;
    let (_, rest) = link.split_once('<')?;
    rest.split_once('>').map(|(address, _)| address.to_owned())
}

/// The query of an address.
pub(super) fn query(address: &str) -> &str {
    address.split_once('?').map_or("", |(_, query)| query)
}

/// Pushes one image with several tags.
async fn tagged(bench: &Bench) -> Result<Vec<String>, Stop> {
    let image = bench.image().await?;
    let tags: Vec<String> = ["page-a", "page-b", "page-c", "page-d"].map(|word| bench.tag(word)).into();
    for tag in &tags {
        let pushed =
            bench.repository().push_manifest(tag, hythe_oci::media_type::OCI_MANIFEST, &image.manifest).await;
        pushed.map_err(|stop| stop.into_skipped("the push of a tag"))?;
    }
    Ok(tags)
}

async fn list(bench: &Bench) -> Verdict {
    let tags = tagged(bench).await?;
    let answer = bench.repository().get(bench.repository().place("tags/list")).await?;
    expect_optional(&answer, "GET of the tags", &[200], "see the registry's log")?;
    let (listed, mut next) = (texts(&answer, "tags"), next(&answer));
    let mut missing: Vec<String> = tags.into_iter().filter(|tag| !listed.contains(tag)).collect();
    for _ in 0..PAGES {
        let (Some(address), false) = (&next, missing.is_empty()) else { break };
        let place = bench.repository().place("tags/list").with_query(query(address));
        let answer = bench.repository().get(place).await?;
        let listed = texts(&answer, "tags");
        missing.retain(|tag| !listed.contains(tag));
        next = self::next(&answer);
    }
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    Err(Stop::failed(
        "all pushed tags",
        format!("a list without {}", missing.join(", ")),
        "see the registry's log",
    ))
}

async fn pages(bench: &Bench) -> Verdict {
    let tags = tagged(bench).await?;
    let (mut place, mut found) = (bench.repository().place("tags/list").with("n", "2"), Vec::new());
    for _ in 0..PAGES {
        let answer = bench.repository().get(place).await?;
        expect_optional(&answer, "GET of a page of tags", &[200], "see the registry's log")?;
        let listed = texts(&answer, "tags");
        if listed.len() > 2 {
            return Err(Stop::NotSupported(format!(
                "the registry ignores n=2 and lists {} tags",
                listed.len()
            )));
        }
        found.extend(listed);
        let Some(address) = next(&answer) else { break };
        place = bench.repository().place("tags/list").with_query(query(&address));
        if tags.iter().all(|tag| found.contains(tag)) {
            break;
        }
    }
    if tags.iter().all(|tag| found.contains(tag)) {
        return Ok(Vec::new());
    }
    let advice = "without `Link`, clients take the first page for the whole list";
    Err(Stop::failed(
        "pages with all tags, each with a `Link` to the next",
        format!("{} tags in all pages", found.len()),
        advice,
    ))
}

async fn last(bench: &Bench) -> Verdict {
    let tags = tagged(bench).await?;
    let place = bench.repository().place("tags/list").with("n", "1").with("last", &tags[1]);
    let answer = bench.repository().get(place).await?;
    expect_optional(&answer, "GET of the tags after a tag", &[200], "see the registry's log")?;
    let listed = texts(&answer, "tags");
    if listed.len() > 1 {
        return Err(Stop::NotSupported("the registry ignores `n` and `last`".to_owned()));
    }
    if listed.first() == Some(&tags[2]) {
        return Ok(Vec::new());
    }
    Err(Stop::failed(
        format!("the tag after `{}`", tags[1]),
        listed.join(", "),
        "tags are listed in ASCII order",
    ))
}
