//! The free capacity of this machine for workloads.

use std::{path::Path, time::Duration};

use wharf_core::{base::blocking::blocking, base::small_file, launch::room::Room};

/// How long to wait: a network file system may hang.
const PATIENCE: Duration = Duration::from_secs(1);

/// The memory of this machine and the space on the file system of `folder`, as far as known in time.
pub async fn room(folder: &Path) -> Vec<Room> {
    let folder = folder.to_owned();
    let disk = blocking(move || disk(&folder));
    let disk = tokio::time::timeout(PATIENCE, disk).await.ok().and_then(Result::ok).flatten();
    let memory = small_file::text("/proc/meminfo").ok().and_then(|text| memory(&text));
    memory.into_iter().chain(disk).collect()
}

/// The bytes of memory that this machine has, if it tells.
pub fn total_memory() -> Option<u64> {
    let (_, total) = memory(&small_file::text("/proc/meminfo").ok()?)?.share()?;
    Some(total)
}

/// The free memory (proc(5)): `MemAvailable` is what programs can get without swapping.
fn memory(text: &str) -> Option<Room> {
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1 << 10)
    };
    let total = bytes("MemTotal")?;
    Some(Room::bytes("memory", Some(total.saturating_sub(bytes("MemAvailable")?)), Some(total)))
}

/// The bytes that this person can still write there, as far as known.
pub fn free(folder: &Path) -> Option<u64> {
    let (used, total) = disk(folder)?.share()?;
    total.checked_sub(used)
}

/// The space that this person can use where workloads are kept (statvfs(3)). A missing folder is looked up through its
/// parent.
fn disk(folder: &Path) -> Option<Room> {
    let there = folder.ancestors().find(|folder| folder.is_dir())?;
    let found = rustix::fs::statvfs(there).ok()?;
    let bytes = |blocks: u64| blocks.checked_mul(found.f_frsize);
    let total = bytes(found.f_blocks)?;
    Some(Room::bytes("disk", Some(total.saturating_sub(bytes(found.f_bavail)?)), Some(total)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_what_programs_can_get() {
        let text = "MemTotal:       16384 kB\nMemFree:         100 kB\nMemAvailable:    4096 kB\n";
        assert_eq!(memory(text).and_then(|room| room.share()), Some((12 << 20, 16 << 20)));
        assert_eq!(memory("MemTotal: 16384 kB\n"), None);
        assert_eq!(memory("MemTotal: many\nMemAvailable: 1 kB"), None);
    }
}
