//! `hythe undelete`: restores deleted manifests and tags, and lists what can be restored.

mod admin;
mod list;
mod named;

use hythe_api::{Outcome, Restored};
use hythe_oci::{Digest, Reference, RepositoryName};
use serde_json::{Value, json};

use super::cache::{Admin, Target};
use super::runtime::run;
use crate::args::UndeleteArgs;
use crate::config::Environment;
use crate::console::{Printer, count_of};
use crate::failure::Failure;
use crate::values::Output;
use named::{Named, Which};

/// Restores, or lists.
pub(super) fn undelete(
    args: &UndeleteArgs,
    environment: &Environment,
    printer: Printer,
) -> Result<(), Failure> {
    let (target, names) = named::read(args, environment)?;
    if args.to.is_some() && !matches!(&names[..], [Named { which: Which::Tag(_), .. }]) {
        return Err(Failure::Usage(
            "--to moves one tag back: name that tag, such as app:latest, and no other".to_owned(),
        ));
    }
    run(async {
        let admin = Admin::new(&target)?;
        if args.list || names.is_empty() {
            return list::list(&admin, &names, printer).await;
        }
        restore(&admin, &target, &names, args.to, printer).await
    })
}

/// What was restored, and what was not.
struct Undoing<'a> {
    admin: &'a Admin,
    target: &'a Target,
    printer: Printer,
    restored: Vec<Value>,
    failed: Vec<(String, String)>,
}

async fn restore(
    admin: &Admin,
    target: &Target,
    names: &[Named],
    to: Option<Digest>,
    printer: Printer,
) -> Result<(), Failure> {
    let mut undoing = Undoing { admin, target, printer, restored: Vec::new(), failed: Vec::new() };
    for Named { repository, which } in names {
        match which {
            Which::Tag(tag) => {
                let reference = Reference::Tag(tag.clone());
                let restored = admin.restore(repository, &reference, to.as_ref()).await?;
                undoing.tell(repository, &reference, &restored);
            }
            Which::Manifest(digest) => {
                let reference = Reference::Digest(*digest);
                let restored = admin.restore(repository, &reference, None).await?;
                undoing.tell(repository, &reference, &restored);
            }
            Which::All => undoing.restore_all(repository).await?,
        }
    }
    let Undoing { restored, failed, .. } = undoing;
    if printer.output() == Output::Json {
        let errors: Vec<Value> =
            failed.iter().map(|(name, error)| json!({ "name": name, "error": error })).collect();
        printer.data("", || json!({ "restored": restored, "failed": errors }));
    }
    if failed.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = failed.iter().map(|(name, error)| format!("  {name}: {error}")).collect();
    let count = count_of(failed.len() as u64, "image");
    Err(Failure::Images(format!("{count} could not be restored:\n{}", list.join("\n"))))
}

impl Undoing<'_> {
    /// Restores everything that was deleted from a repository: the manifests, the latest deletion first, and then the tags that
    /// name nothing.
    async fn restore_all(&mut self, repository: &RepositoryName) -> Result<(), Failure> {
        let mut count = 0;
        for manifest in self.admin.deleted_manifests(Some(repository)).await? {
            let reference = Reference::Digest(manifest.digest);
            let restored = self.admin.restore(repository, &reference, None).await?;
            // An index that was restored before brought this one with it.
            if restored.outcome != Outcome::Exists {
                self.tell(repository, &reference, &restored);
            }
            count += 1;
        }
        for past in self.admin.removed_tags(Some(repository)).await? {
            let reference = Reference::Tag(past.tag);
            let restored = self.admin.restore(repository, &reference, None).await?;
            if restored.outcome != Outcome::Exists {
                self.tell(repository, &reference, &restored);
            }
            count += 1;
        }
        if count == 0 {
            let reason = "nothing was deleted from it within the grace period (collect.grace), or a garbage collection with a \
                          shorter grace period has removed it for good, or the registry has no such repository";
            self.failed.push((repository.to_string(), reason.to_owned()));
        }
        Ok(())
    }

    /// Prints what became of a manifest or tag.
    fn tell(&mut self, repository: &RepositoryName, reference: &Reference, restored: &Restored) {
        let separator = if matches!(reference, Reference::Digest(_)) { '@' } else { ':' };
        let name = format!("{repository}{separator}{reference}");
        let at = self.target.url();
        match (restored.outcome, reference) {
            (Outcome::Restored, _) => {}
            (Outcome::Exists, Reference::Digest(_)) => {
                self.printer.note(format_args!("{name} is not deleted"));
                return;
            }
            (Outcome::Exists, Reference::Tag(_)) => {
                let digest = restored.digest.map(|digest| digest.to_string()).unwrap_or_default();
                let error = format!(
                    "it exists and names {digest}. To see what it named before: `hythe undelete --registry {at} --list {name}`; \
                     to move it back, add `--to` with a digest of that list"
                );
                self.failed.push((name, error));
                return;
            }
            (Outcome::Unknown, _) => {
                let error = format!(
                    "it was not deleted or moved within the grace period (collect.grace), or it is gone for good, for example \
                     by a garbage collection with a shorter grace period. To see what can be restored: `hythe undelete --registry {at} --list {repository}`"
                );
                self.failed.push((name, error));
                return;
            }
        }
        if self.printer.output() == Output::Text {
            self.printer.data(sentence(&name, reference, restored), || Value::Null);
            for taken in &restored.taken {
                let digest = restored.digest.map(|digest| digest.to_string()).unwrap_or_default();
                self.printer.note(format_args!(
                    "{repository}:{tag} names {} by now and was left alone; to move it back: `hythe undelete --registry {at} \
                     {repository}:{tag} --to {digest}`",
                    taken.digest,
                    tag = taken.tag,
                ));
            }
            if let Some(first) = restored.missing.first() {
                self.printer.note(format_args!(
                    "{name} references {} that {repository} does not have, the first is {first}: push the image again if its \
                     pulls fail",
                    count_of(restored.missing.len() as u64, "digest")
                ));
            }
        }
        let mut value = json!(restored);
        value["name"] = json!(name);
        self.restored.push(value);
    }
}

/// What was restored, in a line.
fn sentence(name: &str, reference: &Reference, restored: &Restored) -> String {
    let digest = match (reference, &restored.digest) {
        (Reference::Tag(_), Some(digest)) => format!(" ({digest})"),
        _ => String::new(),
    };
    let tags = restored.tags.iter().map(ToString::to_string).filter(|tag| *tag != reference.to_string());
    let tags: Vec<String> = tags.collect();
    let tags = match &tags[..] {
        [] => String::new(),
        [tag] => format!(", tag {tag}"),
        _ if tags.len() <= 10 => format!(", tags {}", tags.join(", ")),
        _ => format!(", {} tags", tags.len()),
    };
    let manifests = match restored.manifests {
        0 | 1 => String::new(),
        some => format!(", {} in all", count_of(some, "manifest")),
    };
    format!("restored {name}{digest}{tags}{manifests}")
}
