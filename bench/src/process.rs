//! CPU time and resident memory of a process and its children, from the kernel.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

/// A contender's processes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tree {
    root: u32,
}

impl Tree {
    /// The process `root` and all its descendants.
    pub(crate) fn new(root: u32) -> Self {
        Self { root }
    }

    /// CPU time that all processes have used so far.
    pub(crate) fn cpu(self) -> Duration {
        self.members().into_iter().map(cpu).sum()
    }

    /// Resident memory now, in bytes.
    pub(crate) fn resident(self) -> u64 {
        self.members().into_iter().map(|pid| status(pid, "VmRSS:")).sum()
    }

    /// The sum of each process's largest resident memory so far, in bytes.
    pub(crate) fn peak(self) -> u64 {
        self.members().into_iter().map(|pid| status(pid, "VmHWM:")).sum()
    }

    fn members(self) -> Vec<u32> {
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            if let Some(parent) = stat(pid).and_then(|fields| fields.get(1)?.parse().ok()) {
                children.entry(parent).or_default().push(pid);
            }
        }
        let mut members = vec![self.root];
        let mut at = 0;
        while let Some(pid) = members.get(at) {
            members.extend(children.remove(pid).unwrap_or_default());
            at += 1;
        }
        members
    }
}

/// The fields of `/proc/PID/stat` after the command's name: state, parent, …
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(text[text.rfind(')')? + 1..].split_whitespace().map(str::to_owned).collect())
}

/// CPU time of a process. The run time of its threads is exact, but misses threads that have ended. The process's own
/// time includes them, but counts ticks of 10 ms. Neither exceeds the true value, so the larger one is closer to it.
fn cpu(pid: u32) -> Duration {
    let threads: u64 = fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|text| text.split_whitespace().next()?.parse::<u64>().ok())
        .sum();
    let ticks = || -> Option<u64> {
        let fields = stat(pid)?;
        Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
    };
    let ticks = ticks().unwrap_or(0) * 1_000_000_000 / rustix::param::clock_ticks_per_second();
    Duration::from_nanos(threads.max(ticks))
}

fn status(pid: u32, field: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kib = text
        .lines()
        .find_map(|line| line.strip_prefix(field)?.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_cpu_and_memory() {
        let tree = Tree::new(std::process::id());
        let before = tree.cpu();
        let mut digest = hythe_oci::HashState::new(hythe_oci::Algorithm::Sha256);
        (0..8000).for_each(|_| digest.update(&[0; 8192]));
        std::hint::black_box(digest.finish());
        assert!(tree.cpu() > before);
        assert!(tree.resident() > 1 << 20);
        assert!(tree.peak() >= tree.resident() / 2);
    }
}
