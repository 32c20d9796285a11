//! Prints the progress of a deployment, line by line.

use hythe_kube::api::Change;
use hythe_kube::deploy::Progress;

use crate::console::Printer;

/// Prints one line of progress.
pub(super) fn tell(printer: Printer, progress: &Progress) {
    match progress {
        Progress::Applied { object, change } => {
            let change = match change {
                Change::Created => "created",
                Change::Changed => "changed",
                Change::Unchanged => "unchanged",
            };
            printer.note(format_args!("{object} {change}"));
        }
        Progress::Removed(object) => printer.note(format_args!("{object} removed")),
        Progress::Pod(pod) => {
            let state = if pod.ready { "serves" } else { &pod.phase };
            match pod.explanation() {
                Some(explanation) => printer.note(format_args!("Pod {} {state} ({explanation})", pod.name)),
                None => printer.note(format_args!("Pod {} {state}", pod.name)),
            }
        }
        Progress::Unpinned { nodes } => printer.note(format_args!(
            "warning: the data is in a folder of one node, but Kubernetes may run the Pod on any of {nodes} nodes: \
             choose one with --node-selector kubernetes.io/hostname=NODE"
        )),
    }
}
