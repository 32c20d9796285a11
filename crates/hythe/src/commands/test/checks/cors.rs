//! Whether pages of other origins may read the registry.

use http::Method;
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use hythe_client::{Place, RawRequest};
use hythe_oci::path;

use crate::commands::test::bench::Bench;
use crate::commands::test::check::Check;
use crate::commands::test::verdict::{Stop, Verdict, said};

pub(super) const CHECKS: &[Check] =
    &[Check::new("cors", "practice", "a page of another origin may read", |bench| {
        Box::pin(preflight(bench))
    })
    .shows("CORS")];

async fn preflight(bench: &Bench) -> Verdict {
    let request = RawRequest::new(Method::OPTIONS, Place::path(path::base()))
        .header(ORIGIN, "https://registry-browser.example")
        .header(ACCESS_CONTROL_REQUEST_METHOD, "GET");
    let answer = bench.wire.send(request).await?;
    if answer.headers.contains_key("access-control-allow-origin") {
        return Ok(Vec::new());
    }
    let said = said(&answer);
    Err(Stop::NotSupported(format!("no `Access-Control-Allow-Origin` for an unknown origin ({said})")))
}
