//! Random schedules of requests, collections, retention and eviction over the real catalog and storage, with kills at every operation of the storage and
//! between the writes of the catalog. After each kill and at the end, nothing is lost that was acknowledged or promised,
//! and all garbage goes.
//!
//! `HYTHE_SCHEDULES` is the number of schedules for each storage. `HYTHE_SCHEDULE_SEED` runs one schedule again; the order of
//! the operations is the same, except where the catalog's own thread decides.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod clock;
mod garbage;
mod gate;
mod oracle;
mod process;
mod random;
mod request;
mod sabotage;
mod schedule;
mod storage;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use schedule::{Count, Place, Sabotage, run};

fn from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("the variable is a number"))
}

/// Runs schedules on all cores until one fails; returns how many ran, what happened in all of them, and the failure.
fn schedules(number: u64, place: Place, sabotage: Option<Sabotage>) -> (u64, Count, Option<String>) {
    let only = from_env("HYTHE_SCHEDULE_SEED");
    let (next, failed) = (AtomicU64::new(0), AtomicBool::new(false));
    let worker = || {
        let (mut ran, mut all) = (0, Count::default());
        while !failed.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= number {
                break;
            }
            let seed = only.unwrap_or(seed);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            match runtime.block_on(run(seed, place, sabotage)) {
                Ok(count) => {
                    ran += 1;
                    all.add(count);
                }
                Err(why) => {
                    failed.store(true, Ordering::Relaxed);
                    return (ran, all, Some(format!("HYTHE_SCHEDULE_SEED={seed}, {place:?}: {why}")));
                }
            }
        }
        (ran, all, None)
    };
    thread::scope(|scope| {
        // A schedule often waits for the thread of its catalog.
        let workers = 2 * thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).fold(
            (0, Count::default(), None),
            |(ran, mut all, why), (some, count, found)| {
                all.add(count);
                (ran + some, all, why.or(found))
            },
        )
    })
}

impl Count {
    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.kills += other.kills;
        self.removed += other.removed;
    }
}

fn lose_nothing(place: Place) {
    let (ran, count, failure) = schedules(from_env("HYTHE_SCHEDULES").unwrap_or(500), place, None);
    println!("{ran} schedules, {place:?}: {count:?}");
    assert_eq!(failure, None);
}

#[test]
fn schedules_with_kills_lose_nothing_in_memory() {
    lose_nothing(Place::Memory);
}

#[test]
fn schedules_with_kills_lose_nothing_in_a_folder() {
    lose_nothing(Place::Folder);
}

/// Checks that schedules find what is wrong without a rule.
fn catch(sabotage: Sabotage) {
    let (ran, _, failure) = schedules(2000, Place::Memory, Some(sabotage));
    let failure = failure.unwrap_or_else(|| panic!("{ran} schedules found nothing wrong"));
    println!("after {ran} schedules: {failure}");
    assert!(!failure.contains("hung") && !failure.contains("locked"), "{failure}");
}

#[test]
fn without_the_grace_period_a_schedule_loses_a_blob() {
    // Each use counts as one of long ago.
    catch(
        "CREATE TRIGGER used AFTER INSERT ON link WHEN NEW.last_use > 0 BEGIN
            UPDATE link SET last_use = 0 WHERE repository = NEW.repository AND digest = NEW.digest; END;
        CREATE TRIGGER used_again AFTER UPDATE OF last_use ON link WHEN NEW.last_use > 0 BEGIN
            UPDATE link SET last_use = 0 WHERE repository = NEW.repository AND digest = NEW.digest; END;",
    );
}

#[test]
fn without_the_second_look_a_schedule_loses_a_blob() {
    // A collection does not see what is referenced after it has begun, so it acts on what it found first.
    catch(
        "CREATE TABLE stale (repository INTEGER, digest TEXT, manifest INTEGER);
        CREATE TRIGGER unseen AFTER INSERT ON reference BEGIN
            INSERT INTO stale VALUES (NEW.repository, NEW.digest, NEW.manifest);
            DELETE FROM reference
                WHERE repository = NEW.repository AND digest = NEW.digest AND manifest = NEW.manifest; END;",
    );
}

#[test]
fn without_the_notes_of_early_collections_a_schedule_breaks_an_image() {
    catch("CREATE TRIGGER forgotten AFTER INSERT ON freed BEGIN DELETE FROM freed; END;");
}

#[test]
fn without_the_lease_a_backup_loses_a_blob() {
    catch("CREATE TRIGGER unheld AFTER INSERT ON lease BEGIN DELETE FROM lease; END;");
}

#[test]
fn without_the_look_at_what_clusters_run_an_eviction_removes_it() {
    catch("CREATE TRIGGER untold AFTER INSERT ON running BEGIN DELETE FROM running; END;");
}

#[test]
fn without_the_second_look_retention_deletes_what_was_just_pushed() {
    // A run does not see what is pushed after it has begun, so it acts on what it found first.
    catch(
        "CREATE TABLE late (manifest INTEGER, name TEXT, at INTEGER);
        CREATE TABLE applying (x INTEGER);
        CREATE TRIGGER late_tag AFTER UPDATE OF updated ON tag
            WHEN NEW.updated > OLD.updated AND NOT EXISTS (SELECT 1 FROM applying) BEGIN
            INSERT INTO late VALUES (NEW.manifest, NEW.name, NEW.updated);
            UPDATE tag SET updated = OLD.updated WHERE repository = NEW.repository AND name = NEW.name; END;
        CREATE TRIGGER late_use AFTER UPDATE OF last_use ON manifest_use
            WHEN NEW.last_use > OLD.last_use AND NOT EXISTS (SELECT 1 FROM applying) BEGIN
            INSERT INTO late VALUES (NEW.manifest, NULL, NEW.last_use);
            UPDATE manifest_use SET last_use = OLD.last_use WHERE manifest = NEW.manifest; END;",
    );
}
