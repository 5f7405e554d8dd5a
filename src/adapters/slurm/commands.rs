//! Running Slurm's programs: bounded, in the C locale, with times as seconds since 1970, and never by a shell.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use crate::shared::exec::{self, Output};
use wharf_core::{
    base::{
        clean,
        error::{Error, Kind, Result},
    },
    launch::step::Step,
};

/// The most time for one program. Slurm's own programs give up after 18 s at most where nobody answers.
pub(super) const DEADLINE: Duration = Duration::from_secs(25);
/// The most bytes of an answer: 100,000 tasks, each in a record of its own.
const LARGEST: usize = 64 << 20;
/// What Slurm's programs, and the programs that they start, get of Wharf's own environment: no tokens, and none of the
/// variables with which Slurm's programs can be told to answer in another format.
const PASSED_ON: [&str; 5] = ["PATH", "HOME", "USER", "LOGNAME", "TZ"];

/// Slurm's programs on this machine, and the cluster that they speak to.
#[derive(Debug, Clone, Default)]
pub(super) struct Commands {
    /// The folder with the programs; `None` for those on the path.
    pub bin: Option<PathBuf>,
    /// The configuration, where it is not the one that the programs find by themselves.
    pub conf: Option<PathBuf>,
}

impl Commands {
    /// The path of a program.
    pub(super) fn program(&self, name: &str) -> String {
        self.bin.as_ref().map_or_else(|| name.to_owned(), |bin| bin.join(name).display().to_string())
    }

    /// The environment of the programs, as `NAME=value`.
    pub(super) fn environment(&self) -> Vec<String> {
        let own = PASSED_ON.iter().filter_map(|name| Some(format!("{name}={}", std::env::var(name).ok()?)));
        let conf = self.conf.as_deref().map(Path::display).map(|conf| format!("SLURM_CONF={conf}"));
        let fixed = ["LC_ALL=C", "SLURM_TIME_FORMAT=%s"].map(str::to_owned);
        own.chain(conf).chain(fixed).collect()
    }

    /// The step of a plan that runs a program.
    pub(super) fn step(&self, name: &str, arguments: &[&str]) -> Step {
        let fixed = |pair: String| match pair.split_once('=') {
            Some((name, _)) if PASSED_ON.contains(&name) => name.to_owned(),
            _ => pair,
        };
        let program = std::iter::once(self.program(name));
        Step::Run {
            argv: program.chain(arguments.iter().map(|word| (*word).to_owned())).collect(),
            environment: self.environment().into_iter().map(fixed).collect(),
        }
    }

    /// Runs a program and gives its answer, whatever its exit code.
    ///
    /// # Errors
    /// `Failed` where it cannot be started, `Unavailable` where it does not end in time.
    pub(super) async fn run(&self, name: &str, arguments: &[&str]) -> Result<Output> {
        let words = std::iter::once(self.program(name)).chain(arguments.iter().map(|word| (*word).to_owned()));
        self.run_words(&words.collect::<Vec<_>>()).await
    }

    /// Runs the command line of a plan's step, whatever its exit code.
    ///
    /// # Errors
    /// Those of [`run`](Self::run).
    pub(super) async fn run_words(&self, words: &[String]) -> Result<Output> {
        let argv: Vec<&str> = words.iter().map(String::as_str).collect();
        exec::run_in(&argv, Some(&self.environment()), b"", LARGEST, DEADLINE).await
    }

    /// The text that a program answers. `what` is what is being done, with the place, for the error.
    ///
    /// # Errors
    /// Those of [`run`](Self::run), and those of [`refused`] where the exit code is not 0.
    pub(super) async fn ask(&self, what: &str, name: &str, arguments: &[&str]) -> Result<String> {
        let output = self.run(name, arguments).await?;
        if output.code != 0 {
            return Err(refused(what, &output));
        }
        if output.stdout.len() >= LARGEST {
            return Err(Error::failed(what, format!("{name} answered with more than {} MiB", LARGEST >> 20)));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// The error of a program that ended with another code than 0.
pub(super) fn refused(what: &str, output: &Output) -> Error {
    let said = reason(&output.stderr);
    let has = |words: &[&str]| words.iter().any(|word| output.stderr.contains(word));
    if has(&["Unable to contact slurm controller", "Unable to establish controller machine"]) {
        return Error::new(Kind::Unavailable, what, "Slurm's controller does not answer")
            .hint("try again later; 'scontrol ping' says when it is back");
    }
    if has(&["Could not establish a configuration source", "Unable to process configuration file"]) {
        return Error::new(Kind::Unavailable, what, "Slurm's programs find no configuration here")
            .hint("set SLURM_CONF, or conf of this backend, to the cluster's slurm.conf");
    }
    if has(&["Problem talking to the database", "accounting storage is disabled"]) {
        return Error::new(Kind::Unavailable, what, format!("Slurm's accounting does not answer: {said}"));
    }
    if has(&["Access/permission denied", "Invalid user id"]) {
        return Error::new(Kind::NotAllowed, what, format!("Slurm says: {said}"));
    }
    if has(&["Invalid job id specified"]) {
        return Error::not_found(what, "Slurm knows no such job");
    }
    let code = format!("exit code {}", output.code);
    Error::failed(what, format!("Slurm says: {}", if said.is_empty() { &code } else { &said }))
}

/// What a program said on its standard error, without its own name before each line; the last lines tell most.
pub(super) fn reason(stderr: &str) -> String {
    let words = ["error: ", "fatal: ", "allocation failure: ", "Batch job submission failed: "];
    // The texts were cleaned to one line, in which each message begins with the program's name.
    let parts = stderr.split("sbatch: ").flat_map(|part| part.split("scancel: ")).flat_map(|part| part.split("srun: "));
    let told = parts.map(|part| words.iter().fold(part.trim(), |part, word| part.strip_prefix(word).unwrap_or(part)));
    let mut told: Vec<&str> = told.map(str::trim).filter(|part| !part.is_empty()).collect();
    told.dedup();
    clean::short(&told.join("; "), 400)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(code: i32, stderr: &str) -> Output {
        Output { code, stdout: Vec::new(), stderr: stderr.to_owned() }
    }

    #[test]
    fn what_slurm_refuses_is_told_without_the_names_of_its_programs() {
        let told = "sbatch: error: Memory specification can not be satisfied sbatch: error: Batch job submission failed: \
                    Requested node configuration is not available";
        assert_eq!(
            reason(told),
            "Memory specification can not be satisfied; Requested node configuration is not available"
        );
        assert_eq!(reason("allocation failure: Invalid qos specification"), "Invalid qos specification");
    }

    #[test]
    fn each_way_not_to_answer_has_its_kind() {
        let kind = |stderr: &str| refused("ask lab", &output(1, stderr)).kind;
        let away = "squeue: error: Unable to contact slurm controller (connect failure)";
        assert_eq!(kind(away), Kind::Unavailable);
        assert_eq!(kind("sacct: error: Problem talking to the database: Connection refused"), Kind::Unavailable);
        assert_eq!(kind("scancel: error: Kill job error on job id 60: Access/permission denied"), Kind::NotAllowed);
        assert_eq!(kind("slurm_load_jobs error: Invalid job id specified"), Kind::NotFound);
        assert_eq!(kind(""), Kind::Failed);
        assert!(refused("x", &output(3, "")).why.contains("exit code 3"));
    }

    #[test]
    fn the_environment_holds_no_secret_and_nothing_that_changes_the_format() {
        let commands = Commands { conf: Some("/etc/lab/slurm.conf".into()), ..Commands::default() };
        let environment = commands.environment();
        for pair in ["SLURM_CONF=/etc/lab/slurm.conf", "LC_ALL=C", "SLURM_TIME_FORMAT=%s"] {
            assert!(environment.iter().any(|one| one == pair), "{environment:?}");
        }
        let names: Vec<&str> = environment.iter().filter_map(|pair| Some(pair.split_once('=')?.0)).collect();
        let fixed = ["SLURM_CONF", "LC_ALL", "SLURM_TIME_FORMAT"];
        assert!(names.iter().all(|name| PASSED_ON.contains(name) || fixed.contains(name)), "{names:?}");
    }
}
