//! `hythe build`: builds images whose inputs changed, with the user's own builder, and pushes them.
//!
//! The flow of an image: read the inputs → ask registries for the digests of its bases → compute the key → ask the registry for the
//! image of the key. If the registry has it, its tag moves; otherwise the builder builds it, and the image gets the tag of the key too.

mod builder;
mod compose;
mod context;
mod declared;
mod facts;
mod image;
mod keyed;
mod making;
mod memory;
mod order;
mod outcome;
mod project;
mod reason;
mod repository;
mod session;
mod tags;
mod unset_tag;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt as _};
use hythe_build::Inputs;
use serde_json::{Value, json};

use super::cache::Target;
use super::interrupt::interrupted;
use super::registries::Registries;
use super::runtime::run;
use crate::args::BuildArgs;
use crate::config::Environment;
use crate::console::{Printer, count_of};
use crate::failure::{BuildError, Failure};
use crate::values::Output;
use image::Image;
use outcome::State;
use project::Project;
use session::Session;

/// Images whose inputs are read at the same time.
const AT_ONCE: usize = 4;

/// Builds images.
pub(super) fn build(args: &BuildArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    run(async {
        // What a build leaves in an engine, it removes when it is dropped.
        tokio::select! {
            built = build_all(args, environment, printer) => built,
            () = interrupted() => Err(BuildError::Interrupted.into()),
        }
    })
}

async fn build_all(args: &BuildArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    let Project { images, wanted, warnings } = Project::choose(args, environment)?;
    for warning in &warnings {
        printer.note(format_args!("warning: {warning}"));
    }
    #[cfg(feature = "cluster")]
    let roll_out = super::roll_out::RollOut::asked(&args.roll_out, &args.engine, environment).await?;
    #[cfg(feature = "cluster")]
    let names: Vec<hythe_oci::ImageName> = wanted.iter().map(|image| images[*image].main().clone()).collect();
    let (inputs, order) = inputs(&images, wanted, environment).await?;
    let mut connection = args.connection.clone();
    connection.plain_http.extend(Target::chosen(args.registry.as_deref(), environment)?.plain_host());
    let registries = Registries::new(environment, &connection);
    let mut session = Session::new(args, environment, &connection, &registries, printer);
    let (mut lines, mut needed, mut unset) = (Vec::new(), Vec::new(), Vec::new());
    let mut inputs = inputs;
    for position in order {
        let image = &images[position];
        let Some(inputs) = inputs.remove(&position) else { continue };
        let outcome = session.run(image, inputs).await?;
        for warning in &outcome.warnings {
            printer.note(format_args!("warning: {}: {warning}", image.name));
        }
        if printer.output() == Output::Text {
            printer.data(outcome.line(image), || Value::Null);
        }
        if outcome.state == State::Needed {
            needed.push(image.name.clone());
        }
        unset.extend(outcome.unset.iter().map(|tag| tag.reference.to_string()));
        lines.push(outcome.json(image));
    }
    #[cfg(feature = "cluster")]
    let rolled_out = match roll_out {
        Some(roll_out) if !args.check => roll_out.run(&names, printer).await.map(Some),
        _ => Ok(None),
    };
    #[cfg(not(feature = "cluster"))]
    let rolled_out: Result<Option<Value>, Failure> = Ok(None);
    if printer.output() == Output::Json {
        let mut data = json!({ "check": args.check, "images": lines });
        if let Ok(Some(rolled_out)) = &rolled_out {
            data["rollOut"] = rolled_out.clone();
        }
        printer.data("", || data);
    }
    match answer(&needed, &unset) {
        Some(answer) => Err(BuildError::Needed(answer).into()),
        None => rolled_out.map(drop),
    }
}

/// What the same command without --check would do, if it would do anything.
fn answer(needed: &[String], unset: &[String]) -> Option<String> {
    let count = |names: &[String], noun, one, several| {
        let verb = if names.len() == 1 { one } else { several };
        format!("{} {verb}", count_of(names.len() as u64, noun))
    };
    let built = (!needed.is_empty()).then(|| {
        let count = count(needed, "image", "needs a build", "need a build");
        (count, format!("builds: {}", needed.join(", ")))
    });
    let set = (!unset.is_empty()).then(|| {
        let count = count(unset, "tag", "does not name its image", "do not name their images");
        (count, format!("sets: {}", unset.join(", ")))
    });
    let (counts, verbs): (Vec<String>, Vec<String>) = built.into_iter().chain(set).unzip();
    (!counts.is_empty()).then(|| {
        format!("{}; the same command without --check {}", counts.join(", and "), verbs.join(", and "))
    })
}

/// The inputs of the wanted images and of those that they are based on, and their order.
async fn inputs(
    images: &[Image],
    wanted: BTreeSet<usize>,
    environment: &Environment,
) -> Result<(BTreeMap<usize, Inputs>, Vec<usize>), Failure> {
    let positions = order::positions(images);
    let (mut inputs, mut bases) = (BTreeMap::new(), BTreeMap::new());
    let mut next: Vec<usize> = wanted.into_iter().collect();
    while !next.is_empty() {
        let reading = stream::iter(std::mem::take(&mut next))
            .map(|position| async move { (position, keyed::read(&images[position], environment).await) });
        let read: Vec<_> = reading.buffered(AT_ONCE).collect().await;
        for (position, read) in read {
            let read = read?;
            let of = read.bases().iter().filter_map(|base| positions.get(&base.image).copied());
            let of: BTreeSet<usize> = of.filter(|base| *base != position).collect();
            bases.insert(position, of);
            inputs.insert(position, read);
        }
        let known = bases.values().flatten().copied().filter(|base| !inputs.contains_key(base));
        next = known.collect::<BTreeSet<usize>>().into_iter().collect();
    }
    let order = order::sorted(&bases, images)?;
    Ok((inputs, order))
}
