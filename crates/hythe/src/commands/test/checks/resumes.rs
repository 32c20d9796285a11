//! Upload sessions that are asked, cut, resumed or cancelled.

use std::time::Duration;

use bytes::Bytes;
use hythe_client::{RawAnswer, RawBody};
use hythe_oci::{Algorithm, Digest};
use tokio::time::sleep;

use super::uploads::stored;
use crate::commands::test::bench::Bench;
use crate::commands::test::check::Check;
use crate::commands::test::verdict::{Figure, Stop, Verdict, expect, expect_optional, said};

pub(super) const CHECKS: &[Check] = &[
    Check::new("sessions", "end-13", "a session tells how much it has", |bench| Box::pin(status(bench)))
        .shows("upload status"),
    Check::new("sessions", "end-13", "an upload that was cut continues", |bench| Box::pin(resume(bench)))
        .shows("resume of a cut upload"),
    Check::new(
        "sessions",
        "end-5",
        "a chunk that does not continue the session is refused with 416",
        |bench| Box::pin(out_of_order(bench)),
    )
    .shows("chunks in order"),
    Check::new("sessions", "end-14", "a session is cancelled", |bench| Box::pin(cancel(bench)))
        .shows("cancel an upload"),
];

const LOG: &str = "see the registry's log";

/// How often, and how many times, a session is asked whether the bytes of a cut request are stored.
const PAUSE: Duration = Duration::from_millis(300);
const QUESTIONS: usize = 10;

/// How many bytes the session has; `None` if it does not tell. `0-0` stands for no byte too.
fn count(answer: &RawAnswer) -> Result<Option<usize>, Stop> {
    expect_optional(answer, "GET of an upload session", &[204, 200], LOG)?;
    let last = answer.text("range").and_then(|range| range.rsplit('-').next()?.parse::<usize>().ok());
    Ok(last.map(|last| if last == 0 { 0 } else { last + 1 }))
}

async fn status(bench: &Bench) -> Verdict {
    let content = bench.content(100_000);
    let mut session = bench.repository().start().await?;
    let answer = session.patch(RawBody::Whole(content.clone()), Some((0, content.len() - 1))).await?;
    expect(&answer, "PATCH with a chunk", &[202], LOG)?;
    let has = count(&session.status().await?)?;
    session.cancel().await?;
    if has == Some(content.len()) {
        return Ok(Vec::new());
    }
    let got = has.map_or_else(|| "no `Range`".to_owned(), |has| format!("{has} bytes"));
    Err(Stop::failed(format!("`Range` for {} bytes", content.len()), got, "clients resume from this number"))
}

async fn resume(bench: &Bench) -> Verdict {
    let content = bench.content(4 << 20);
    let (half, digest) = (content.len() / 2, Digest::of(Algorithm::Sha256, &content));
    let mut session = bench.repository().start().await?;
    // The connection breaks, so the request has no answer; some registries still send one.
    let cut = RawBody::Broken(content.slice(..half), content.len() as u64);
    let _ = session.patch(cut, None).await;
    let mut has = None;
    for _ in 0..QUESTIONS {
        let answer = session.status().await?;
        // registry:2 cancels the session: the bytes that it has do not fit to the state that the address carries.
        if answer.status.is_client_error() {
            return Err(Stop::NotSupported(format!("the session is gone after the cut: {}", said(&answer))));
        }
        has = count(&answer)?;
        if has.is_some_and(|has| has > 0) {
            break;
        }
        sleep(PAUSE).await;
    }
    let has =
        has.ok_or_else(|| Stop::NotSupported("the session does not tell how much it has".to_owned()))?;
    if has > half {
        let got = format!("{has} bytes");
        return Err(Stop::failed(format!("at most the {half} bytes that were sent"), got, LOG));
    }
    if has == 0 {
        return Err(Stop::NotSupported("the registry keeps nothing of a request that was cut".to_owned()));
    }
    let answer = session.patch(RawBody::Whole(content.slice(has..)), Some((has, content.len() - 1))).await?;
    expect(&answer, "PATCH with the rest", &[202], LOG)?;
    let answer = session.put(&digest, Bytes::new()).await?;
    expect(&answer, "PUT after the rest", &[201], LOG)?;
    stored(bench.repository(), &digest, &content).await?;
    Ok(vec![Figure::new("kept of the cut part", f64::from((has * 100 / half) as u32), "%")])
}

async fn out_of_order(bench: &Bench) -> Verdict {
    let content = bench.content(10_000);
    let mut session = bench.repository().start().await?;
    let answer = session.patch(RawBody::Whole(content.clone()), Some((0, content.len() - 1))).await?;
    expect_optional(&answer, "PATCH with a chunk", &[202], LOG)?;
    let later = (content.len() + 5, 2 * content.len() + 4);
    let answer = session.patch(RawBody::Whole(content), Some(later)).await?;
    session.cancel().await?;
    if answer.status.is_success() {
        return Err(Stop::NotSupported(format!(
            "the registry does not read `Content-Range`: {}",
            said(&answer)
        )));
    }
    expect_optional(&answer, "PATCH with a chunk that leaves a gap", &[416], LOG)?;
    Ok(Vec::new())
}

async fn cancel(bench: &Bench) -> Verdict {
    let mut session = bench.repository().start().await?;
    let answer = session.cancel().await?;
    expect_optional(&answer, "DELETE of an upload session", &[204, 200, 202], LOG)?;
    let answer = session.status().await?;
    expect(
        &answer,
        "GET of a cancelled session",
        &[404],
        "a cancelled session keeps its disk space otherwise",
    )?;
    Ok(Vec::new())
}
