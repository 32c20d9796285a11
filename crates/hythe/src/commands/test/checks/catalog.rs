//! The list of repositories.

use http::Method;
use hythe_client::{Place, RawRequest};
use hythe_oci::path;

use super::tags::{next, query, texts};
use crate::commands::test::bench::Bench;
use crate::commands::test::check::Check;
use crate::commands::test::verdict::{Stop, Verdict, expect, is_unsupported, said};

pub(super) const CHECKS: &[Check] =
    &[Check::new("catalog", "practice", "the repository is in the list of repositories", |bench| {
        Box::pin(listed(bench))
    })
    .shows("list of repositories")];

/// Pages that are read at most: a large registry has many repositories.
const PAGES: usize = 100;

async fn listed(bench: &Bench) -> Verdict {
    bench.image().await?;
    let name = bench.repository().name.to_string();
    let mut place = Place::path(path::catalog()).with("n", "1000");
    for _ in 0..PAGES {
        let answer = bench.wire.send(RawRequest::new(Method::GET, place)).await?;
        if is_unsupported(&answer) || matches!(answer.status.as_u16(), 401 | 403 | 404) {
            return Err(Stop::NotSupported(format!("GET /v2/_catalog: {}", said(&answer))));
        }
        expect(&answer, "GET /v2/_catalog", &[200], "see the registry's log")?;
        if texts(&answer, "repositories").contains(&name) {
            return Ok(Vec::new());
        }
        let Some(address) = next(&answer) else {
            let expected = format!("`{name}` in the list");
            return Err(Stop::failed(expected, "a list without it", "`hythe ls` does not show it"));
        };
        place = Place::path(path::catalog()).with_query(query(&address));
    }
    Err(Stop::Skipped(format!("the repository is not on the first {PAGES} pages")))
}
