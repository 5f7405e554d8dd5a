//! What a person asks Slurm for: the checked answers of the form as a job's options.

use std::path::PathBuf;

use super::{array, form::key, own_lines::OwnLines};
use wharf_core::{
    base::error::{Error, Result},
    launch::{form::Answers, plan::name_from},
};

/// How a dependency on other jobs may begin (sbatch(1), `--dependency`).
pub(super) const CONDITIONS: [&str; 4] = ["after", "afterany", "afterok", "afternotok"];

/// A job that begins after other jobs, under one condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct After {
    /// The condition: one of [`CONDITIONS`].
    pub condition: String,
    /// The jobs, or tasks of arrays: `329`, `329_2`.
    pub jobs: Vec<String>,
}

impl std::fmt::Display for After {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.condition, self.jobs.join(":"))
    }
}

/// The options of a job. An empty text leaves an option to Slurm.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Job {
    /// Its name: letters, digits and minus.
    pub name: String,
    /// The partition.
    pub partition: String,
    /// The account.
    pub account: String,
    /// The quality of service.
    pub quality: String,
    /// The most time that it takes, in seconds; `None` for the partition's own default.
    pub time: Option<u64>,
    /// How many times its program is started, side by side.
    pub tasks: u64,
    /// The processors of each.
    pub processors: u64,
    /// The memory on each node, in bytes; `None` for the site's own default.
    pub memory: Option<u64>,
    /// The GPUs on each node, and their type, which may be empty.
    pub gpus: (u64, String),
    /// A feature that its nodes must have.
    pub feature: String,
    /// The numbers of its array.
    pub array: String,
    /// The jobs that it begins after.
    pub after: Vec<After>,
    /// What Slurm sends mail about: `END`.
    pub mail: String,
    /// The folder of its output; `None` for the launch's own.
    pub output: Option<PathBuf>,
    /// What the person adds to the script.
    pub own: OwnLines,
}

impl Job {
    /// The job of these answers.
    ///
    /// # Errors
    /// `Usage` for an array, a dependency or a folder that is not written as one.
    pub(super) fn from_answers(answers: &Answers) -> Result<Self> {
        // What is left to Slurm is a word in a list of choices, and nothing elsewhere.
        let chosen =
            |key: &str| Some(answers.get(key)).filter(|word| *word != key::LEFT).unwrap_or_default().to_owned();
        let number = |key: &str, least: u64| answers.get(key).parse().unwrap_or(least).max(least);
        let array = answers.get(key::ARRAY).trim().to_owned();
        if !array.is_empty() && array::tasks(&array).is_none() {
            return Err(Error::usage(format!("setting '{}'", key::ARRAY), "it is no array")
                .hint("write numbers as sbatch takes them: 1-100, 1-100%4 for four at once, 0-100:10"));
        }
        Ok(Self {
            name: name_from(answers.get("name")),
            partition: answers.get(key::PARTITION).to_owned(),
            account: chosen(key::ACCOUNT),
            quality: chosen(key::QUALITY),
            time: answers.duration(key::TIME).filter(|seconds| *seconds > 0),
            tasks: number(key::TASKS, 1),
            processors: number("cpus", 1),
            memory: answers.bytes("memory"),
            gpus: (number(key::GPUS, 0), chosen(key::GPU_TYPE)),
            feature: chosen(key::FEATURE),
            array,
            after: after(answers.get(key::AFTER))?,
            mail: if answers.get(key::MAIL) == "never" { String::new() } else { answers.get(key::MAIL).to_uppercase() },
            output: folder(answers.get(key::OUTPUT))?,
            own: OwnLines::from_answers(answers)?,
        })
    }

    /// Whether it is an array of tasks.
    pub(super) fn is_array(&self) -> bool {
        !self.array.is_empty()
    }
}

/// The jobs to begin after: `afterok:329 afterany:330:331_2`.
fn after(text: &str) -> Result<Vec<After>> {
    let wrong = |word: &str, why: &str| {
        Error::usage(format!("setting '{}'", key::AFTER), format!("'{word}' {why}"))
            .hint("write a condition and ids of jobs, like afterok:329 or afterany:330:331_2")
    };
    let is_job = |job: &str| {
        let digits = |text: &str| !text.is_empty() && text.len() < 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        job.split_once('_').map_or(digits(job), |(job, task)| digits(job) && digits(task))
    };
    let one = |word: &str| {
        let (condition, jobs) = word.split_once(':').ok_or_else(|| wrong(word, "names no job"))?;
        if !CONDITIONS.contains(&condition) {
            return Err(wrong(word, &format!("begins with none of {}", CONDITIONS.join(", "))));
        }
        let jobs: Vec<String> = jobs.split(':').map(str::to_owned).collect();
        if !jobs.iter().all(|job| is_job(job)) {
            return Err(wrong(word, "has something that is no job's id"));
        }
        Ok(After { condition: condition.to_owned(), jobs })
    };
    text.split([' ', ',']).filter(|word| !word.is_empty()).map(one).collect()
}

/// The folder of the output, whose path Slurm takes as it is.
fn folder(text: &str) -> Result<Option<PathBuf>> {
    if text.is_empty() {
        return Ok(None);
    }
    let path = PathBuf::from(text);
    if !path.is_absolute() {
        return Err(Error::usage(format!("setting '{}'", key::OUTPUT), "it does not begin with /")
            .hint("write the whole path of a folder that every node sees"));
    }
    Ok(Some(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(pairs: &[(&str, &str)]) -> Answers {
        Answers(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn what_is_left_to_slurm_is_not_sent() {
        let job = Job::from_answers(&answers(&[
            ("name", "Big Blast"),
            (key::PARTITION, "short"),
            (key::ACCOUNT, key::LEFT),
            (key::MAIL, "never"),
        ]))
        .unwrap();
        assert_eq!((job.name.as_str(), job.account.as_str(), job.mail.as_str()), ("big-blast", "", ""));
        assert_eq!((job.tasks, job.processors, job.time, job.memory), (1, 1, None, None));
    }

    #[test]
    fn dependencies_are_conditions_with_ids() {
        let read = |text: &str| Job::from_answers(&answers(&[(key::AFTER, text)])).map(|job| job.after);
        let all = read("afterok:329 afterany:330:331_2").unwrap();
        assert_eq!(all.iter().map(ToString::to_string).collect::<Vec<_>>(), ["afterok:329", "afterany:330:331_2"]);
        for wrong in ["329", "sometime:3", "afterok:", "afterok:x", "afterok:1;rm", "afterok:1_2_3", "afterok:1\n2"] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
