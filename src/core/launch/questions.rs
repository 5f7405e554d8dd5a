//! Questions that every backend asks in the same words, and the risks of their answers.

use super::{
    form::{Answers, Field, FieldKind, Section},
    isolation::{self, Isolation},
    plan::{Mount, Risk},
};
use crate::{
    base::{error::Result, text},
    image::model::RunConfig,
};

/// The default for the most processes of a workload: enough to work, too few to stop a machine.
pub const PROCESSES: &str = "512";
/// The default for the most processors of a workload.
pub const PROCESSORS: &str = "2";
/// The key of the question how many GPUs a backend reserves: by its answer a runtime knows whether to show them inside.
pub const GPUS: &str = "gpus";

/// A field kind that offers these words.
pub fn choice(options: &[&str]) -> FieldKind {
    FieldKind::Choice(options.iter().map(ToString::to_string).collect())
}

/// The section for the name and the program.
pub fn basics(fields: Vec<Field>) -> Section {
    Section::new("Basics", "what it is called and what it runs", fields)
}

/// The section for memory, processors and other limits.
pub fn resources(fields: Vec<Field>) -> Section {
    Section::new("Resources", "how much it may use", fields)
}

/// The section for the network and the host's files.
pub fn network(help: &'static str, fields: Vec<Field>) -> Section {
    Section::new("Network", help, fields)
}

/// The section for settings that most people leave as they are.
pub fn advanced(fields: Vec<Field>) -> Section {
    Section::new("Advanced", "settings that most people do not change", fields).folded()
}

/// The field for the workload's name.
pub fn name(help: &'static str, default: &str) -> Field {
    Field::new("name", "Name", help, FieldKind::Text, default)
}

/// The field for what runs: a command in place of the image's, or where the image names a program that is always run, the
/// arguments of that.
pub fn command(config: &RunConfig) -> Field {
    let (label, help) = if config.entrypoint.is_empty() {
        ("Command", "instead of the image's own; empty runs what the image says")
    } else {
        ("Arguments", "for the image's program, instead of its own arguments")
    };
    Field::new("command", label, help, FieldKind::Words, "")
}

/// The answer to [`runs`] with which the image's own program is run.
const RUNSCRIPT: &str = "runscript";
/// The answer to [`runs`] with which the command is run alone.
const COMMAND: &str = "command";
/// The key of [`runs`].
const RUNS: &str = "runs";

/// The field for what a SIF image runs: its own program with the command as arguments, or the command alone.
pub fn runs() -> Field {
    let help = "runscript is the image's program with these arguments; command is the command alone";
    Field::new(RUNS, "Runs", help, choice(&[RUNSCRIPT, COMMAND]), RUNSCRIPT)
}

/// Whether the command is run alone, by the answer to [`runs`].
pub fn runs_command(answers: &Answers) -> bool {
    answers.get(RUNS) == COMMAND
}

/// The field for environment variables: `NAME=value …`.
pub fn environment() -> Field {
    let help = "NAME=value, separated by spaces; no secrets here, they show in the plan";
    Field::new("env", "Environment", help, FieldKind::Variables, "")
}

/// The field for folders and files of the host.
pub fn mounts() -> Field {
    let help = "/host/path:/inside, read-only; add :rw to let it write. Your home is not mounted";
    Field::new("mounts", "Mounts", help, FieldKind::Mounts, "")
}

/// The field for the network of what shares that of this machine, or has none.
pub fn own_network() -> Field {
    let help = "none cannot talk to anyone; host shares this machine's network";
    Field::new("network", "Network", help, choice(&["none", "host"]), "none")
}

/// The field for the memory limit, in bytes.
pub fn memory(help: &'static str, default: &str) -> Field {
    Field::new("memory", "Memory", help, FieldKind::Bytes, default)
}

/// The field for the number of processors, at most `most`.
pub fn processors(most: u64) -> Field {
    let default = PROCESSORS.parse().unwrap_or(most).min(most);
    let kind = FieldKind::Number { least: 1, most };
    Field::new("cpus", "Processors", "at most this many", kind, default.to_string())
}

/// The field for the most processes.
pub fn processes() -> Field {
    let kind = FieldKind::Number { least: 1, most: 1_000_000 };
    Field::new("processes", "Processes", "at most this many", kind, PROCESSES)
}

/// The mounts in the answers.
///
/// # Errors
/// `Usage` for a word that is no mount.
pub fn mounts_from(answers: &Answers) -> Result<Vec<Mount>> {
    answers.split_words("mounts").iter().map(|word| Mount::parse(word)).collect()
}

/// The risk line of a workload that sees none of the person's files.
pub fn nothing_mounted() -> Risk {
    Risk::harmless("none of your files are mounted")
}

/// The risk lines of the mounts in the answers.
pub fn mount_risks(answers: &Answers) -> Vec<Risk> {
    let words = answers.split_words("mounts");
    if words.is_empty() {
        return vec![nothing_mounted()];
    }
    words.iter().map(|word| Mount::risk(word)).collect()
}

/// The risk line of sharing the host's network.
pub fn host_network() -> Risk {
    Risk::danger("shares this machine's network: it can reach services that listen on localhost only")
}

/// The risk line of having no network at all.
pub fn no_network() -> Risk {
    Risk::harmless("no network")
}

/// Whether GPUs are reserved for the workload.
pub fn has_gpus(answers: &Answers) -> bool {
    answers.get(GPUS).parse::<u64>().is_ok_and(|count| count > 0)
}

/// The risk line of GPUs that a runtime does not show inside.
pub fn no_drivers() -> Risk {
    Risk::caution(
        "the GPUs' devices and drivers are not inside: mount them, or let Apptainer start it (inside=apptainer), which \
         shows them",
    )
}

/// Linux capabilities an ordinary service may need without owning its host.
pub const SERVICE_CAPABILITIES: [&str; 6] = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID", "NET_BIND_SERVICE"];

/// The field for the capabilities of a container: `none`, those of a service, or the `default` of whoever starts it.
pub fn rights(help: &'static str) -> Field {
    Field::new("rights", "Rights", help, choice(&["none", "service", "default"]), "none")
}

/// The risk line of the capabilities of a service.
pub fn service_rights() -> Risk {
    Risk::harmless("six harmless capabilities, and it cannot gain privileges")
}

/// The risk line of having no rights beyond those of the user.
pub fn no_rights() -> Risk {
    Risk::harmless("no capabilities, and it cannot gain privileges")
}

/// The risk line that nothing limits the memory, or only a limit above the bytes `total` that the machine has, as far as
/// known; `None` if something does.
pub fn no_memory_limit(answers: &Answers, total: Option<u64>) -> Option<Risk> {
    let most = answers.get("memory");
    if most.is_empty() {
        return Some(Risk::caution("no memory limit"));
    }
    let total = total.filter(|total| answers.bytes("memory").is_some_and(|bytes| bytes > *total))?;
    Some(Risk::caution(format!("no memory limit: {most} is more than this machine has ({})", text::size(total))))
}

/// The risk line of how much memory each process may have; `total` as in [`no_memory_limit`].
pub fn memory_limit(answers: &Answers, total: Option<u64>) -> Risk {
    let most = || Risk::harmless(format!("at most {} of memory for each process", answers.get("memory")));
    no_memory_limit(answers, total).unwrap_or_else(most)
}

/// The question which of these levels of isolation is wanted, with the weakest as default; `None` if there is no choice.
pub fn isolation(levels: &[Isolation]) -> Option<Field> {
    let levels: Vec<Isolation> = Isolation::ALL.into_iter().filter(|level| levels.contains(level)).collect();
    let [first, _, ..] = levels.as_slice() else { return None };
    let words: Vec<&str> = levels.iter().map(|level| level.name()).collect();
    let help = "shared: the host's kernel; gvisor: one in user space; own: a virtual machine";
    Some(Field::new(isolation::KEY, "Isolation", help, choice(&words), first.name()))
}

/// The risk line of an isolation; `by` is what provides it.
pub fn isolated(level: Isolation, by: &str) -> Risk {
    match level {
        Isolation::SharedKernel => Risk::caution(format!("isolation is {by}: the kernel is shared with this host")),
        Isolation::UserSpaceKernel => Risk::harmless(format!(
            "isolation is a kernel in user space ({by}): this host's kernel sees few of its system calls"
        )),
        Isolation::OwnKernel => {
            Risk::harmless(format!("isolation is a virtual machine ({by}): it has a kernel of its own"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_question_only_where_there_is_a_choice() {
        use Isolation::{OwnKernel, SharedKernel, UserSpaceKernel};
        assert_eq!(isolation(&[]), None);
        assert_eq!(isolation(&[UserSpaceKernel, UserSpaceKernel]), None);
        let asked = isolation(&[OwnKernel, SharedKernel]).unwrap();
        assert_eq!((asked.default.as_str(), asked.refuse("gvisor").is_some()), ("shared", true));
        assert_eq!(asked.refuse("own"), None);
    }
}
