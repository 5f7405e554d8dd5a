//! How a workload is kept apart from the kernel of the machine that it runs on.

use serde::{Deserialize, Serialize};

/// The key of the question for the isolation, in `--set KEY=VALUE`.
pub const KEY: &str = "isolation";

/// How a workload is kept apart from the kernel of its host, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Default)]
pub enum Isolation {
    /// It uses the host's kernel: runc, a sandbox of namespaces, Apptainer.
    #[default]
    #[serde(rename = "shared")]
    SharedKernel,
    /// A kernel in user space answers its system calls, and the host's kernel sees few of them: gVisor.
    #[serde(rename = "gvisor")]
    UserSpaceKernel,
    /// It has a kernel of its own in a virtual machine: Kata, a microVM, a server.
    #[serde(rename = "own")]
    OwnKernel,
}

impl Isolation {
    /// All levels, the weakest first.
    pub const ALL: [Self; 3] = [Self::SharedKernel, Self::UserSpaceKernel, Self::OwnKernel];

    /// The word for it in answers, policies and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::SharedKernel => "shared",
            Self::UserSpaceKernel => "gvisor",
            Self::OwnKernel => "own",
        }
    }

    /// The level with this word; `None` if there is none.
    pub fn from_name(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == word)
    }

    /// How a runtime with this name, type or path isolates; `None` if it is not known. They are names that engines and
    /// clusters use: `runsc`, `/opt/kata/bin/kata-runtime`, `io.containerd.kata-qemu.v2`.
    pub fn of_runtime(word: &str) -> Option<Self> {
        let last = word.rsplit('/').next().unwrap_or(word);
        let last = last.strip_prefix("io.containerd.").unwrap_or(last);
        match last.split(['-', '.', '_']).next().unwrap_or(last) {
            "runsc" | "gvisor" => Some(Self::UserSpaceKernel),
            "kata" | "krun" => Some(Self::OwnKernel),
            "runc" | "crun" | "youki" => Some(Self::SharedKernel),
            _ => None,
        }
    }

    /// What it is, in words that follow "with" or "needs".
    pub fn describe(self) -> &'static str {
        match self {
            Self::SharedKernel => "the host's kernel",
            Self::UserSpaceKernel => "a kernel in user space (gVisor)",
            Self::OwnKernel => "a kernel of its own (a virtual machine)",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_has_one_word_everywhere() {
        for level in Isolation::ALL {
            assert_eq!(serde_json::to_value(level).unwrap(), level.name());
            assert_eq!(Isolation::from_name(level.name()), Some(level));
        }
        assert!(Isolation::ALL.is_sorted());
    }
}
