//! `hythe deploy`: runs a registry in a cluster.

mod access;
mod image;
mod logs;
mod narrate;
mod remove;
mod settings;
mod status;

use hythe_kube::deploy::{self, Applied, Data, DeployOptions, ImageSource, Target, Workload};
use serde_json::{Value, json};

use super::runtime::run;
use crate::args::{DeployArgs, DeployCommand, OptionArgs, TargetArgs, WorkloadKind};
use crate::config::Environment;
use crate::console::Printer;
use crate::failure::Failure;

use image::Chosen;

pub(super) use access::{access, connect};
pub(super) use settings::{Server, variables};

/// Runs the command.
pub(super) fn deploy(args: DeployArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    let DeployArgs { target, options, command } = args;
    match command {
        None if options.print => print(&target, &options, printer),
        None => run(apply(&target, options, environment, printer)),
        Some(DeployCommand::Status) => run(status::status(&target, environment, printer)),
        Some(DeployCommand::Logs { follow, tail, previous }) => {
            let options = deploy::LogOptions { follow, tail, previous };
            run(logs::logs(&target, options, environment, printer))
        }
        Some(DeployCommand::Remove { data, yes }) => {
            run(remove::remove(&target, data, yes, environment, printer))
        }
    }
}

/// The registry that the arguments name.
pub(super) fn target(args: &TargetArgs) -> Target {
    Target { namespace: args.namespace.clone(), name: args.name.clone() }
}

/// Prints the objects as YAML. stdout has nothing else, so that it can be redirected to a file.
fn print(target: &TargetArgs, args: &OptionArgs, printer: Printer) -> Result<(), Failure> {
    let options = options(target, args.clone(), image::choose(args)?.source)?;
    let manifests = deploy::render(&options);
    printer.data(deploy::to_yaml(&manifests).trim_end(), || {
        manifests.iter().map(|manifest| manifest.body().clone()).collect::<Value>()
    });
    if let ImageSource::Nodes(image) = &options.image {
        printer.note(format_args!(
            "load {image} into every node before you apply this: `hythe deploy` without --print does both. Or name an \
             image that nodes can pull, with --image"
        ));
    }
    Ok(())
}

async fn apply(
    target: &TargetArgs,
    args: OptionArgs,
    environment: &Environment,
    printer: Printer,
) -> Result<(), Failure> {
    let (force, timeout, engine) = (args.force, args.timeout, args.engine.clone());
    // Check the options before the first request to the cluster.
    let Chosen { source, own } = image::choose(&args)?;
    let options = options(target, args, source)?;
    let access = access(target, environment).await?;
    printer.note(format_args!(
        "deploying to the cluster of context `{}` ({})",
        access.context(),
        access.server()
    ));
    if let Some(own) = own {
        image::put(&own, &engine, &access, printer).await?;
    }
    let mut tell = |progress| narrate::tell(printer, &progress);
    let applied = deploy::apply(&access, &options, force, timeout, &mut tell).await?;
    printer.data(addresses(&options), || summary(access.context(), &applied));
    printer
        .note(format_args!("to reach it as localhost:{} from this machine: `hythe forward`", deploy::PORT));
    Ok(())
}

fn options(target: &TargetArgs, args: OptionArgs, image: ImageSource) -> Result<DeployOptions, Failure> {
    Ok(DeployOptions {
        target: self::target(target),
        workload: match args.kind {
            WorkloadKind::Deployment => Workload::Deployment,
            WorkloadKind::StatefulSet => Workload::StatefulSet,
        },
        image,
        data: match args.host_path {
            Some(path) => Data::HostPath(path),
            None => Data::Claim { size: args.size, class: args.storage_class },
        },
        node_port: Some(args.node_port).filter(|port| *port > 0),
        memory: args.memory,
        cpu: args.cpu,
        nodes: args.node_selector,
        peers: args.allow_from,
        variables: settings::variables(&args.set, Server::Container)?,
        claim: args.claim,
        config_map: args.config_map,
    })
}

fn addresses(options: &DeployOptions) -> String {
    let in_pods = format!("in Pods   {}", options.target.cluster_host());
    match options.node_port {
        Some(port) => format!("{in_pods}\non nodes  localhost:{port}"),
        None => in_pods,
    }
}

fn summary(context: &str, applied: &Applied) -> Value {
    let objects = applied.objects.iter().map(|(object, change)| {
        let mut value = json!(object);
        value["change"] = json!(change);
        value
    });
    let DeployOptions { target, node_port, .. } = &applied.options;
    json!({
        "context": context,
        "namespace": target.namespace.as_str(),
        "name": target.name.as_str(),
        "clusterHost": target.cluster_host(),
        "nodePort": node_port,
        "objects": objects.collect::<Value>(),
    })
}
