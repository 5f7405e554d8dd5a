//! The questions for a job: those of Slurm, among those of the runtime that starts the image.

use std::collections::BTreeSet;

use super::site::Site;
use wharf_core::launch::{
    form::{Field, FieldKind, Form, Section},
    questions::choice,
};

/// The keys of Slurm's own questions. Name, processors and memory have the keys that runtimes use.
pub(super) mod key {
    pub(crate) const PARTITION: &str = "partition";
    pub(crate) const ACCOUNT: &str = "account";
    pub(crate) const QUALITY: &str = "qos";
    pub(crate) const TIME: &str = "time";
    pub(crate) const TASKS: &str = "tasks";
    pub(crate) const GPUS: &str = wharf_core::launch::questions::GPUS;
    pub(crate) const GPU_TYPE: &str = "gpu_type";
    pub(crate) const FEATURE: &str = "feature";
    pub(crate) const ARRAY: &str = "array";
    pub(crate) const AFTER: &str = "after";
    pub(crate) const MAIL: &str = "mail";
    pub(crate) const OUTPUT: &str = "output";
    pub(crate) const OPTIONS: &str = "sbatch";
    pub(crate) const SETUP: &str = "setup";
    /// The choice that leaves the answer to Slurm.
    pub(crate) const LEFT: &str = "default";
}

/// The least and the most time of a job, in seconds; Slurm counts in minutes.
const LEAST_TIME: u64 = 60;
const MOST_TIME: u64 = 365 * 24 * 3600;

/// The form: the runtime's sections, with Slurm's questions in them. Where both ask for processors and memory, Slurm
/// does, and the runtime gets the answers. `sends_script`: whether the script itself is sent, to which more can be added.
pub(super) fn form(site: &Site, runtime: Vec<Section>, sends_script: bool) -> Form {
    let mut own = vec![queue(site)];
    let mut resources = resources(site);
    let asked: BTreeSet<&str> =
        own.iter().flat_map(|section| &section.fields).chain(&resources).map(|field| field.key).collect();
    let mut sections = Vec::new();
    for mut section in runtime {
        section.fields.retain(|field| !asked.contains(field.key));
        if section.title == "Resources" {
            section.fields.splice(0..0, std::mem::take(&mut resources));
        }
        if section.title == "Advanced" {
            section.fields.extend(feature(site));
        }
        if section.fields.is_empty() {
            continue;
        }
        sections.push(section);
        // The queue comes after the name and the program.
        sections.append(&mut own);
    }
    sections.append(&mut own);
    if !resources.is_empty() {
        sections.push(wharf_core::launch::questions::resources(resources));
    }
    sections.push(order());
    if sends_script {
        sections.push(additions());
    }
    let room = site.open().map(super::partitions::Partition::room).collect();
    Form { room, editable: sends_script, ..Form::new(sections) }
}

fn queue(site: &Site) -> Section {
    let names: Vec<&str> = site.open().map(|one| one.name.as_str()).collect();
    let usual = site.partition("").filter(|one| site.lets_in(one)).map(|one| one.name.as_str());
    let first = site.open().find(|one| one.is_up()).map(|one| one.name.as_str());
    let default = usual.or(first).or(names.first().copied()).unwrap_or_default();
    let most = site.open().map(|one| one.most.unwrap_or(MOST_TIME)).max().unwrap_or(MOST_TIME);
    let time = FieldKind::Duration { least: LEAST_TIME, most: most.max(LEAST_TIME) };
    let help = "the most time it may take; empty for the partition's own default. Short jobs start sooner";
    let mut fields = vec![
        Field::new(key::PARTITION, "Partition", "the queue, and with it the nodes", choice(&names), default),
        Field::new(key::TIME, "Time", help, time, ""),
    ];
    let accounts: Vec<&str> = site.accounts.iter().map(|one| one.name.as_str()).collect();
    if !accounts.is_empty() {
        let help = "whose share the time is taken from";
        fields.push(Field::new(key::ACCOUNT, "Account", help, left_or(&accounts), key::LEFT));
    }
    let mut qualities: BTreeSet<&str> =
        site.accounts.iter().flat_map(|account| &account.qualities).map(String::as_str).collect();
    if qualities.is_empty() && !accounts.is_empty() {
        // Which of them this person may use is not known yet.
        qualities.extend(site.qualities.iter().map(|one| one.name.as_str()));
    }
    if !qualities.is_empty() {
        let help = "the quality of service: priority, and limits of its own";
        let all: Vec<&str> = qualities.into_iter().collect();
        fields.push(Field::new(key::QUALITY, "QOS", help, left_or(&all), key::LEFT));
    }
    Section::new("Queue", "where it waits, and for how long it may run", fields)
}

fn resources(site: &Site) -> Vec<Field> {
    let most = |of: fn(&super::partitions::Partition) -> u64| site.open().map(of).max().unwrap_or(1).max(1);
    let number = |least: u64, most: u64| FieldKind::Number { least, most: most.max(least) };
    let memory = "on each node, like 512M or 2G; empty for the site's own default";
    let tasks = "how many times its program is started side by side, as MPI wants it";
    let mut fields = vec![
        Field::new(key::TASKS, "Tasks", tasks, number(1, most(|one| one.processors.0)), "1"),
        Field::new("cpus", "Processors", "of each task", number(1, most(|one| one.largest)), "1"),
        Field::new("memory", "Memory", memory, FieldKind::Bytes, ""),
    ];
    let kinds: BTreeSet<&str> = site.open().flat_map(|one| one.gpus.keys()).map(String::as_str).collect();
    if !kinds.is_empty() {
        let all = most(|one| one.gpus.values().copied().fold(0, u64::saturating_add));
        fields.push(Field::new(key::GPUS, "GPUs", "on each node; 0 for none", number(0, all), "0"));
    }
    let named: Vec<&str> = kinds.into_iter().filter(|kind| !kind.is_empty()).collect();
    if !named.is_empty() {
        fields.push(Field::new(key::GPU_TYPE, "GPU type", "which GPUs, if any", left_or(&named), key::LEFT));
    }
    fields
}

/// The question for a feature of nodes, where nodes have some.
fn feature(site: &Site) -> Option<Field> {
    let all: BTreeSet<&str> = site.open().flat_map(|one| &one.features).map(String::as_str).collect();
    let all: Vec<&str> = all.into_iter().collect();
    let help = "only on nodes that have this";
    (!all.is_empty()).then(|| Field::new(key::FEATURE, "Feature", help, left_or(&all), key::LEFT))
}

fn order() -> Section {
    let array = "numbers of an array, each a task of its own: 1-100, 1-100%4 for four at once";
    let after = "jobs it begins after: afterok:329, afterany:330:331";
    let output = "the folder of its output; empty for the launch's own. Every node must see it";
    let fields = vec![
        Field::new(key::ARRAY, "Array", array, FieldKind::Text, ""),
        Field::new(key::AFTER, "After", after, FieldKind::Text, ""),
        Field::new(
            key::MAIL,
            "Mail",
            "when Slurm sends you mail",
            choice(&["never", "begin", "end", "fail", "all"]),
            "never",
        ),
        Field::new(key::OUTPUT, "Output", output, FieldKind::Text, ""),
    ];
    Section::new("Order", "arrays, what it begins after, and where its output goes", fields).folded()
}

/// What a person may add to the script.
fn additions() -> Section {
    let options = "more options of sbatch, as --reservation=night --nice=100";
    let setup = "lines of shell that run on the node before the image, outside of it: copying data, module load";
    let fields = vec![
        Field::new(key::OPTIONS, "Options", options, FieldKind::Words, ""),
        Field::new(key::SETUP, "Setup", setup, FieldKind::Lines, ""),
    ];
    Section::new("Script", "what you add to the batch script", fields).folded()
}

fn left_or(words: &[&str]) -> FieldKind {
    choice(&[&[key::LEFT], words].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slurm::{partitions::Partition, site::Account};
    use wharf_core::launch::questions;

    fn site() -> Site {
        let partition = |name: &str| Partition {
            name: name.to_owned(),
            default: name == "short",
            state: "UP".into(),
            most: Some(3600),
            processors: (8, 3),
            largest: 4,
            features: vec!["avx".into()],
            ..Partition::default()
        };
        let gpu = Partition { gpus: [("tiny".to_owned(), 2)].into(), ..partition("gpu") };
        let account = Account { name: "physics".into(), qualities: vec!["normal".into()] };
        Site { partitions: vec![partition("short"), gpu], accounts: vec![account], ..Site::default() }
    }

    fn runtime() -> Vec<Section> {
        vec![
            questions::basics(vec![
                questions::name("", "blast"),
                questions::command(&wharf_core::image::model::RunConfig::default()),
            ]),
            questions::resources(vec![questions::memory("", "1G"), questions::processors(2), questions::processes()]),
            questions::advanced(vec![Field::new("writable", "Writable", "", FieldKind::Flag, "no")]),
        ]
    }

    #[test]
    fn the_runtimes_questions_and_slurms_are_one_form() {
        let form = form(&site(), runtime(), true);
        let titles: Vec<&str> = form.sections.iter().map(|section| section.title).collect();
        assert_eq!(titles, ["Basics", "Queue", "Resources", "Advanced", "Order", "Script"]);
        let keys: Vec<&str> = form.fields().map(|field| field.key).collect();
        assert_eq!(keys.len(), keys.iter().collect::<BTreeSet<_>>().len(), "{keys:?}");
        assert_eq!(form.field("memory").unwrap().default, "", "the site's own default");
        assert!(form.field("processes").is_some() && form.field(key::FEATURE).is_some());
        assert!(form.check(&form.defaults()).is_ok());
        assert_eq!(form.room.len(), 2);
    }

    #[test]
    fn what_a_cluster_does_not_have_is_not_asked() {
        let bare = Site { partitions: site().partitions.into_iter().take(1).collect(), ..Site::default() };
        let form = form(&bare, runtime(), false);
        for key in [key::ACCOUNT, key::QUALITY, key::GPUS, key::GPU_TYPE, key::OPTIONS, key::SETUP] {
            assert!(form.field(key).is_none(), "{key}");
        }
        assert_eq!(form.defaults().get(key::PARTITION), "short");
    }
}
