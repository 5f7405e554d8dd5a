//! What libvirt tells of all domains at once (`virsh domstats --raw`), as states of workloads.

use std::collections::BTreeMap;

use crate::machines::size::Size;
use wharf_core::launch::plan::State;

/// The exit code of what was ended by force.
const KILLED: i64 = 137;

/// The state of each domain, by its name.
pub(super) fn states(text: &str) -> BTreeMap<String, State> {
    let mut all = BTreeMap::new();
    let mut name: Option<String> = None;
    let mut state = 0;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("Domain: '") {
            name = rest.strip_suffix('\'').map(str::to_owned);
            state = 0;
        } else if let (Some(name), Some((key, value))) = (&name, line.trim().split_once('=')) {
            match key {
                "state.state" => {
                    state = value.parse().unwrap_or(0);
                    all.insert(name.clone(), told(state, 0));
                }
                "state.reason" => {
                    all.insert(name.clone(), told(state, value.parse().unwrap_or(0)));
                }
                _ => {}
            }
        }
    }
    all
}

/// The size of a domain with a disk of this size, from `virsh dominfo`; `None` where it does not tell it.
pub(super) fn size(text: &str, disk: u64) -> Option<Size> {
    let told = |label: &str| text.lines().find_map(|line| line.strip_prefix(label)).map(str::trim);
    let memory: u64 = told("Max memory:")?.strip_suffix("KiB")?.trim().parse().ok()?;
    Some(Size { memory: memory.checked_mul(1 << 10)?, processors: told("CPU(s):")?.parse().ok()?, disk: Some(disk) })
}

/// A state and its reason (libvirt's API: `virDomainState`, `virDomainShutoffReason`).
fn told(state: u32, reason: u32) -> State {
    match (state, reason) {
        (1 | 2, _) => State::Running,
        (3 | 7, _) => State::Paused,
        (4, _) => State::Stopping,
        (5, 0 | 1) => State::Exited(0),
        (5, 2) => State::Exited(KILLED),
        (5, 3) => State::Failed("it crashed".into()),
        (5, 6) => State::Failed("it could not be started".into()),
        (5, 7) => State::Failed("a snapshot left it stopped".into()),
        (5, _) => State::Exited(0),
        (6, _) => State::Failed("it crashed".into()),
        (other, _) => State::Other(format!("state {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_domain_is_read() {
        let told = "Id:             -\nState:          shut off\nCPU(s):         2\nMax memory:     262144 KiB\n";
        let found = size(told, 7).unwrap();
        assert_eq!((found.memory, found.processors, found.disk), (256 << 20, 2, Some(7)));
        assert_eq!(size("CPU(s):         2\n", 7), None);
    }

    #[test]
    fn states_are_read_as_virsh_prints_them() {
        let text = "Domain: 'a-1'\n  state.state=1\n  state.reason=1\n  cpu.time=5\n\nDomain: 'b'\n  state.state=5\n  \
                    state.reason=2\n\nDomain: 'c'\n  state.state=5\n  state.reason=1\n\nDomain: 'd=e'\n  state.state=3\n";
        let states = states(text);
        assert_eq!(states["a-1"], State::Running);
        assert_eq!(states["b"].label().1, "killed");
        assert_eq!((&states["c"], &states["d=e"]), (&State::Exited(0), &State::Paused));
        assert!(super::states("state.state=1\nnonsense\nDomain: 'x\n").is_empty());
    }
}
