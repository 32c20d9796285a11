//! Whether the registry answers at all.

use http::Method;
use hythe_client::{Place, RawRequest};
use hythe_oci::path;

use crate::commands::test::bench::Bench;
use crate::commands::test::check::Check;
use crate::commands::test::verdict::{Stop, Verdict, expect};

pub(super) const CHECKS: &[Check] = &[
    Check::new("health", "end-1", "the registry answers at /v2/", |bench| Box::pin(base(bench))),
    Check::new("health", "practice", "a health page answers", |bench| Box::pin(page(bench)))
        .shows("health page"),
];

/// Pages on which registries tell that they run.
const PAGES: [&str; 3] = ["/healthz", "/health", "/readyz"];

async fn base(bench: &Bench) -> Verdict {
    let answer = bench.wire.send(RawRequest::new(Method::GET, Place::path(path::base()))).await?;
    let advice = "if the registry asks for a login, run `docker login`; if it is behind a proxy, check the proxy's paths";
    expect(&answer, "GET /v2/", &[200], advice)?;
    Ok(Vec::new())
}

async fn page(bench: &Bench) -> Verdict {
    for page in PAGES {
        let answer = bench.wire.send(RawRequest::new(Method::GET, Place::path(page))).await?;
        if answer.status.as_u16() == 200 {
            return Ok(Vec::new());
        }
    }
    Err(Stop::NotSupported(format!("none of {} answers with 200", PAGES.join(", "))))
}
