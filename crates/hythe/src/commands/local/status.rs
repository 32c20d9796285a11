//! `hythe status`: lists the registries, and which clusters use them.

mod clusters;

use std::fmt::Write as _;

use hythe_cluster::registry::{self, Found, RegistrySettings};
use hythe_cluster::sites::{Site, sites};
use hythe_cluster::topology;
use hythe_engine::Engine;
use serde_json::{Value, json};

use super::{default_settings, kubeconfig};
use crate::args::NameArgs;
use crate::commands::engine::connect;
use crate::commands::runtime::run;
use crate::config::Environment;
use crate::console::{Printer, count_of};
use crate::failure::Failure;

/// Prints the registries and the state of each cluster.
pub(in crate::commands) fn status(
    args: &NameArgs,
    environment: &Environment,
    printer: Printer,
) -> Result<(), Failure> {
    run(async {
        let engine = connect(&args.engine).await?;
        let name = &args.name;
        let found = registry::find(&engine, name).await?;
        let remembered = match &found {
            Found::Absent => registry::remembered(&engine, name).await?,
            Found::Ours(_) | Found::Theirs(_) | Found::Foreign(_) => None,
        };
        let settings = found.settings();
        let expected = settings.as_ref().or(remembered.as_ref());
        let port = expected
            .map_or_else(|| default_settings(name.clone(), environment).port, |settings| settings.port);
        printer.registry_port(port);
        let known = topology::clusters(&engine).await?;
        let others = sites(&engine, &known, &kubeconfig(environment), port).await?;
        let others: Vec<&Site> = others.iter().filter(|site| !is_named(site, name)).collect();

        let (mut text, registry) = named(&found, remembered.as_ref(), name, &engine);
        for site in &others {
            let _ = writeln!(text, "{}", line(site));
        }
        let mut list = Vec::new();
        for cluster in &known {
            let state = clusters::state(&engine, cluster, settings.as_ref(), &others, environment).await?;
            let nodes = count_of(cluster.nodes.len() as u64, "node");
            let _ = writeln!(text, "{cluster} ({nodes}): {state}");
            list.push(json!({
                "name": cluster.name,
                "maker": cluster.maker.name(),
                "nodes": cluster.nodes.iter().map(|node| node.name.clone()).collect::<Vec<_>>(),
                "state": state,
            }));
        }
        // If hythe serves as a process or in a cluster, the user needs no container.
        let is_alone = others.iter().all(|site| matches!(site, Site::Container { .. }));
        let others: Vec<Value> = others.into_iter().map(described).collect();
        let mut data = json!({ "engine": engine.title(), "clusters": list, "others": others });
        if !registry.is_null() {
            data["registry"] = registry;
        }
        printer.data(text.trim_end(), || data);
        match (&found, remembered) {
            (Found::Foreign(_), _) => {
                printer.note("to replace it with hythe and keep its data: `hythe up --adopt`");
            }
            (Found::Absent, Some(_)) => printer.note("to bring it back as it was: `hythe up`"),
            (Found::Absent, None) if is_alone => printer.note("to start it: `hythe up`"),
            (Found::Ours(_) | Found::Theirs(_) | Found::Absent, _) => {}
        }
        Ok(())
    })
}

/// Whether this is the registry that the user asked about.
fn is_named(site: &Site, name: &str) -> bool {
    matches!(site, Site::Container { settings, .. } if settings.name == name)
}

/// The registry that the user asked about, as text and as JSON.
fn named(
    found: &Found,
    remembered: Option<&RegistrySettings>,
    name: &str,
    engine: &Engine,
) -> (String, Value) {
    let title = engine.title();
    let container = match (found, remembered) {
        (Found::Ours(container) | Found::Theirs(container), _) => container,
        (Found::Foreign(_), _) => {
            return (format!("the container {name} in {title} does not run hythe\n"), Value::Null);
        }
        (Found::Absent, Some(settings)) => {
            let text =
                format!("no registry {name} is in {title}; its last settings were\n{}", places(settings));
            return (text, Value::Null);
        }
        (Found::Absent, None) => return (format!("no registry {name} is in {title}\n"), Value::Null),
    };
    let runs = container.state.as_ref().and_then(|state| state.running) == Some(true);
    let image = container.config.as_ref().and_then(|config| config.image.clone()).unwrap_or_default();
    let state = if runs { "runs" } else { "is stopped" };
    let mut text = format!("{name} {state} in {title}, {image}\n");
    let settings = found.settings();
    let mut data = json!({ "running": runs, "image": image, "settings": settings });
    if let Some(owner) = found.owner() {
        let _ = writeln!(text, "  {owner}");
        data["owner"] = json!(owner.to_string());
    }
    if let Some(settings) = &settings {
        text.push_str(&places(settings));
    }
    (text, data)
}

fn places(settings: &RegistrySettings) -> String {
    let RegistrySettings { address, port, name, data, .. } = settings;
    format!(
        "  on this machine  {address}:{port}\n  in clusters      {name}:{}\n  data             {data}\n",
        settings.inner_port()
    )
}

/// A line about another registry.
fn line(site: &Site) -> String {
    let state = if site.is_running() { "runs" } else { "is stopped" };
    match site {
        Site::Container { settings, owner, .. } => {
            let RegistrySettings { name, address, port, .. } = settings.as_ref();
            let owner = owner.as_ref().map(|owner| format!("; {owner}")).unwrap_or_default();
            format!("{name} {state} too, on {address}:{port}{owner}")
        }
        Site::Process { port } => format!("a process of this machine serves a registry on localhost:{port}"),
        Site::Cluster { cluster, target, is_running, .. } => {
            let state = if *is_running { "serves" } else { "does not serve" };
            format!("the registry {}/{} {state} in the cluster {cluster}", target.namespace, target.name)
        }
    }
}

fn described(site: &Site) -> Value {
    let mut data = match site {
        Site::Container { settings, owner, .. } => json!({
            "in": "container",
            "settings": settings,
            "owner": owner.as_ref().map(ToString::to_string),
        }),
        Site::Process { port } => json!({ "in": "process", "port": port }),
        Site::Cluster { cluster, target, services, .. } => json!({
            "in": "cluster",
            "cluster": cluster,
            "namespace": target.namespace.as_str(),
            "name": target.name.as_str(),
            "services": services,
        }),
    };
    data["running"] = json!(site.is_running());
    data
}
