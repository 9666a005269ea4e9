//! What a process uses: CPU time by thread, memory, and how idle the machine was meanwhile.

use std::{collections::BTreeMap, fs, time::Instant};

/// A reading of a process's counters.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    at: Instant,
    /// CPU nanoseconds by thread, and the thread's name.
    threads: BTreeMap<String, (String, u64)>,
    /// Clock ticks of user and system time of the whole process, ended threads included.
    ticks: u64,
    /// All ticks of the machine, and the idle ones.
    machine: (u64, u64),
}

/// What was used between two readings.
#[derive(Clone, Debug)]
pub(crate) struct Usage {
    /// Seconds on the clock.
    pub(crate) wall: f64,
    /// Seconds of CPU.
    pub(crate) cpu: f64,
    /// The same by name of thread, the greatest first.
    pub(crate) threads: Vec<(String, f64)>,
    /// How much of the machine's time nobody used, 0 to 1.
    pub(crate) idle: f64,
}

impl Reading {
    /// The counters of that process now.
    pub(crate) fn of(pid: u32) -> Self {
        let mut threads = BTreeMap::new();
        for entry in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let read = |name: &str| fs::read_to_string(entry.path().join(name)).unwrap_or_default();
            let on_cpu = read("schedstat").split(' ').next().and_then(|it| it.parse().ok()).unwrap_or(0);
            let id = entry.file_name().to_string_lossy().into_owned();
            threads.insert(id, (read("comm").trim().to_owned(), on_cpu));
        }
        Self { at: Instant::now(), threads, ticks: ticks(pid), machine: machine() }
    }

    /// What was used since `before`.
    pub(crate) fn since(&self, before: &Self) -> Usage {
        let mut by_name: BTreeMap<&str, f64> = BTreeMap::new();
        for (id, (name, now)) in &self.threads {
            let then = before.threads.get(id).map_or(0, |it| it.1);
            *by_name.entry(name).or_default() += now.saturating_sub(then) as f64 / 1e9;
        }
        let mut threads: Vec<(String, f64)> = by_name.into_iter().map(|(name, cpu)| (name.to_owned(), cpu)).collect();
        threads.sort_by(|one, other| other.1.total_cmp(&one.1));
        let exact: f64 = threads.iter().map(|it| it.1).sum();
        // Threads that ended meanwhile count in the ticks alone, which are a hundredth of a second each.
        let coarse = self.ticks.saturating_sub(before.ticks) as f64 / 100.0;
        let (all, idle) = (self.machine.0 - before.machine.0, self.machine.1 - before.machine.1);
        Usage {
            wall: self.at.duration_since(before.at).as_secs_f64(),
            cpu: if coarse > exact + 0.02 { coarse } else { exact },
            threads,
            idle: idle as f64 / all.max(1) as f64,
        }
    }
}

impl Usage {
    /// The threads that used the most, in words.
    pub(crate) fn shares(&self) -> String {
        let shown = self.threads.iter().filter(|it| it.1 > self.cpu / 50.0).take(4);
        let words: Vec<String> = shown.map(|(name, cpu)| format!("{name} {cpu:.2}")).collect();
        words.join(", ")
    }
}

/// The process's own share of memory in KiB: what is shared with others counts in part.
pub(crate) fn memory_kib(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|it| it.strip_prefix("Pss:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0.0)
}

fn ticks(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name may contain spaces and ends with the last bracket; user time is the twelfth word after it.
    let words = text.rsplit(") ").next().unwrap_or_default().split(' ');
    words.skip(11).take(2).filter_map(|it| it.parse::<u64>().ok()).sum()
}

fn machine() -> (u64, u64) {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let times: Vec<u64> = line.split_whitespace().skip(1).take(8).filter_map(|it| it.parse().ok()).collect();
    (times.iter().sum(), times.iter().skip(3).take(2).sum())
}
