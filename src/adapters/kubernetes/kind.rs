//! The kinds of objects that Wharf launches, by the words that people type.

/// What a launch is on a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A program that runs to its end.
    Job,
    /// A program with a terminal.
    Pod,
    /// A machine of KubeVirt, from a disk in a container image.
    Machine,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Job, Self::Pod, Self::Machine];

    /// The word in answers and ids, which kubectl takes too.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Pod => "pod",
            Self::Machine => "vmi",
        }
    }

    pub(super) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// The API's name.
    pub(super) fn api_name(self) -> &'static str {
        match self {
            Self::Job => "Job",
            Self::Pod => "Pod",
            Self::Machine => "VirtualMachineInstance",
        }
    }

    /// The version of the API.
    pub(super) fn version(self) -> &'static str {
        match self {
            Self::Job => "batch/v1",
            Self::Pod => "v1",
            Self::Machine => "kubevirt.io/v1",
        }
    }

    /// The path of all of them in a namespace.
    pub(super) fn path(self, namespace: &str) -> String {
        match self {
            Self::Job => format!("/apis/batch/v1/namespaces/{namespace}/jobs"),
            Self::Pod => format!("/api/v1/namespaces/{namespace}/pods"),
            Self::Machine => format!("/apis/kubevirt.io/v1/namespaces/{namespace}/virtualmachineinstances"),
        }
    }
}
