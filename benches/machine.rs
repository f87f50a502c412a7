//! What the kernel says of a process, and on which cores processes run.

use std::fs;
use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

/// The core that Envoy has for itself.
const ENVOY: usize = 0;
/// The core of the load and the upstream.
const LOAD: usize = 1;

/// Runs `start` on Envoy's core, which a process that it starts inherits; then goes back to the other core. Where there
/// are not both, nothing is pinned.
pub(crate) fn on_envoys_core<T>(start: impl FnOnce() -> T) -> T {
    let pinned = pin(ENVOY);
    let started = start();
    if pinned {
        pin(LOAD);
    }
    started
}

/// Goes to the core of the load. `false` where the machine has only one.
pub(crate) fn on_loads_core() -> bool {
    pin(LOAD)
}

fn pin(core: usize) -> bool {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).is_ok()
}

/// How many cores this process may use, before it is pinned.
pub(crate) fn cores() -> u32 {
    sched_getaffinity(None).map_or(1, |set| set.count())
}

/// CPU time of this thread so far, in nanoseconds.
pub(crate) fn own_cpu() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// As many open files as are wanted and the kernel lets us have. Returns how many that are.
pub(crate) fn raise_open_files(wanted: u64) -> u64 {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return wanted;
    }
    let root = Rlimit {
        current: Some(wanted),
        maximum: Some(wanted.max(limit.maximum.unwrap_or(wanted))),
    };
    let others = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let _ = setrlimit(Resource::Nofile, root).or_else(|_| setrlimit(Resource::Nofile, others));
    getrlimit(Resource::Nofile).current.unwrap_or(wanted)
}

/// The load averages of the last 1, 5 and 15 minutes.
pub(crate) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// A running process.
#[derive(Clone, Copy)]
pub(crate) struct Process(pub(crate) u32);

impl Process {
    /// The process that a launcher such as `func-e` has started, or itself.
    pub(crate) fn launched(self) -> Self {
        let path = format!("/proc/{0}/task/{0}/children", self.0);
        let children = fs::read_to_string(path).unwrap_or_default();
        children
            .split_whitespace()
            .next()
            .and_then(|child| child.parse().ok())
            .map_or(self, Self)
    }

    /// Time on the CPU of all threads, in nanoseconds.
    pub(crate) fn cpu(self) -> io::Result<u64> {
        self.cpu_of("")
    }

    /// The same of those threads whose names begin like this.
    pub(crate) fn cpu_of(self, name: &str) -> io::Result<u64> {
        let mut sum = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.0))? {
            let path = thread?.path();
            // A thread may end while we look.
            let own = fs::read_to_string(path.join("comm")).unwrap_or_default();
            if !own.starts_with(name) {
                continue;
            }
            let text = fs::read_to_string(path.join("schedstat")).unwrap_or_default();
            let spent = text.split(' ').next().and_then(|field| field.parse().ok());
            sum += spent.unwrap_or(0);
        }
        Ok(sum)
    }

    /// Resident memory in bytes.
    pub(crate) fn resident(self) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0))?;
        let mut lines = status.lines();
        let kilobytes = lines
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|value| value.trim().trim_end_matches(" kB").parse::<u64>().ok());
        Ok(kilobytes.unwrap_or(0) * 1024)
    }

    /// The size of each WebAssembly memory in bytes: what can be written of the gigabytes of addresses that V8 reserves
    /// for one.
    pub(crate) fn linear_memories(self) -> io::Result<Vec<u64>> {
        const RESERVED: u64 = 1 << 32;
        let maps = fs::read_to_string(format!("/proc/{}/maps", self.0))?;
        let areas: Vec<(u64, u64, &str)> = maps
            .lines()
            .filter_map(|line| {
                let (range, rest) = line.split_once(' ')?;
                let (start, end) = range.split_once('-')?;
                Some((
                    u64::from_str_radix(start, 16).ok()?,
                    u64::from_str_radix(end, 16).ok()?,
                    rest.get(..4)?,
                ))
            })
            .collect();
        Ok(areas
            .windows(2)
            .filter_map(|pair| match pair {
                [(start, end, "rw-p"), (guard, top, "---p")]
                    if end == guard && top - start >= RESERVED =>
                {
                    Some(end - start)
                }
                _ => None,
            })
            .collect())
    }
}
