//! `hythe gc`: runs garbage collection now instead of waiting for its next scheduled round.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::time::{Duration, SystemTime};

use hythe_api::{Held, Restorable, Round, Waiting};
use hythe_lifecycle::{Collection, Collector};
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::cache::{Admin, Target};
use super::runtime::{Work, runtime};
use super::serve;
use crate::args::{CollectionArgs, GcArgs};
use crate::config::{Environment, Inputs, load};
use crate::console::{Printer, count_of, size};
use crate::failure::{AnswerError, Failure, StartError};
use crate::settings::Settings;
use crate::values::{Place, Storage};

/// Asks a running registry to collect garbage.
pub(super) fn gc(args: &GcArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    let target = Target::chosen(args.registry.as_deref(), environment)?;
    let value = runtime(Work::Network)?.block_on(ask(&target, args.what))?;
    let untagged = if args.what.delete_untagged { " --delete-untagged" } else { "" };
    let now = format!("to free it now, while nobody pushes: `hythe gc{untagged} --grace 0s`");
    tell(value, args.what, Some(&now), printer)
}

/// Asks the registry that runs with this configuration to collect garbage. If none runs, this process collects.
pub(super) fn collect_here(
    inputs: &Inputs,
    what: CollectionArgs,
    quiet: bool,
    environment: &Environment,
    printer: Printer,
) -> Result<(), Failure> {
    let settings = load(inputs, environment)?.settings;
    let value = runtime(Work::Registry)?.block_on(collect(&settings, what))?;
    if quiet { Ok(()) } else { tell(value, what, None, printer) }
}

async fn collect(settings: &Settings, what: CollectionArgs) -> Result<Value, Failure> {
    if settings.storage != Storage::Fs {
        return ask(&listening(settings)?, what).await;
    }
    // Checked first, because opening the catalog would create one.
    if !settings.data.join("catalog.sqlite").is_file() {
        return Err(AnswerError::NeverRan { data: settings.data.clone() }.into());
    }
    match serve::open(settings).await {
        Ok(registry) => {
            registry.recover().await.map_err(AnswerError::CollectionFailed)?;
            let collection =
                Collection { untagged: what.delete_untagged, dry_run: what.dry_run, grace: what.grace };
            let round = Collector::new(registry.clone())
                .collect_now(collection)
                .await
                .map_err(AnswerError::CollectionFailed);
            let round = round.map(|round| {
                let until = round.deleted.last.and_then(|last| registry.restorable_until(last));
                json!(hythe_server::round_of(&round, what.dry_run, until))
            });
            registry.close();
            Ok(round?)
        }
        Err(StartError::Data(hythe_storage::fs::OpenError::Locked { .. })) => {
            ask(&listening(settings)?, what).await
        }
        Err(error) => Err(error.into()),
    }
}

/// The address at which this machine reaches the registry of these settings.
fn listening(settings: &Settings) -> Result<Target, Failure> {
    // This command may not trust the authority of the certificate.
    let plain = settings.listen.iter().find(|listen| !settings.has_tls(listen));
    let Some(listen) = plain.or(settings.listen.first()) else { return Err(AnswerError::NoAddress.into()) };
    let address = match listen.place {
        Place::Address(address) if !address.ip().is_unspecified() => address.to_string(),
        Place::Address(_) | Place::Everywhere(_) => format!("{}:{}", Ipv4Addr::LOCALHOST, listen.port()),
    };
    if settings.has_tls(listen) { format!("https://{address}") } else { address }.parse()
}

async fn ask(target: &Target, what: CollectionArgs) -> Result<Value, Failure> {
    Admin::new(target)?.collect(what).await
}

fn tell(value: Value, what: CollectionArgs, hint: Option<&str>, printer: Printer) -> Result<(), Failure> {
    let round = Round::deserialize(&value).map_err(AnswerError::Collection)?;
    let now = SystemTime::now();
    let mut text = sentence(&round, what.dry_run, now);
    if let Some(hint) =
        hint.filter(|_| what.grace.is_none() && (round.waiting.is_some() || round.restorable.manifests > 0))
    {
        let _ = write!(text, "\n{hint}");
    }
    if hint.is_some() && round.restorable.manifests > 0 {
        text.push_str("\nto see what can be restored: `hythe undelete`");
    }
    printer.data(text, || value);
    Ok(())
}

fn sentence(round: &Round, dry_run: bool, now: SystemTime) -> String {
    let (freed, deleted) = if dry_run { ("would free", "would delete") } else { ("freed", "deleted") };
    let mut parts = vec![format!("{freed} {} ({})", size(round.bytes), count_of(round.blobs, "blob"))];
    if round.manifests > 0 {
        parts.push(format!("{deleted} {}", count_of(round.manifests, "manifest")));
    }
    if round.purged > 0 {
        let removed = if dry_run { "would remove" } else { "removed" };
        parts.push(format!("{removed} {} for good", count_of(round.purged, "deleted manifest")));
    }
    if round.uploads > 0 {
        parts.push(format!("ended {}", count_of(round.uploads, "expired upload")));
    }
    let held = round.held.as_ref().map(holds);
    let kept = [held, waits(&round.waiting, now), restorable(&round.restorable, now)];
    [Some(parts.join(", "))].into_iter().chain(kept).flatten().collect::<Vec<_>>().join("\n")
}

/// The garbage that a lease keeps, and whose lease it is.
fn holds(held: &Held) -> String {
    let Held { purpose, holder, until, blobs, bytes } = held;
    let until =
        until.as_ref().map(|until| format!(", until {until} unless it is renewed")).unwrap_or_default();
    format!(
        "kept for now, because a {purpose} ({holder}) reads it{until}: {} ({})",
        count_of(*blobs, "blob"),
        size(*bytes)
    )
}

/// The garbage that is kept for its grace period, and how long it is kept; `None` if there is none.
fn waits(waiting: &Waiting, now: SystemTime) -> Option<String> {
    let mut kept = Vec::new();
    if waiting.manifests > 0 {
        kept.push(count_of(waiting.manifests, "untagged manifest"));
    }
    if waiting.blobs > 0 {
        kept.push(format!("{} ({})", count_of(waiting.blobs, "blob"), size(waiting.bytes)));
    }
    if kept.is_empty() {
        return None;
    }
    let kept = format!("kept for now, because it was used recently: {}", kept.join(", "));
    Some(with_end(kept, waiting.until.as_deref(), now))
}

/// The deleted content that can still be restored; `None` if there is none.
fn restorable(restorable: &Restorable, now: SystemTime) -> Option<String> {
    let Restorable { manifests, blobs, bytes, until } = restorable;
    if *manifests == 0 {
        return None;
    }
    let (manifests, blobs) = (count_of(*manifests, "deleted manifest"), count_of(*blobs, "blob"));
    let kept =
        format!("kept for now, so that it can be restored: {manifests} and {blobs} ({})", size(*bytes));
    Some(with_end(kept, until.as_deref(), now))
}

/// Adds how long the content is kept at most.
fn with_end(kept: String, until: Option<&str>, now: SystemTime) -> String {
    let Some(until) = until.and_then(|until| humantime::parse_rfc3339(until).ok()) else { return kept };
    let left = Duration::from_secs(until.duration_since(now).unwrap_or_default().as_secs());
    format!("{kept}; all of it can be freed in {} (collect.grace)", humantime::format_duration(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_has_a_line_for_what_was_freed_and_one_for_what_is_kept() {
        let waiting = |blobs| Waiting {
            manifests: blobs,
            blobs,
            bytes: 2048,
            until: Some("1970-01-02T00:00:00Z".to_owned()),
        };
        let round = |manifests, waiting| {
            let round = Round { manifests, uploads: 1, blobs: 2, bytes: 1024, ..Round::default() };
            Round { waiting, ..round }
        };
        let now = SystemTime::UNIX_EPOCH + Duration::from_hours(23);
        let held = Held {
            purpose: "backup".to_owned(),
            holder: "nightly at build-1".to_owned(),
            until: Some("1970-01-01T23:10:00Z".to_owned()),
            blobs: 1,
            bytes: 4096,
        };
        assert_eq!(
            sentence(&Round { held: Some(held), ..round(0, waiting(0)) }, false, now),
            "freed 1.0 KiB (2 blobs), ended 1 expired upload\n\
             kept for now, because a backup (nightly at build-1) reads it, until 1970-01-01T23:10:00Z unless it is renewed: \
             1 blob (4.0 KiB)"
        );
        assert_eq!(
            sentence(&round(0, waiting(0)), false, now),
            "freed 1.0 KiB (2 blobs), ended 1 expired upload"
        );
        assert_eq!(
            sentence(&round(3, waiting(1)), true, now),
            "would free 1.0 KiB (2 blobs), would delete 3 manifests, ended 1 expired upload\n\
             kept for now, because it was used recently: 1 untagged manifest, 1 blob (2.0 KiB); all of it can be freed \
             in 1h (collect.grace)"
        );
        let restorable = Restorable { manifests: 2, blobs: 1, bytes: 512, until: waiting(0).until };
        let purged = Round { purged: 1, restorable, ..round(0, waiting(0)) };
        assert_eq!(
            sentence(&purged, false, now),
            "freed 1.0 KiB (2 blobs), removed 1 deleted manifest for good, ended 1 expired upload\n\
             kept for now, so that it can be restored: 2 deleted manifests and 1 blob (512 B); all of it can be freed in 1h \
             (collect.grace)"
        );
    }
}
