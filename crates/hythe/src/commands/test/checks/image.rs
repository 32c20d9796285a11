//! The whole way of an image: pushed, pulled, compared.

use std::time::Instant;

use http::Method;

use super::uploads::stored;
use crate::commands::test::bench::Bench;
use crate::commands::test::check::Check;
use crate::commands::test::verdict::{Figure, Stop, Verdict, expect};

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "image",
        "push and pull",
        "an image of three layers is pushed, and pulled with the same bytes",
        |bench| Box::pin(cycle(bench)),
    ),
    Check::new("image", "end-7", "a tag moves to another image", |bench| Box::pin(moves(bench))),
];

const MIB: usize = 1 << 20;

async fn cycle(bench: &Bench) -> Verdict {
    let began = Instant::now();
    let image = bench.push_image(&bench.tag("cycle"), &[MIB, 2 * MIB, 3 * MIB]).await?;
    let pushed = began.elapsed();
    let began = Instant::now();
    let answer = bench.repository().manifest(Method::GET, &image.tag, &[]).await?;
    expect(&answer, "GET of the manifest", &[200], "see the registry's log")?;
    if answer.body != image.manifest {
        return Err(Stop::failed(
            "the manifest that was pushed",
            "another manifest",
            "see the registry's log",
        ));
    }
    for (digest, content) in image.layers.iter().chain([&image.config]) {
        stored(bench.repository(), digest, content).await?;
    }
    let milliseconds = |took: std::time::Duration| took.as_secs_f64() * 1000.0;
    Ok(vec![
        Figure::new("push", milliseconds(pushed), "ms"),
        Figure::new("pull", milliseconds(began.elapsed()), "ms"),
    ])
}

async fn moves(bench: &Bench) -> Verdict {
    let tag = bench.tag("moves");
    for _ in 0..2 {
        let image = bench.push_image(&tag, &[1000]).await?;
        let answer = bench.repository().manifest(Method::GET, &tag, &[]).await?;
        expect(&answer, "GET of the tag", &[200], "see the registry's log")?;
        if answer.body != image.manifest {
            let advice = "if tags of the registry cannot be changed, allow it for this repository";
            return Err(Stop::failed("the image that was pushed last", "another image", advice));
        }
    }
    Ok(Vec::new())
}
