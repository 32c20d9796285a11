//! The one thread that writes: it commits the waiting writes as one group, so that many writes share one sync.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rusqlite::Connection;
use rusqlite::hooks::Wal;
use tokio::sync::oneshot;

use super::home::Home;
use super::outbox::Outbox;
use super::readers::Readers;
use super::{error, sql};
use crate::{Error, Result};

/// The most writes in one transaction. It bounds how many writes a failed transaction takes with it, and how long a
/// transaction lasts.
const GROUP: usize = 256;

/// The most rows that one write changes: a few milliseconds.
pub(crate) const TURN: usize = 256;

/// How long a group may run before it takes no further write: the writes that it has wait for their commit.
const BUDGET: Duration = Duration::from_millis(20);

/// How many pages the log may have before it is folded into the file: 4 MiB.
const LOG: i32 = 1000;

/// For how many groups after one that had no room the log is folded behind each group, so that the log needs no more
/// room than it already has.
const TIGHT: u32 = 1000;

/// What a write promises when it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// The write is on the disk.
    Durable,
    /// The write survives the process, but not yet a power loss.
    Relaxed,
}

/// One waiting write: it runs inside a savepoint, and is answered after the commit.
trait Job: Send {
    fn durability(&self) -> Durability;
    fn run(&mut self, connection: &Connection) -> Result<()>;
    fn answer(self: Box<Self>, verdict: Result<()>);
}

struct Command<W, T> {
    durability: Durability,
    work: Arc<W>,
    outcome: Option<T>,
    reply: oneshot::Sender<Result<T>>,
}

impl<W, T> Job for Command<W, T>
where
    W: Fn(&Connection) -> rusqlite::Result<T> + Send + Sync,
    T: Send,
{
    fn durability(&self) -> Durability {
        self.durability
    }

    fn run(&mut self, connection: &Connection) -> Result<()> {
        self.outcome = Some((self.work)(connection).map_err(|error| error::failed(&error))?);
        Ok(())
    }

    fn answer(self: Box<Self>, verdict: Result<()>) {
        let Self { outcome, reply, .. } = *self;
        // The caller may be gone; its write is committed all the same.
        let _ = reply.send(verdict.and_then(|()| outcome.ok_or_else(Error::closed)));
    }
}

/// The handle on the writer's thread.
#[derive(Debug)]
pub(crate) struct Writer {
    jobs: Mutex<Option<Sender<Box<dyn Job>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Whether a sync of the log failed. The kernel reports such a failure once: a later sync would succeed, although
    /// the log would then have its new entries behind lost ones.
    sync_failed: Arc<AtomicBool>,
    longest: Arc<Longest>,
    /// The database's file.
    path: Option<PathBuf>,
}

/// The longest time that one write has occupied the writer, in nanoseconds.
#[derive(Debug, Default)]
struct Longest(AtomicU64);

impl Longest {
    fn observe(&self, took: Duration) {
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_max(nanoseconds, Ordering::Relaxed);
    }
}

impl Writer {
    /// Starts the thread. `is_full` says that the disk has no room.
    pub(crate) fn start(
        connection: Arc<Mutex<Connection>>,
        readers: Arc<Readers>,
        home: Option<Home>,
        outbox: Option<Outbox>,
        is_full: bool,
    ) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let sync_failed = Arc::new(AtomicBool::new(false));
        let failed = Arc::clone(&sync_failed);
        let longest = Arc::new(Longest::default());
        let observed = Arc::clone(&longest);
        let path = home.as_ref().map(|home| home.path().to_owned());
        let logged = count_pages(&connection).map_err(io::Error::other)?;
        let thread = thread::Builder::new().name("catalog".to_owned()).spawn(move || {
            // The level is unknown at first, so the first group sets it.
            let (mut level, mut tight) = (None, if is_full { TIGHT } else { 0 });
            while let Some(mut waiting) = next_group(&receiver) {
                if let Err(error) = home.as_ref().map_or(Ok(()), Home::check) {
                    for job in waiting {
                        job.answer(Err(error.clone()));
                    }
                    continue;
                }
                let connection = connection.lock();
                while !waiting.is_empty() {
                    let mut log = commit_group(
                        &connection,
                        &readers,
                        outbox.as_ref(),
                        &mut level,
                        &mut waiting,
                        &observed,
                    );
                    tight = if log == Log::Full { TIGHT } else { tight.saturating_sub(1) };
                    if log != Log::Lost && (tight > 0 || logged.load(Ordering::Relaxed) >= LOG) {
                        log = fold(&connection, &readers);
                    }
                    if log == Log::Lost {
                        return failed.store(true, Ordering::Release);
                    }
                }
            }
            // This only makes the next start faster: committed writes are in the log, from which SQLite reads them.
            let _ = sql::first(&connection.lock(), "PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        })?;
        Ok(Self {
            jobs: Mutex::new(Some(sender)),
            thread: Mutex::new(Some(thread)),
            sync_failed,
            longest,
            path,
        })
    }

    /// Returns an error if the writer accepts no more writes.
    pub(crate) fn check(&self) -> Result<()> {
        if self.sync_failed.load(Ordering::Acquire) { Err(Error::log_lost()) } else { Ok(()) }
    }

    /// Runs a write. If the disk is full, runs it once more: the log was folded behind the first try, so it starts over
    /// from its beginning.
    pub(crate) async fn run<T, W>(&self, durability: Durability, work: &Arc<W>) -> Result<T>
    where
        T: Send + 'static,
        W: Fn(&Connection) -> rusqlite::Result<T> + Send + Sync + 'static,
    {
        match self.run_once(durability, Arc::clone(work)).await {
            Err(Error::NoSpace) => self.run_once(durability, Arc::clone(work)).await,
            written => written,
        }
        .map_err(|error| self.path.iter().fold(error, |error, path| error.located(path)))
    }

    async fn run_once<T, W>(&self, durability: Durability, work: Arc<W>) -> Result<T>
    where
        T: Send + 'static,
        W: Fn(&Connection) -> rusqlite::Result<T> + Send + Sync + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let command = Command { durability, work, outcome: None, reply };
        let sent = self.jobs.lock().as_ref().is_some_and(|jobs| jobs.send(Box::new(command)).is_ok());
        if !sent {
            return Err(self.check().err().unwrap_or_else(Error::closed));
        }
        answer.await.unwrap_or_else(|_| Err(self.check().err().unwrap_or_else(Error::closed)))
    }

    /// The longest time that one write has occupied the writer since the start.
    pub(crate) fn longest(&self) -> Duration {
        Duration::from_nanos(self.longest.0.load(Ordering::Relaxed))
    }

    pub(crate) fn stop(&self) {
        drop(self.jobs.lock().take());
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            // The join fails only if the thread panicked, which the default hook has already reported.
            let _ = thread.join();
        }
    }
}

/// Waits for a write, and returns it with the others that wait; `None` when every sender is gone and no write is left.
fn next_group(jobs: &Receiver<Box<dyn Job>>) -> Option<VecDeque<Box<dyn Job>>> {
    let first = jobs.recv().ok()?;
    Some(std::iter::once(first).chain(jobs.try_iter().take(GROUP - 1)).collect())
}

/// The number of pages that the log has after the last commit. From this call on, only [`fold`] folds the log: SQLite's
/// own automatic checkpoint would not report a failed sync.
fn count_pages(connection: &Mutex<Connection>) -> rusqlite::Result<Arc<AtomicI32>> {
    let logged = Arc::new(AtomicI32::new(0));
    let counted = Arc::clone(&logged);
    connection.lock().wal_hook(Some(move |_: &mut Wal, pages| {
        counted.store(pages, Ordering::Relaxed);
        Ok(())
    }))?;
    Ok(logged)
}

/// Folds the log: syncs it and copies its content to the file, so that the log starts over from its beginning.
fn fold(connection: &Connection, readers: &Readers) -> Log {
    readers.writing();
    let folded = sql::first(connection, "PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    readers.written();
    match folded {
        Err(error) if error::failed(&error) == Error::log_lost() => Log::Lost,
        // The part that could not be folded stays in the log; the next group folds it.
        _ => Log::Sound,
    }
}

/// The state of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Log {
    Sound,
    /// The log could not grow.
    Full,
    /// A sync of the log failed.
    Lost,
}

/// Runs the waiting jobs as one transaction, and answers those that ran. If a job's failure ends the transaction, the
/// jobs before it fail with it. The jobs that did not run stay in `waiting`.
fn commit_group(
    connection: &Connection,
    readers: &Readers,
    outbox: Option<&Outbox>,
    level: &mut Option<Durability>,
    waiting: &mut VecDeque<Box<dyn Job>>,
    longest: &Longest,
) -> Log {
    readers.writing();
    let mut ran = Vec::with_capacity(waiting.len());
    let verdict = match begin(connection, level, waiting) {
        Err(error) => {
            ran.extend(waiting.drain(..).map(|job| (job, Ok(()))));
            Err(error)
        }
        Ok(()) => {
            run_all(connection, waiting, &mut ran, longest).and_then(|()| execute(connection, "COMMIT"))
        }
    };
    if verdict.is_err() && !connection.is_autocommit() {
        // If even this fails, the next BEGIN fails too, and the next group gets its error.
        let _ = execute(connection, "ROLLBACK");
    }
    readers.written();
    let log = match &verdict {
        Err(Error::NoSpace) => Log::Full,
        Err(error) if *error == Error::log_lost() => Log::Lost,
        _ => Log::Sound,
    };
    if let Some(outbox) = outbox.filter(|_| verdict.is_ok()) {
        outbox.drain(connection);
    }
    for (job, outcome) in ran {
        job.answer(outcome.and(verdict.clone()));
    }
    log
}

/// Begins a transaction. It is durable if any of its jobs is; SQLite accepts a change of the level only between
/// transactions.
fn begin(
    connection: &Connection,
    level: &mut Option<Durability>,
    waiting: &VecDeque<Box<dyn Job>>,
) -> Result<()> {
    let durable = waiting.iter().any(|job| job.durability() == Durability::Durable);
    let (wanted, pragma) = if durable {
        (Durability::Durable, "PRAGMA synchronous = FULL")
    } else {
        (Durability::Relaxed, "PRAGMA synchronous = NORMAL")
    };
    if *level != Some(wanted) {
        connection.execute_batch(pragma).map_err(|error| error::failed(&error))?;
        *level = Some(wanted);
    }
    execute(connection, "BEGIN IMMEDIATE")
}

/// Runs jobs until none waits or [`BUDGET`] is used up. A job that fails is undone alone; an error of this function
/// means that the whole transaction is lost.
fn run_all(
    connection: &Connection,
    waiting: &mut VecDeque<Box<dyn Job>>,
    ran: &mut Vec<(Box<dyn Job>, Result<()>)>,
    longest: &Longest,
) -> Result<()> {
    let began = Instant::now();
    let mut elapsed = Duration::ZERO;
    while let Some(mut job) = waiting.pop_front() {
        let outcome = match execute(connection, "SAVEPOINT job") {
            Ok(()) => job.run(connection),
            Err(error) => Err(error),
        };
        let before = std::mem::replace(&mut elapsed, began.elapsed());
        longest.observe(elapsed.saturating_sub(before));
        ran.push((job, outcome.clone()));
        if let Err(error) = outcome {
            // A full disk or an I/O error makes SQLite roll back the whole transaction, not only the statement.
            if connection.is_autocommit() {
                return Err(error);
            }
            execute(connection, "ROLLBACK TO job")?;
        }
        execute(connection, "RELEASE job")?;
        if elapsed > BUDGET {
            break;
        }
    }
    Ok(())
}

fn execute(connection: &Connection, sql: &str) -> Result<()> {
    sql::run(connection, sql, []).map(|_| ()).map_err(|error| error::failed(&error))
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi::SQLITE_IOERR_FSYNC;

    use super::*;

    fn table() -> Arc<Mutex<Connection>> {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (x UNIQUE)").unwrap();
        Arc::new(Mutex::new(connection))
    }

    fn start(connection: Arc<Mutex<Connection>>) -> Writer {
        let readers = Arc::new(Readers::shared(Arc::clone(&connection)));
        Writer::start(connection, readers, None, None, false).unwrap()
    }

    fn insert(writer: &Writer, value: i64, filler: i64) -> impl Future<Output = Result<usize>> + Send + '_ {
        let work = Arc::new(move |connection: &Connection| {
            connection.execute("INSERT INTO t VALUES (?1)", [value])?;
            connection.execute("INSERT INTO t VALUES (zeroblob(?1) || ?2)", (filler, value))
        });
        async move { writer.run(Durability::Durable, &work).await }
    }

    /// Sends the writes while the writer cannot begin, so that they form one group.
    async fn as_one_group<const N: usize>(
        connection: &Arc<Mutex<Connection>>,
        writes: [impl Future<Output = Result<usize>> + Send; N],
    ) -> [Result<usize>; N] {
        let mut writes = writes.map(Box::pin);
        let held = connection.lock();
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        // The first write wakes the thread, which takes the writes that it finds before it waits for the connection.
        for write in &mut writes {
            assert!(write.as_mut().poll(&mut context).is_pending());
        }
        drop(held);
        let mut answers = [const { Err(Error::NoSpace) }; N];
        for (answer, write) in answers.iter_mut().zip(writes) {
            *answer = write.await;
        }
        answers
    }

    fn values(connection: &Arc<Mutex<Connection>>) -> Vec<i64> {
        let sql = "SELECT x FROM t WHERE typeof(x) = 'integer' ORDER BY x";
        sql::all(&connection.lock(), sql, [], |row| row.get(0)).unwrap()
    }

    #[tokio::test]
    async fn a_write_that_fails_is_undone_alone() {
        let connection = table();
        let writer = start(Arc::clone(&connection));
        let group = [1, 2, 1, 3].map(|value| insert(&writer, value, 0));
        let answers = as_one_group(&connection, group).await;
        assert!(answers[0].is_ok() && answers[1].is_ok() && answers[3].is_ok(), "{answers:?}");
        assert!(
            matches!(&answers[2], Err(Error::Unavailable(said)) if said.contains("UNIQUE")),
            "{answers:?}"
        );
        assert_eq!(values(&connection), [1, 2, 3]);
    }

    #[tokio::test]
    async fn a_full_disk_is_reported_as_such_and_writes_go_on_when_there_is_room() {
        let connection = table();
        connection.lock().execute_batch("PRAGMA max_page_count = 20").unwrap();
        let writer = start(Arc::clone(&connection));
        let group = [(1, 0), (2, 1_000_000), (3, 0)].map(|(value, filler)| insert(&writer, value, filler));
        let answers = as_one_group(&connection, group).await;
        assert_eq!(answers[1], Err(Error::NoSpace));
        // Every write that was answered with success is there, whichever way the database undid the failure.
        let kept: Vec<i64> =
            [1, 2, 3].into_iter().zip(&answers).filter(|(_, a)| a.is_ok()).map(|(value, _)| value).collect();
        assert_eq!(values(&connection), kept);
        assert_eq!(insert(&writer, 4, 0).await, Ok(1));
    }

    #[tokio::test]
    async fn after_a_sync_of_the_log_failed_nothing_is_written() {
        let writer = start(table());
        let lost = Arc::new(|connection: &Connection| -> rusqlite::Result<()> {
            // SQLite rolls back in that case.
            connection.execute_batch("ROLLBACK")?;
            Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(SQLITE_IOERR_FSYNC), None))
        });
        assert_eq!(writer.run(Durability::Durable, &lost).await, Err(Error::log_lost()));
        assert_eq!(insert(&writer, 1, 0).await, Err(Error::log_lost()));
        assert_eq!(writer.check(), Err(Error::log_lost()));
    }

    #[tokio::test]
    async fn after_a_stop_writes_are_refused() {
        let writer = start(table());
        writer.stop();
        assert_eq!(insert(&writer, 1, 0).await, Err(Error::closed()));
    }
}
