//! Parts of blobs.

use http::Method;
use http::header::RANGE;

use crate::commands::test::bench::Bench;
use crate::commands::test::check::Check;
use crate::commands::test::verdict::{Stop, Verdict, expect, expect_optional, same};

const SHOWN: &str = "ranges";

pub(super) const CHECKS: &[Check] = &[
    Check::new("ranges", "end-2", "the first bytes of a blob are served", |bench| Box::pin(first(bench)))
        .shows(SHOWN),
    Check::new("ranges", "end-2", "bytes from the middle of a blob are served", |bench| {
        Box::pin(middle(bench))
    })
    .shows(SHOWN),
    Check::new("ranges", "end-2", "the last bytes of a blob are served", |bench| Box::pin(last(bench)))
        .shows(SHOWN),
    Check::new("ranges", "end-2", "a range beyond the end is refused with 416", |bench| {
        Box::pin(beyond(bench))
    }),
];

const LENGTH: usize = 10_000;

async fn first(bench: &Bench) -> Verdict {
    part(bench, "bytes=0-99", 0..100).await
}

async fn middle(bench: &Bench) -> Verdict {
    part(bench, "bytes=4000-4999", 4000..5000).await
}

async fn last(bench: &Bench) -> Verdict {
    part(bench, "bytes=-500", LENGTH - 500..LENGTH).await
}

async fn part(bench: &Bench, range: &str, expected: std::ops::Range<usize>) -> Verdict {
    let (digest, content) = bench.blob(LENGTH).await?;
    let answer = bench.repository().blob(Method::GET, &digest, &[(RANGE, range)]).await?;
    if answer.status.as_u16() == 200 {
        return Err(Stop::NotSupported("the registry sends the whole blob".to_owned()));
    }
    let advice = "clients continue a broken pull with ranges";
    expect_optional(&answer, &format!("GET with `Range: {range}`"), &[206], advice)?;
    let told = answer.text("content-range").unwrap_or_default().to_owned();
    let right = format!("bytes {}-{}/{LENGTH}", expected.start, expected.end - 1);
    same(&told, &right, "`Content-Range`", Clone::clone, advice)?;
    if answer.body != content[expected] {
        return Err(Stop::failed("the bytes of the range", "other bytes", advice));
    }
    Ok(Vec::new())
}

async fn beyond(bench: &Bench) -> Verdict {
    let (digest, _) = bench.blob(LENGTH).await?;
    let answer = bench.repository().blob(Method::GET, &digest, &[(RANGE, "bytes=20000-20099")]).await?;
    if answer.status.as_u16() == 200 {
        return Err(Stop::NotSupported("the registry sends the whole blob".to_owned()));
    }
    expect(
        &answer,
        "GET with a `Range` beyond the end",
        &[416],
        "a client could take the answer for content",
    )?;
    Ok(Vec::new())
}
