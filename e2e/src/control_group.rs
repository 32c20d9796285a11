//! A control group with limits on memory and processor time, of version 1 or 2, as this machine has it.

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A control group. Dropping the value removes the group, if its processes have ended.
pub struct ControlGroup {
    version: Version,
}

enum Version {
    One { memory: PathBuf, cpu: PathBuf },
    Two(PathBuf),
}

/// Period of the processor limit, in microseconds.
const PERIOD_MICROSECONDS: u64 = 100_000;

impl ControlGroup {
    /// Creates a group with at most `mib` MiB of memory, page cache included, and `percent` of one core.
    pub fn new(name: &str, mib: u64, percent: u64) -> Self {
        let name = format!("hythe-e2e-{name}-{}", std::process::id());
        let mounts = fs::read_to_string("/proc/self/mounts").expect("Linux");
        let quota = PERIOD_MICROSECONDS * percent / 100;
        let first = hierarchy(&mounts, "memory").zip(hierarchy(&mounts, "cpu"));
        let version = if let Some((memory, cpu)) = first {
            let (memory, cpu) = (memory.join(&name), cpu.join(&name));
            create(&memory);
            create(&cpu);
            write(&memory.join("memory.limit_in_bytes"), mib << 20);
            write(&cpu.join("cpu.cfs_period_us"), PERIOD_MICROSECONDS);
            write(&cpu.join("cpu.cfs_quota_us"), quota);
            Version::One { memory, cpu }
        } else {
            let root = mount_point(&mounts, "cgroup2", None).expect("control groups are mounted");
            write(&root.join("cgroup.subtree_control"), "+memory +cpu");
            let group = root.join(&name);
            create(&group);
            write(&group.join("memory.max"), mib << 20);
            write(&group.join("cpu.max"), format!("{quota} {PERIOD_MICROSECONDS}"));
            Version::Two(group)
        };
        Self { version }
    }

    /// The files into which a process writes its id to enter the group.
    pub fn processes(&self) -> Vec<PathBuf> {
        self.folders().into_iter().map(|folder| folder.join("cgroup.procs")).collect()
    }

    /// How many processes of the group the kernel killed because memory ran out.
    pub fn kills(&self) -> u64 {
        let events = match &self.version {
            Version::One { memory, .. } => memory.join("memory.oom_control"),
            Version::Two(group) => group.join("memory.events"),
        };
        let events =
            fs::read_to_string(&events).unwrap_or_else(|error| panic!("{}: {error}", events.display()));
        let count = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count.and_then(|count| count.parse().ok()).expect("the kernel counts its kills")
    }

    /// The peak of memory in use, in MiB, page cache included. `None` if the kernel does not report it.
    pub fn peak(&self) -> Option<u64> {
        let file = match &self.version {
            Version::One { memory, .. } => memory.join("memory.max_usage_in_bytes"),
            Version::Two(group) => group.join("memory.peak"),
        };
        fs::read_to_string(file).ok()?.trim().parse::<u64>().ok().map(|bytes| bytes >> 20)
    }

    fn folders(&self) -> Vec<&Path> {
        match &self.version {
            Version::One { memory, cpu } => vec![memory, cpu],
            Version::Two(group) => vec![group],
        }
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        let begin = Instant::now();
        for folder in self.folders() {
            // The kernel removes a process from the group only a moment after the process was waited for.
            while fs::remove_dir(folder).is_err() && begin.elapsed() < Duration::from_secs(5) {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

fn hierarchy(mounts: &str, controller: &str) -> Option<PathBuf> {
    mount_point(mounts, "cgroup", Some(controller))
}

fn mount_point(mounts: &str, kind: &str, option: Option<&str>) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (path, found, options) = (fields.next()?, fields.next()?, fields.next()?);
        let wanted = found == kind && option.is_none_or(|option| options.split(',').any(|one| one == option));
        wanted.then(|| PathBuf::from(path))
    })
}

fn create(folder: &Path) {
    fs::create_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error} (these tests need root)", folder.display()));
}

fn write(file: &Path, value: impl Display) {
    fs::write(file, value.to_string()).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}
