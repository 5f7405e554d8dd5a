//! Questions that every backend asks in the same words, and what their answers risk.

use super::{
    form::{Answers, Field, FieldKind, Section},
    plan::{Mount, Risk},
};
use crate::base::error::Result;

/// Most processes a workload may have, unless a person says otherwise: enough to work, too few to stop a machine.
pub const PROCESSES: &str = "512";
/// Most processors.
pub const PROCESSORS: &str = "2";

/// A choice between words.
pub fn choice(options: &[&str]) -> FieldKind {
    FieldKind::Choice(options.iter().map(ToString::to_string).collect())
}

/// What it is called and what it runs.
pub fn basics(fields: Vec<Field>) -> Section {
    Section::new("Basics", "what it is called and what it runs", fields)
}

/// How much it may use.
pub fn resources(fields: Vec<Field>) -> Section {
    Section::new("Resources", "how much it may use", fields)
}

/// Whom it can reach, and which of the host's files it sees.
pub fn network(help: &'static str, fields: Vec<Field>) -> Section {
    Section::new("Network", help, fields)
}

/// What most people leave as it is.
pub fn advanced(fields: Vec<Field>) -> Section {
    Section::new("Advanced", "what most people leave as it is", fields).folded()
}

/// What the workload is called.
pub fn name(help: &'static str, default: &str) -> Field {
    Field::new("name", "Name", help, FieldKind::Text, default)
}

/// What it runs.
pub fn command(help: &'static str) -> Field {
    Field::new("command", "Command", help, FieldKind::Words, "")
}

/// Its environment.
pub fn environment() -> Field {
    let help = "NAME=value, separated by spaces; no secrets here, they show in the plan";
    Field::new("env", "Environment", help, FieldKind::Variables, "")
}

/// What it sees of the host's files.
pub fn mounts() -> Field {
    let help = "/host/path:/inside, read-only; add :rw to let it write. Your home is not mounted";
    Field::new("mounts", "Mounts", help, FieldKind::Mounts, "")
}

/// How much memory it may use.
pub fn memory(help: &'static str, default: &str) -> Field {
    Field::new("memory", "Memory", help, FieldKind::Bytes, default)
}

/// How many processors.
pub fn processors(most: u64) -> Field {
    let default = PROCESSORS.parse().unwrap_or(most).min(most);
    let kind = FieldKind::Number { least: 1, most };
    Field::new("cpus", "Processors", "at most this many", kind, default.to_string())
}

/// How many processes.
pub fn processes() -> Field {
    let kind = FieldKind::Number { least: 1, most: 1_000_000 };
    Field::new("processes", "Processes", "at most this many", kind, PROCESSES)
}

/// The mounts that were answered.
pub fn mounts_of(answers: &Answers) -> Result<Vec<Mount>> {
    answers.words("mounts").iter().map(|word| Mount::parse(word)).collect()
}

/// Having none of the person's files.
pub fn nothing_mounted() -> Risk {
    Risk::fine("none of your files are mounted")
}

/// What the mounts give away.
pub fn mount_risks(answers: &Answers) -> Vec<Risk> {
    let words = answers.words("mounts");
    if words.is_empty() {
        return vec![nothing_mounted()];
    }
    words.iter().map(|word| Mount::risk(word)).collect()
}

/// Sharing the host's network.
pub fn host_network() -> Risk {
    Risk::danger("shares this machine's network: it can reach services that listen on localhost only")
}

/// Having no network at all.
pub fn no_network() -> Risk {
    Risk::fine("no network")
}

/// Having no rights beyond those of the user.
pub fn no_rights() -> Risk {
    Risk::fine("no capabilities, and it cannot gain privileges")
}
