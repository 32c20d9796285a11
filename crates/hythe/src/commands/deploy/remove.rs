//! `hythe deploy remove`: removes a registry from a cluster.

use std::io::{self, BufRead as _, IsTerminal as _};

use hythe_kube::deploy::{self, Left};
use serde_json::json;

use super::{access, narrate, target};
use crate::args::TargetArgs;
use crate::config::Environment;
use crate::console::{Printer, count_of};
use crate::failure::Failure;

/// Removes the registry. Asks before it deletes data only: one `hythe deploy` brings back the rest.
pub(super) async fn remove(
    args: &TargetArgs,
    data: bool,
    yes: bool,
    environment: &Environment,
    printer: Printer,
) -> Result<(), Failure> {
    let terminal = io::stdin().is_terminal();
    if data && !yes && !terminal {
        return Err(Failure::Usage(
            "cannot ask before deleting images, because stdin is not a terminal: add --yes".to_owned(),
        ));
    }
    let target = target(args);
    let access = access(args, environment).await?;
    if data && !yes {
        printer.note(format_args!(
            "Remove the registry {}/{} of context `{}` and all its images? [y/N]",
            target.namespace,
            target.name,
            access.context()
        ));
        let mut answer = String::new();
        // The end of input means no.
        let _ = io::stdin().lock().read_line(&mut answer);
        if !matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
            printer.note("nothing was removed");
            return Ok(());
        }
    }
    let mut tell = |progress| narrate::tell(printer, &progress);
    let removed = deploy::remove(&access, &target, data, &mut tell).await?;
    let left: Vec<String> = removed.left.iter().map(sentence).collect();
    // The progress lines already named each object.
    let text = format!("{} removed", count_of(removed.objects.len() as u64, "object"));
    printer.data(text, || json!({ "removed": removed.objects, "left": left }));
    for sentence in &left {
        printer.note(sentence);
    }
    Ok(())
}

fn sentence(left: &Left) -> String {
    match left {
        Left::Claim(object) => format!(
            "{object} stays, with all images: `hythe deploy` serves them again, `hythe deploy remove --data` deletes \
             them"
        ),
        Left::Folder(path) => {
            format!(
                "{path} stays on the node, with all images; hythe cannot delete it: remove it on the node itself"
            )
        }
        Left::Namespace(object) => format!(
            "{object} stays, because it may contain other objects; to delete it: kubectl delete namespace {}",
            object.name
        ),
    }
}
