//! Where a workload runs. Its processes exist on one machine, during one boot of it, and in one process namespace; but
//! a home folder is often on many machines.

use serde::{Deserialize, Serialize};

use wharf_core::base::small_file;

/// A set of processes that see each other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// The host name of the machine.
    pub host: String,
    /// The machine's id (machine-id(5)); empty if it has none.
    pub machine: String,
    /// The id of the boot (`/proc/sys/kernel/random/boot_id`).
    pub boot: String,
    /// The process namespace; a container on the same machine has its own.
    pub processes: String,
}

/// How another node relates to this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeRelation {
    /// The same processes: what is not found here has ended.
    Here,
    /// The same machine before its last boot: nothing of it runs any more.
    Before,
    /// Another machine or namespace: from here nothing can be found out or done.
    Elsewhere,
}

impl Node {
    /// The node that this process is on.
    pub fn here() -> Self {
        let read = |path: &str| small_file::text(path).unwrap_or_default().trim().to_owned();
        Self {
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            machine: read("/etc/machine-id"),
            boot: read("/proc/sys/kernel/random/boot_id"),
            processes: std::fs::read_link("/proc/self/ns/pid")
                .map(|link| link.display().to_string())
                .unwrap_or_default(),
        }
    }

    /// How `other` relates to this node.
    pub fn sees(&self, other: &Self) -> NodeRelation {
        if self.boot == other.boot {
            return if self.processes == other.processes && !self.boot.is_empty() {
                NodeRelation::Here
            } else {
                NodeRelation::Elsewhere
            };
        }
        // Machines made from one image may share a host name or an id, but hardly both.
        let same = self.host == other.host && self.machine == other.machine && !self.machine.is_empty();
        if same && self.processes == other.processes { NodeRelation::Before } else { NodeRelation::Elsewhere }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(host: &str, machine: &str, boot: &str, processes: &str) -> Node {
        Node { host: host.into(), machine: machine.into(), boot: boot.into(), processes: processes.into() }
    }

    #[test]
    fn only_the_same_processes_are_here() {
        let here = node("a", "1", "x", "pid:[1]");
        assert_eq!(here.sees(&here.clone()), NodeRelation::Here);
        assert_eq!(here.sees(&node("a", "1", "y", "pid:[1]")), NodeRelation::Before, "started anew");
        assert_eq!(here.sees(&node("a", "1", "x", "pid:[2]")), NodeRelation::Elsewhere, "a container beside");
        assert_eq!(here.sees(&node("b", "1", "y", "pid:[1]")), NodeRelation::Elsewhere);
        assert_eq!(here.sees(&node("a", "2", "y", "pid:[1]")), NodeRelation::Elsewhere);
        assert_eq!(here.sees(&Node::default()), NodeRelation::Elsewhere, "written by an older version");
        assert_eq!(Node::here().sees(&Node::here()), NodeRelation::Here);
    }
}
