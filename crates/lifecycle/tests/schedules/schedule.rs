//! One schedule: requests whose operations run in a random order, with kills in between.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hythe_catalog::Catalog;
use hythe_registry::Clock;
use hythe_storage::fs::Direct;
use hythe_storage::{FsStorage, MemoryStorage, Storage};
use parking_lot::Mutex;
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::clock::TestClock;
use crate::garbage::expect_no_garbage;
use crate::gate::Verdict;
use crate::oracle::{Moment, Oracle};
use crate::process::{EXPIRE, GRACE, Process};
use crate::random::Random;
use crate::request::{Answer, BLOBS, Image, REPOSITORIES, Request};
use crate::sabotage::{SEE_PUSHES, SEE_REFERENCES};
use crate::storage::Disk;

/// The length of a schedule.
const STEPS: usize = 220;
/// The most requests at once.
const MOST: usize = 4;
/// How long a killed backup holds its lease, in milliseconds.
const LEASE: i64 = 10 * 60 * 1000;
/// How long the operations of a schedule may take before it counts as hung.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long requests may go on while the catalog's writer is held: those that wait for it do not come to the gate.
const HELD: Duration = Duration::from_millis(2);
/// After how long without any change a request counts as waiting for another one.
const BLOCKED: Duration = Duration::from_millis(500);

/// Where a schedule keeps its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Memory,
    Folder,
}

/// A rule that a schedule runs without: SQL that changes the catalog behind the registry's back.
pub(crate) type Sabotage = &'static str;

/// How much happened in a schedule.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    pub(crate) requests: usize,
    pub(crate) kills: usize,
    pub(crate) removed: usize,
}

/// A request without an answer yet.
struct Running {
    number: usize,
    request: Request,
    began: Moment,
}

#[expect(clippy::struct_excessive_bools, reason = "each is a thing of its own that happened in the schedule")]
struct Schedule {
    random: Random,
    clock: Arc<TestClock>,
    disk: Disk,
    folder: TempDir,
    process: Arc<Process>,
    require_blobs: bool,
    oracle: Oracle,
    step: usize,
    running: Vec<Running>,
    tasks: JoinSet<()>,
    /// How many requests of this process have no answer yet.
    active: Arc<AtomicUsize>,
    answers: Arc<Mutex<Vec<(usize, Answer)>>>,
    count: Count,
    stale: bool,
    late: bool,
    /// Whether another connection holds the catalog's writer.
    is_held: bool,
}

/// Runs the schedule of a seed. Fails with the first thing that is wrong.
pub(crate) async fn run(seed: u64, place: Place, sabotage: Option<Sabotage>) -> Result<Count, String> {
    let mut schedule = Schedule::new(seed, place, sabotage);
    let done = timeout(PATIENCE, schedule.play()).await;
    done.unwrap_or_else(|_| Err(format!("hung in step {}", schedule.step)))?;
    Ok(schedule.count)
}

/// A temporary folder, in memory if the machine has such a file system: a kill loses nothing that is in the page cache,
/// so syncs would only take time.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix("hythe-schedule-").tempdir_in(place).unwrap()
}

impl Schedule {
    fn new(seed: u64, place: Place, sabotage: Option<Sabotage>) -> Self {
        let (mut random, folder) = (Random::new(seed), folder());
        let inner: Arc<dyn Storage> = match place {
            Place::Memory => Arc::new(MemoryStorage::default()),
            Place::Folder => Arc::new(FsStorage::open(folder.path()).unwrap().with_direct(Direct::Never)),
        };
        let catalog = folder.path().join("0.sqlite");
        drop(Catalog::open(&catalog).unwrap());
        if let Some(sql) = sabotage {
            Connection::open(&catalog).unwrap().execute_batch(sql).unwrap();
        }
        let disk = Disk { inner, blobs: Arc::default() };
        let (clock, require_blobs) = (Arc::<TestClock>::default(), random.chance(30));
        let process = Arc::new(Process::open(&disk, catalog, &clock, require_blobs));
        Self {
            random,
            clock,
            disk,
            folder,
            process,
            require_blobs,
            oracle: Oracle::default(),
            step: 0,
            running: Vec::new(),
            tasks: JoinSet::new(),
            active: Arc::default(),
            answers: Arc::default(),
            count: Count::default(),
            stale: sabotage.is_some_and(|sql| sql.contains("stale")),
            late: sabotage.is_some_and(|sql| sql.contains("late")),
            is_held: false,
        }
    }

    async fn play(&mut self) -> Result<(), String> {
        for step in 1..=STEPS {
            self.step = step;
            self.settle().await;
            self.hear()?;
            match self.random.below(1000) {
                0..=9 => self.kill(None).await?,
                10..=69 => self.clock.pass(self.random.millis(GRACE / 3)),
                70..=79 => self.clock.set_back(self.random.millis(2 * GRACE)),
                80..=119 => self.hold_writer().await?,
                _ => self.go_on(),
            }
        }
        self.finish().await
    }

    fn now(&self) -> Moment {
        Moment { step: self.step, passed: self.clock.passed() }
    }

    /// Waits until every request has its answer or waits at the gate; or for another request that waits there.
    async fn settle(&mut self) {
        while self.process.gate.waiting() < self.active.load(Ordering::SeqCst) {
            let changed = timeout(BLOCKED, self.process.gate.changed.notified()).await;
            if changed.is_err() && self.process.gate.waiting() > 0 {
                break;
            }
        }
        self.see_references();
    }

    /// Takes the answers that came.
    fn hear(&mut self) -> Result<(), String> {
        for (number, answer) in std::mem::take(&mut *self.answers.lock()) {
            let place = self.running.iter().position(|running| running.number == number);
            let Running { request, began, .. } = self.running.swap_remove(place.unwrap());
            let now = self.now();
            self.oracle.hear(request, began, now, &answer)?;
            self.oracle.end(number, self.step);
        }
        Ok(())
    }

    /// Lets an operation go on, or begins a request.
    fn go_on(&mut self) {
        let waiting = self.process.gate.waiting();
        if waiting > 0 && (self.running.len() >= MOST || self.random.chance(70)) {
            let verdict = if self.random.chance(1) { Verdict::Fail } else { Verdict::Go };
            if verdict == Verdict::Fail {
                self.oracle.fail(self.step);
            }
            self.process.gate.release(self.random.below(waiting), verdict);
        } else if self.running.len() < MOST {
            let request = self.choose();
            // Collections wait for one another.
            let collects = |request: &Request| matches!(request, Request::Collect { .. });
            if !collects(&request) || !self.running.iter().any(|running| collects(&running.request)) {
                self.begin(request);
            }
        }
    }

    fn choose(&mut self) -> Request {
        let now = self.now();
        let random = &mut self.random;
        let (repository, blob) = (random.below(REPOSITORIES), random.below(BLOBS));
        let image = Image { repository, layers: 1 + random.below((1 << BLOBS) - 1) as u8 };
        // Most requests about an image are about one that is there.
        let images = self.oracle.images(now);
        let known =
            if images.is_empty() || random.chance(20) { image } else { images[random.below(images.len())] };
        // What a backup is about to read goes most often just then.
        if self.running.iter().any(|running| running.request == Request::BackUp) && random.chance(60) {
            let deletes = random.chance(40);
            let collection = Request::Collect { early: true, untagged: false };
            return if deletes { Request::DeleteImage(known) } else { collection };
        }
        // A push that waits for the writer while retention plans, and is stored before retention deletes.
        if self.is_held {
            let pushes = |running: &Running| matches!(running.request, Request::PushImage(_));
            if self.running.iter().any(pushes) && random.chance(60) {
                return Request::Retain;
            }
            let relied = |blob| self.oracle.relies(known.repository, blob, now);
            if random.chance(60) && known.blobs().all(relied) {
                return Request::PushImage(known);
            }
        }
        if random.chance(15) {
            return match random.below(100) {
                0..=29 => Request::Fetch(image.layers),
                30..=49 => Request::PullCopy(image.layers),
                50..=59 => Request::Run(image.layers),
                60..=79 => Request::Evict,
                _ => Request::Retain,
            };
        }
        match random.below(100) {
            0..=19 => Request::PushBlob { to: repository, blob, in_pieces: random.chance(40) },
            20..=21 => Request::Abandon { to: repository, blob },
            22..=29 => Request::Mount { blob, from: 1 - repository, to: repository },
            30..=39 => Request::Head { of: repository, blob },
            40..=64 => {
                // A client pushes an image of the blobs of which it was told, and otherwise a blob that it lacks.
                match image.blobs().find(|blob| !self.oracle.relies(repository, *blob, now)) {
                    None => Request::PushImage(image),
                    Some(lacking) => Request::PushBlob { to: repository, blob: lacking, in_pieces: false },
                }
            }
            65..=66 => Request::Pull(known),
            67..=69 => Request::BackUp,
            70..=73 => Request::DeleteTag(known),
            74..=77 => Request::DeleteImage(known),
            78..=80 => Request::Undelete(image),
            81..=89 => Request::Collect { early: false, untagged: random.chance(30) },
            _ => Request::Collect { early: true, untagged: random.chance(30) },
        }
    }

    fn begin(&mut self, request: Request) {
        self.see_references();
        if request == Request::Retain {
            self.see_pushes();
        }
        self.count.requests += 1;
        let number = self.count.requests;
        self.oracle.begin(number, request, self.step);
        self.running.push(Running { number, request, began: self.now() });
        self.active.fetch_add(1, Ordering::SeqCst);
        let (process, active, answers) =
            (Arc::clone(&self.process), Arc::clone(&self.active), Arc::clone(&self.answers));
        self.tasks.spawn(async move {
            let answer = process.ask(request).await;
            answers.lock().push((number, answer));
            active.fetch_sub(1, Ordering::SeqCst);
            process.gate.changed.notify_one();
        });
    }

    /// Holds the catalog's writer while some requests go on, so that their writes queue up behind their reads; sometimes
    /// the process is killed meanwhile.
    async fn hold_writer(&mut self) -> Result<(), String> {
        let beside = self.process.beside();
        beside.execute_batch("BEGIN IMMEDIATE").unwrap();
        self.is_held = true;
        for _ in 0..2 + self.random.below(4) {
            self.go_on();
            let _ = timeout(HELD, self.settle()).await;
        }
        self.is_held = false;
        if self.random.chance(10) {
            return self.kill(Some(beside)).await;
        }
        beside.execute_batch("ROLLBACK").unwrap();
        Ok(())
    }

    /// Kills the process, starts it again on what is left, and checks that nothing is lost.
    async fn kill(&mut self, holding: Option<Connection>) -> Result<(), String> {
        self.count.kills += 1;
        loop {
            let left = self.end_process(holding.as_ref());
            self.process = Arc::new(Process::open(&self.disk, left, &self.clock, self.require_blobs));
            self.begin(Request::Recover);
            // Sometimes the start is killed too.
            let survives = self.random.below(12);
            for operation in 0.. {
                self.settle().await;
                self.hear()?;
                if self.running.is_empty() {
                    return self.check().await;
                }
                if operation == survives {
                    break;
                }
                self.process.gate.release(0, Verdict::Go);
            }
        }
    }

    /// Ends the process as a kill does; returns the catalog that is left.
    fn end_process(&mut self, holding: Option<&Connection>) -> PathBuf {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        let left = self.folder.path().join(format!("{}.sqlite", NEXT.fetch_add(1, Ordering::Relaxed)));
        // Nobody hears the answers of this process any more.
        for Running { number, .. } in std::mem::take(&mut self.running) {
            self.oracle.end(number, self.step);
        }
        (self.active, self.answers) = (Arc::default(), Arc::default());
        self.process.gate.halt();
        self.process.copy_catalog(&left);
        if let Some(holding) = holding {
            let _ = holding.execute_batch("ROLLBACK");
        }
        left
    }

    /// Checks that everything is there that must be there. No request runs.
    async fn check(&mut self) -> Result<(), String> {
        self.process.gate.set_open(true);
        let (now, process) = (self.now(), Arc::clone(&self.process));
        for layers in self.oracle.cached() {
            match process.ask(Request::PullCopy(layers)).await {
                Answer::Done => {}
                answer => {
                    return Err(format!(
                        "after step {}, cached image {layers} is lost: {answer:?}",
                        self.step
                    ));
                }
            }
        }
        for image in self.oracle.images(now) {
            match process.ask(Request::Pull(image)).await {
                Answer::Done => {}
                answer => return Err(format!("after step {}, {image:?} is lost: {answer:?}", self.step)),
            }
        }
        for (repository, blob) in self.oracle.blobs(now) {
            let (name, digest) = (crate::request::name(repository), crate::request::digest(blob));
            if let Err(error) = process.registry.repository(&name).blob(&digest).await {
                return Err(format!(
                    "after step {}, a blob is lost within the grace period: {error}",
                    self.step
                ));
            }
        }
        process.gate.set_open(false);
        Ok(())
    }

    /// Ends the schedule: all requests run to their end, the process starts once more, and all garbage goes.
    async fn finish(&mut self) -> Result<(), String> {
        self.process.gate.set_open(true);
        self.settle().await;
        self.hear()?;
        self.check().await?;
        self.kill(None).await?;
        self.process.gate.set_open(true);
        let before = self.disk.blobs.lock().len();
        // The clock may have been set back, and a killed backup may hold a lease.
        self.clock.pass(100 * GRACE + EXPIRE + LEASE);
        for _ in 0..2 {
            self.process.collector.collect().await.map_err(|error| error.to_string())?;
        }
        self.count.removed = before - self.disk.blobs.lock().len();
        self.check().await?;
        expect_no_garbage(&self.process, &self.disk, self.folder.path())
            .await
            .map_err(|why| format!("{why} at {:?}", self.clock.now()))
    }

    /// For a schedule without the second look of retention.
    fn see_pushes(&self) {
        let retains = self.running.iter().any(|running| running.request == Request::Retain);
        if self.late && !retains && !self.is_held {
            let _ = self.process.beside().execute_batch(SEE_PUSHES);
        }
    }

    /// For a schedule without the second look of collections.
    fn see_references(&self) {
        let collects = self.running.iter().any(|running| matches!(running.request, Request::Collect { .. }));
        if self.stale && !collects && !self.is_held {
            let _ = self.process.beside().execute_batch(SEE_REFERENCES);
        }
    }
}
