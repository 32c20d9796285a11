//! What happens in a cluster, told as it happens.

use hythe_cluster::api::Change;
use hythe_cluster::deploy::Progress;

use crate::printer::Printer;

/// Tells it.
pub(super) fn tell(printer: Printer, progress: &Progress) {
    match progress {
        Progress::Applied { object, change } => {
            let change = match change {
                Change::Created => "created",
                Change::Changed => "changed",
                Change::Unchanged => "is as it should be",
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
            "warning: the data is in a folder of one node, and the Pod may be put on any of {nodes}: choose one with \
             --node-selector kubernetes.io/hostname=NODE"
        )),
    }
}
