//! Gives the promoted image to workloads of a cluster.

use hythe_kube::workload::Workload;
use serde_json::Value;

use crate::args::{ContainerOf, PromoteArgs, SetImageArgs};
use crate::commands::deploy::connect;
use crate::config::Environment;
use crate::console::Printer;
use crate::failure::Failure;

/// The variable that names the context, as teams' scripts do.
const CONTEXT: &str = "PROD_CONTEXT";

/// A workload, and the container that gets the image.
pub(super) struct Found {
    workload: Workload,
    asked: ContainerOf,
    context: String,
}

/// Finds the workloads, and changes nothing.
pub(super) async fn find(args: &SetImageArgs, environment: &Environment) -> Result<Vec<Found>, Failure> {
    if args.set_image.is_empty() {
        return Ok(Vec::new());
    }
    let variable = environment.variables.get(CONTEXT).and_then(|value| value.to_str());
    let context = args.context.as_deref().or(variable).filter(|context| !context.is_empty());
    let access = connect(context, environment).await?;
    let mut found = Vec::new();
    for asked in &args.set_image {
        let workload = Workload::new(&access, &asked.workload, args.namespace.as_deref());
        // The image's name does not matter yet: this finds out whether the container exists.
        if asked.container.is_some() {
            workload.plan_image(asked.container.as_deref(), "").await?;
        } else {
            workload.check().await?;
        }
        found.push(Found { workload, asked: asked.clone(), context: access.context().to_owned() });
    }
    Ok(found)
}

/// Gives the image to the workloads, then waits until each is rolled out. Returns what changed.
pub(super) async fn set(
    workloads: &[Found],
    image: &str,
    args: &PromoteArgs,
    printer: Printer,
) -> Result<Vec<Value>, Failure> {
    let mut changes = Vec::new();
    for Found { workload, asked, context } in workloads {
        let change = workload.plan_image(asked.container.as_deref(), image).await?;
        let (container, from) = (&change.container, &change.from);
        let at = format!("{} in context `{context}`, container {container}", change.workload);
        if !change.is_change() {
            printer.note(format_args!("{at}: has this image already"));
        } else if args.dry_run {
            printer.note(format_args!("{at}: would change the image from {from} to {image}"));
        } else {
            workload.set_image(&change).await?;
            printer.note(format_args!("{at}: changed the image from {from} to {image}"));
        }
        let mut value = serde_json::to_value(&change).unwrap_or_default();
        value["changed"] = (change.is_change() && !args.dry_run).into();
        changes.push(value);
    }
    if args.dry_run {
        return Ok(changes);
    }
    for Found { workload, .. } in workloads {
        let title = workload.title();
        let mut tell = |state: &str| printer.note(format_args!("{title}: {state}"));
        workload.wait(args.deploy.timeout, &mut tell).await?;
        printer.note(format_args!("{title}: rolled out"));
    }
    Ok(changes)
}
