//! What can be done with workloads besides launching, listing and stopping them.

/// What a backend can do besides launching, listing and stopping. For an ability that it does not list, it gives
/// [`Kind::Unsupported`](crate::base::error::Kind::Unsupported), and screens do not offer it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ability {
    /// Shows what a workload has printed.
    Logs,
    /// Runs a command in a workload.
    Exec,
    /// Opens a terminal with a command in a workload.
    Terminal,
    /// Connects to the terminal of a workload's own program.
    Attach,
    /// Measures a workload.
    Usage,
    /// Starts a stopped workload.
    Start,
    /// Makes an image of a workload.
    Snapshot,
    /// Attaches volumes to a workload and detaches them.
    Volumes,
    /// Gives a workload another size: memory, processors, disk.
    Resize,
    /// Removes a workload.
    Remove,
}

impl Ability {
    /// All abilities, in the order in which they are declared.
    pub const ALL: &'static [Self] = &[
        Self::Logs,
        Self::Exec,
        Self::Terminal,
        Self::Attach,
        Self::Usage,
        Self::Start,
        Self::Snapshot,
        Self::Volumes,
        Self::Resize,
        Self::Remove,
    ];

    /// What it does with a workload, as a verb with a preposition: `open a terminal in`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Logs => "show the output of",
            Self::Exec => "run a command in",
            Self::Terminal => "open a terminal in",
            Self::Attach => "attach to",
            Self::Usage => "measure",
            Self::Start => "start",
            Self::Snapshot => "take a snapshot of",
            Self::Volumes => "attach or detach a volume of",
            Self::Resize => "resize",
            Self::Remove => "remove",
        }
    }
}

/// Why a workload cannot be resized where what it may use is fixed when it is launched, and what to do instead.
pub const FIXED_SIZE: (&str, &str) =
    ("what it may use is fixed when it is launched", "launch its image again with other limits");

/// That one ability of a backend does not work with one of its workloads, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The id of the workload on its backend.
    pub id: String,
    /// What cannot be done with it.
    pub ability: Ability,
    /// Why, with what to do instead: `its image has no shell: read its output`.
    pub why: String,
}

impl Refusal {
    /// That these abilities do not work with the workload `id`, all for the same reason.
    pub fn of(id: &str, abilities: &[Ability], why: &str) -> Vec<Self> {
        let refusal = |ability: &Ability| Self { id: id.to_owned(), ability: *ability, why: why.to_owned() };
        abilities.iter().map(refusal).collect()
    }
}
