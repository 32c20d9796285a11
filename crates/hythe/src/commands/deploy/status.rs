//! `hythe deploy status`: shows the state of a registry in a cluster.

use hythe_kube::deploy::{self, PodState, ServiceState, Status, Stored};
use serde_json::json;

use super::{access, target};
use crate::args::TargetArgs;
use crate::config::Environment;
use crate::console::Printer;
use crate::failure::{AnswerError, Failure};

/// Prints the state. Fails if the registry does not serve, for scripts.
pub(super) async fn status(
    args: &TargetArgs,
    environment: &Environment,
    printer: Printer,
) -> Result<(), Failure> {
    let access = access(args, environment).await?;
    let status = deploy::status(&access, &target(args)).await?;
    printer.data(text(&status), || json!(status));
    if status.ready {
        return Ok(());
    }
    let reasons = status.pods.iter().filter_map(PodState::explanation).collect();
    Err(AnswerError::NotServing { reasons }.into())
}

fn text(status: &Status) -> String {
    let state = if status.ready { "serves" } else { "does not serve" };
    let mut lines = vec![format!("{} {state}", status.workload), format!("image    {}", status.image)];
    lines.push(format!("data     {}", data(&status.data)));
    lines.extend(status.pods.iter().map(|state| format!("pod      {}", pod(state))));
    lines.extend(status.services.iter().map(|state| format!("service  {}", service(state))));
    lines.join("\n")
}

fn data(data: &Stored) -> String {
    match data {
        Stored::Folder { path } => format!("{path} on the node"),
        Stored::Claim { name, phase: Some(phase), size, class } => {
            let class = class.as_ref().map(|class| format!(", class {class}")).unwrap_or_default();
            format!("claim {name}, {size}, {phase}{class}")
        }
        Stored::Claim { name, phase: None, .. } => format!("claim {name}, which does not exist"),
    }
}

fn pod(pod: &PodState) -> String {
    let node = pod.node.as_ref().map(|node| format!(" on {node}")).unwrap_or_default();
    let restarts = match pod.restarts {
        0 => String::new(),
        1 => ", 1 restart".to_owned(),
        many => format!(", {many} restarts"),
    };
    let explanation = pod.explanation().map(|text| format!(", {text}")).unwrap_or_default();
    format!("{} {}{node}{restarts}{explanation}", pod.name, pod.phase)
}

fn service(service: &ServiceState) -> String {
    let address = service.address.as_deref().unwrap_or("without an address");
    let port = service.port.map(|port| format!(":{port}")).unwrap_or_default();
    let node_port = service.node_port.map(|port| format!(", port {port} of every node")).unwrap_or_default();
    format!("{} {address}{port}{node_port}", service.name)
}
