//! The options of commands that use container engines and clusters.

use hythe_kube::deploy::{DEFAULT_CPU, DEFAULT_MEMORY, DEFAULT_NAME, DEFAULT_NAMESPACE, DEFAULT_NODE_PORT};

use super::{Given, InEffect, Taker};
use crate::args::{
    Command, DeployArgs, EngineArgs, NameArgs, OptionArgs, TargetArgs, UpArgs, WiredArgs, WorkloadKind,
};

pub(super) fn of(in_effect: &mut InEffect, command: &Command) {
    match command {
        Command::Up(args) => up(in_effect, args),
        Command::Down(args) => container(in_effect, &args.target),
        Command::Status(args) => container(in_effect, args),
        Command::Logs(args) => container(in_effect, &args.target),
        Command::Upgrade(args) => container(in_effect, &args.target),
        Command::Doctor(args) => container(in_effect, &args.target),
        Command::Attach(args) => wired(in_effect, &args.target),
        Command::Detach(args) => wired(in_effect, &args.target),
        Command::Image(args) => engine(in_effect, &args.engine),
        Command::Deploy(args) => deploy(in_effect, args),
        Command::Forward(args) => target(in_effect, &args.target),
        _ => {}
    }
}

fn engine(in_effect: &mut InEffect, args: &EngineArgs) {
    in_effect.add(Taker::Engine, "--engine", args.engine.as_ref());
}

fn container(in_effect: &mut InEffect, args: &NameArgs) {
    let name = Some(&args.name).filter(|name| *name != hythe_cluster::registry::DEFAULT_NAME);
    in_effect.add(Taker::Container, "--name", name);
    engine(in_effect, &args.engine);
}

fn wired(in_effect: &mut InEffect, args: &WiredArgs) {
    let taker = if args.in_cluster { Taker::Deployed } else { Taker::Container };
    in_effect.add(taker, "--name", args.name.as_ref());
    in_effect.add(Taker::Deployed, "--namespace", args.namespace.as_ref());
    engine(in_effect, &args.engine);
}

fn target(in_effect: &mut InEffect, args: &TargetArgs) {
    in_effect.add(Taker::Context, "--context", args.context.as_ref());
    let namespace = Some(&args.namespace).filter(|namespace| namespace.as_str() != DEFAULT_NAMESPACE);
    in_effect.add(Taker::Deployed, "--namespace", namespace);
    in_effect.add(Taker::Deployed, "--name", Some(&args.name).filter(|name| name.as_str() != DEFAULT_NAME));
}

/// Adds every option of `up`: after a failed run no container stores them.
fn up(in_effect: &mut InEffect, args: &UpArgs) {
    container(in_effect, &args.target);
    in_effect.add(Taker::Up, "--port", args.port);
    in_effect.add(Taker::Up, "--address", args.address);
    in_effect.add(Taker::Up, "--mirror-port", args.mirror_port.map(none_is_empty));
    list(in_effect, Taker::Up, "--alias", &args.alias);
    in_effect.add(Taker::Up, "--data", args.data.as_ref().map(|path| path.display()));
    in_effect.add(Taker::Up, "--volume", args.volume.as_ref());
    in_effect.add(Taker::Up, "--config", args.config.as_ref().map(|path| path.display()));
    list(in_effect, Taker::Up, "--set", &args.settings);
    in_effect.add(Taker::Up, "--binary", args.binary.as_ref().map(|path| path.display()));
    switch(in_effect, Taker::Up, "--process", args.process);
    switch(in_effect, Taker::Up, "--no-attach", args.no_attach);
    switch(in_effect, Taker::Up, "--watch", args.watch);
    switch(in_effect, Taker::Up, "--force", args.force);
}

fn none_is_empty(port: u16) -> String {
    if port == 0 { String::new() } else { port.to_string() }
}

fn deploy(in_effect: &mut InEffect, args: &DeployArgs) {
    target(in_effect, &args.target);
    let options = &args.options;
    engine(in_effect, &options.engine);
    if args.command.is_none() {
        options_of(in_effect, options);
    }
}

fn options_of(in_effect: &mut InEffect, options: &OptionArgs) {
    let kind = (options.kind == WorkloadKind::StatefulSet).then_some("statefulset");
    in_effect.add(Taker::Deploy, "--kind", kind);
    in_effect.add(Taker::Deploy, "--image", options.image.as_ref());
    in_effect.add(Taker::Deploy, "--binary", options.binary.as_ref().map(|path| path.display()));
    in_effect.add(Taker::Deploy, "--size", options.size.as_ref());
    in_effect.add(Taker::Deploy, "--storage-class", options.storage_class.as_ref());
    in_effect.add(Taker::Deploy, "--claim", options.claim.as_ref());
    in_effect.add(Taker::Deploy, "--config-map", options.config_map.as_ref());
    in_effect.add(Taker::Deploy, "--host-path", options.host_path.as_ref());
    let node_port = Some(options.node_port).filter(|port| *port != DEFAULT_NODE_PORT);
    in_effect.add(Taker::Deploy, "--node-port", node_port);
    let memory = Some(&options.memory).filter(|memory| memory.as_str() != DEFAULT_MEMORY);
    in_effect.add(Taker::Deploy, "--memory", memory);
    in_effect.add(Taker::Deploy, "--cpu", Some(&options.cpu).filter(|cpu| cpu.as_str() != DEFAULT_CPU));
    list(in_effect, Taker::Deploy, "--node-selector", &options.node_selector);
    list(in_effect, Taker::Deploy, "--allow-from", &options.allow_from);
    list(in_effect, Taker::Deploy, "--set", &options.set);
    switch(in_effect, Taker::Deploy, "--force", options.force);
}

fn list(in_effect: &mut InEffect, taker: Taker, flag: &str, values: &[impl ToString]) {
    in_effect.given.extend(values.iter().map(|value| Given {
        taker,
        flag: flag.to_owned(),
        value: Some(value.to_string()),
        is_list: true,
    }));
}

fn switch(in_effect: &mut InEffect, taker: Taker, flag: &str, is_on: bool) {
    in_effect.given.extend(is_on.then(|| Given::switch(taker, flag)));
}
