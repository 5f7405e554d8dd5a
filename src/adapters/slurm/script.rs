//! The batch script of a job. It is the whole plan: what Slurm is asked for, what runs, and the process in the runtime's
//! own format.

use std::path::Path;

use super::{
    job::Job,
    own_lines::{DESCRIBED, is_read_otherwise},
};
use wharf_core::{
    base::{
        clean,
        error::{During, Error, Result},
    },
    launch::{duration::format_duration, form::join_words},
    ports::Process,
};

/// The name of the script in a launch's folder. Slurm tells it back as the job's command.
pub(super) const FILE: &str = "job.sh";
/// The folder of what the runtime prepares, in a launch's folder.
pub(super) const PROCESS: &str = "process";
/// The beginning of a job's comment; the launch's key follows.
pub(super) const COMMENT: &str = "wharf:";
/// Leaves what Slurm says of a task in the place of its process.
const TOLD: &str = "mkdir -p \"$place\"; env | grep -E \"^(SLURM_|CUDA_VISIBLE_DEVICES=|ROCR_VISIBLE_DEVICES=)\" >\"$place/environment\" || true";
/// Runs what follows once on each node of the job.
const ON_EACH_NODE: &str =
    "srun --quiet --nodes=\"$SLURM_JOB_NUM_NODES\" --ntasks=\"$SLURM_JOB_NUM_NODES\" --ntasks-per-node=1 --export=ALL ";
/// What a job says whose image is not what was prepared.
const CHANGED: &str =
    "wharf: the prepared image was changed or removed after this job was made: it does not run. Launch it again.";

/// What a script starts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Started<'a> {
    /// The key of the launch.
    pub key: &'a str,
    /// The folder of the launch, on a file system that the nodes share.
    pub folder: &'a Path,
    /// The image with its digest.
    pub image: &'a str,
    /// The name of the runtime.
    pub runtime: &'a str,
    /// The words that compare what was prepared, before it runs.
    pub check: Option<&'a [String]>,
    /// The words of its command line.
    pub words: &'a [String],
    /// The process in the runtime's format.
    pub process: &'a Process,
}

/// The `#SBATCH` lines.
#[derive(Default)]
struct Directives(Vec<String>);

impl Directives {
    /// Adds `--option=value`. Slurm reads quotes, backslashes and `#` in a value in ways of its own, and blanks end it:
    /// such values are refused.
    fn add(&mut self, option: &str, value: &str) -> Result<()> {
        if value.is_empty() || value.contains(is_read_otherwise) {
            let shown = clean::short(value, 60);
            return Err(Error::usage(
                format!("write --{option} into the batch script"),
                format!("'{shown}' is empty, or has a blank, a quote, a backslash, '#' or '$' in it"),
            )
            .hint("choose a name without them"));
        }
        self.0.push(format!("#SBATCH --{option}={value}"));
        Ok(())
    }

    /// Adds an option that the person has written, as `--name=value` or `--name`.
    fn add_own(&mut self, option: &str) -> Result<()> {
        let option = option.trim_start_matches('-');
        match option.split_once('=') {
            Some((name, value)) => self.add(name, value),
            None => {
                self.0.push(format!("#SBATCH --{option}"));
                Ok(())
            }
        }
    }

    /// Adds an option, if a value is given.
    fn add_given(&mut self, option: &str, value: &str) -> Result<()> {
        if value.is_empty() { Ok(()) } else { self.add(option, value) }
    }
}

/// The output's path as Slurm expands it: `%j` is the job, `%A_%a` the array and the task.
///
/// # Errors
/// `Usage` where the path has a `%`, which Slurm would expand.
pub(super) fn output(job: &Job, folder: &Path) -> Result<String> {
    let number = if job.is_array() { "%A_%a" } else { "%j" };
    let path = match &job.output {
        Some(own) => path_of(own)?.to_owned() + &format!("/{}-", job.name),
        None => format!("{}/", path_of(folder)?),
    };
    if path.contains('%') {
        return Err(Error::usage(format!("write output to {path}"), "Slurm replaces what follows a '%' in a path")
            .hint("choose a folder without one"));
    }
    Ok(format!("{path}{number}.log"))
}

/// The batch script.
///
/// # Errors
/// `Usage` for a value that Slurm would read differently, or that would end its line.
pub(super) fn script(job: &Job, started: &Started<'_>) -> Result<String> {
    let what = "write the batch script";
    let mut lines = vec!["#!/bin/sh".to_owned()];
    lines.extend(directives(job, started)?.0);
    lines.push(format!("# {}", clean::line(started.image)));
    let folder = quoted(path_of(started.folder)?)?;
    lines.extend([
        "set -eu".to_owned(),
        "umask 077".to_owned(),
        "PATH=${PATH:-/usr/local/bin:/usr/bin:/bin}; export PATH".to_owned(),
        format!("cd {folder}"),
        "# Should this have been sent twice, only the first job goes on.".to_owned(),
        "sent=${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}".to_owned(),
        "ln -s \"$sent\" sent 2>/dev/null || [ \"$(readlink sent)\" = \"$sent\" ] || exit 0".to_owned(),
    ]);
    let own = job.own.script();
    if !own.is_empty() {
        lines.extend(own);
        lines.push(format!("cd {folder}"));
    }
    if let Some(check) = started.check {
        lines.push("# Only the bytes that were prepared are run: each node compares them first.".to_owned());
        let on_each = if job.tasks > 1 { ON_EACH_NODE } else { "" };
        lines.push(format!("{on_each}{} || {{ echo '{CHANGED}' >&2; exit 1; }}", all_quoted(check)?));
    }
    let words = all_quoted(started.words)?;
    lines.push("# The program may know which task of which job it is, and which GPUs it has.".to_owned());
    if job.tasks > 1 {
        let each = format!("place=$PWD/tasks/$SLURM_JOB_ID.$SLURM_PROCID; {TOLD}; exec \"$@\" \"$place\"");
        lines.push(format!("exec srun --export=ALL /bin/sh -c '{each}' task {words}"));
    } else {
        lines.push(format!("place=$PWD/tasks/$SLURM_JOB_ID; {TOLD}"));
        lines.push(format!("exec {words} \"$place\""));
    }
    lines.push(format!("{DESCRIBED}{}:", clean::line(started.runtime)));
    let process = serde_json::to_string_pretty(&started.process.0).during(what)?;
    lines.extend(process.lines().map(|line| format!("# {line}")));
    Ok(lines.join("\n") + "\n")
}

fn directives(job: &Job, started: &Started<'_>) -> Result<Directives> {
    let mut all = Directives::default();
    all.add("job-name", &job.name)?;
    all.add_given("partition", &job.partition)?;
    all.add_given("account", &job.account)?;
    all.add_given("qos", &job.quality)?;
    all.add_given("time", &job.time.map(format_duration).unwrap_or_default())?;
    all.add("ntasks", &job.tasks.to_string())?;
    all.add("cpus-per-task", &job.processors.to_string())?;
    let mebibytes = job.memory.map(|bytes| format!("{}M", bytes.div_ceil(1 << 20)));
    all.add_given("mem", &mebibytes.unwrap_or_default())?;
    all.add_given("gres", &gpus(job).unwrap_or_default())?;
    all.add_given("constraint", &job.feature)?;
    all.add_given("array", &job.array)?;
    if !job.after.is_empty() {
        let after = job.after.iter().map(ToString::to_string).collect::<Vec<_>>();
        all.add("dependency", &after.join(","))?;
        all.add("kill-on-invalid-dep", "yes")?;
    }
    all.add_given("mail-type", &job.mail)?;
    all.add("chdir", path_of(started.folder)?)?;
    all.add("output", &output(job, started.folder)?)?;
    all.add("open-mode", "append")?;
    all.add("export", "NONE")?;
    all.add("comment", &format!("{COMMENT}{}", started.key))?;
    for option in &job.own.options {
        all.add_own(option)?;
    }
    Ok(all)
}

/// The GPUs of each node as a generic resource: `gpu:a100:4`; `None` for none.
pub(super) fn gpus(job: &Job) -> Option<String> {
    match &job.gpus {
        (0, _) => None,
        (count, kind) if kind.is_empty() => Some(format!("gpu:{count}")),
        (count, kind) => Some(format!("gpu:{kind}:{count}")),
    }
}

/// The path as text.
pub(super) fn path_of(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| {
        Error::usage(format!("write {} into the batch script", path.display()), "the path is not text")
            .hint("choose another folder")
    })
}

/// A word as a shell reads it. A line break would end the line for Slurm, although not for the shell.
fn quoted(word: &str) -> Result<String> {
    if word.contains(char::is_control) {
        let shown = clean::short(word, 60);
        return Err(Error::usage(format!("write '{shown}' into the batch script"), "it has a control character in it")
            .hint("choose a name without one"));
    }
    Ok(join_words(&[word.to_owned()]))
}

/// A command line as a shell reads it.
fn all_quoted(words: &[String]) -> Result<String> {
    Ok(words.iter().map(|word| quoted(word)).collect::<Result<Vec<_>>>()?.join(" "))
}

/// The value of an `#SBATCH` option in a script that [`script`] has written; `None` where it has none.
pub(super) fn option<'a>(script: &'a str, name: &str) -> Option<&'a str> {
    script.lines().find_map(|line| line.strip_prefix("#SBATCH --")?.strip_prefix(name)?.strip_prefix('='))
}

/// The runtime's name and the process in a script that [`script`] has written.
///
/// # Errors
/// `Usage` where it is another script.
pub(super) fn described(script: &str) -> Result<(String, Process)> {
    let what = "read the batch script";
    let other = || Error::usage(what, "it was not made by this backend");
    let mut lines = script.lines().skip_while(|line| !line.starts_with(DESCRIBED));
    let name = lines.next().and_then(|line| line.strip_prefix(DESCRIBED)?.strip_suffix(':')).ok_or_else(other)?;
    let json: Vec<&str> = lines.map(|line| line.strip_prefix("# ").unwrap_or_default()).collect();
    Ok((name.to_owned(), Process(serde_json::from_str(&json.join("\n")).during(what)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slurm::job::After;
    use serde_json::json;

    fn job() -> Job {
        Job {
            name: "blast".into(),
            partition: "short".into(),
            account: "physics".into(),
            time: Some(600),
            tasks: 1,
            processors: 2,
            memory: Some(2 << 30),
            gpus: (1, "tiny".into()),
            array: "1-100%4".into(),
            after: vec![After { condition: "afterok".into(), jobs: vec!["329".into()] }],
            mail: "END".into(),
            ..Job::default()
        }
    }

    fn written(job: &Job, words: &[String], process: serde_json::Value, image: &str) -> Result<String> {
        let process = Process(process);
        let folder = Path::new("/shared/lab/launches/k1");
        let check = ["sha256sum".to_owned(), "/shared/it's".to_owned()];
        let check = words.first().map(|_| &check[..]);
        script(job, &Started { key: "k1", folder, image, runtime: "local", check, words, process: &process })
    }

    fn words() -> Vec<String> {
        ["/opt/wharf", "__run", "/shared/it's"].map(str::to_owned).to_vec()
    }

    #[test]
    fn the_script_says_all_that_slurm_is_asked_for() {
        let text = written(&job(), &words(), json!({"argv": ["x\ny"]}), "oci://r/a@sha256:00").unwrap();
        for line in [
            "#SBATCH --job-name=blast",
            "#SBATCH --time=00:10:00",
            "#SBATCH --mem=2048M",
            "#SBATCH --gres=gpu:tiny:1",
            "#SBATCH --array=1-100%4",
            "#SBATCH --dependency=afterok:329",
            "#SBATCH --output=/shared/lab/launches/k1/%A_%a.log",
            "#SBATCH --export=NONE",
            "#SBATCH --comment=wharf:k1",
            "# oci://r/a@sha256:00",
            "exec /opt/wharf __run '/shared/it'\\''s' \"$place\"",
        ] {
            assert!(text.lines().any(|one| one == line), "{line}\n{text}");
        }
        let check = text.lines().position(|line| line.starts_with("sha256sum '/shared/it'\\''s' || {")).unwrap();
        assert!(
            check < text.lines().position(|line| line.starts_with("exec ")).unwrap(),
            "it is compared first: {text}"
        );
        assert_eq!(described(&text).unwrap(), ("local".to_owned(), Process(json!({"argv": ["x\ny"]}))));
        assert!(described("#!/bin/sh\ntrue\n").is_err());
    }

    #[test]
    fn several_tasks_are_started_by_slurm() {
        let text = written(&Job { tasks: 4, ..job() }, &words(), json!({}), "x").unwrap();
        assert!(text.contains("exec srun --export=ALL /bin/sh -c") && text.contains("task /opt/wharf __run"), "{text}");
        let compared = text.lines().find(|line| line.contains("sha256sum")).unwrap();
        assert!(
            compared.starts_with("srun ") && compared.contains(" --ntasks-per-node=1 "),
            "on every node: {compared}"
        );
    }

    #[test]
    fn what_slurm_cannot_read_back_is_refused() {
        for odd in ["a b", "a\n#SBATCH --x", "a#b", "a\"b", "a'b", "a\\b", "a\tb", "$HOME", "a\u{2028}b"] {
            let job = Job { partition: odd.to_owned(), ..job() };
            assert!(written(&job, &words(), json!({}), "x").is_err(), "{odd:?}");
        }
        let job = Job { output: Some("/data/100%/x".into()), ..job() };
        assert!(written(&job, &words(), json!({}), "x").unwrap_err().why.contains('%'));
    }

    /// Text of all sorts, often with what Slurm and shells read in a special way.
    fn odd_text() -> impl proptest::strategy::Strategy<Value = String> {
        use proptest::prelude::*;
        let parts = proptest::sample::select(vec![
            "\n#SBATCH --uid=0\n",
            "\r",
            "\n",
            " ",
            "#",
            "'",
            "\"",
            "\\",
            "$(id)",
            "`id`",
            "%j",
            ";",
            "a",
            "b-1",
            "\u{1b}[2J",
            "\u{2028}",
            "\0",
        ]);
        prop_oneof![proptest::collection::vec(parts, 0..6).prop_map(|parts| parts.concat()), any::<String>()]
    }

    proptest::proptest! {
        #[test]
        fn no_answer_adds_a_line_or_a_directive(at in 0_usize..12, odd in odd_text()) {
            let lines = |text: &str| text.split(['\n', '\r']).count();
            let directives = |text: &str| {
                text.split(['\n', '\r']).filter(|line| line.starts_with("#SBATCH")).count()
            };
            let with = |odd: &str| {
                let mut job = Job { quality: "normal".into(), feature: "avx".into(), ..job() };
                let (mut words, mut inside, mut image) = (words(), "x".to_owned(), "x".to_owned());
                let after = After { condition: "afterok".into(), jobs: vec![odd.to_owned()] };
                match at {
                    0 => job.name = odd.to_owned(),
                    1 => job.partition = odd.to_owned(),
                    2 => job.account = odd.to_owned(),
                    3 => job.quality = odd.to_owned(),
                    4 => job.gpus = (1, odd.to_owned()),
                    5 => job.feature = odd.to_owned(),
                    6 => job.array = odd.to_owned(),
                    7 => job.mail = odd.to_owned(),
                    8 => job.output = Some(odd.into()),
                    9 => words.push(odd.to_owned()),
                    10 => inside = odd.to_owned(),
                    _ => image = odd.to_owned(),
                }
                if odd.len() % 2 == 1 {
                    job.after.push(after);
                }
                written(&job, &words, json!({"argv": [inside]}), &image)
            };
            let plain = with("x").unwrap();
            if let Ok(text) = with(&odd) {
                // An empty answer leaves its option out.
                let fewer = usize::from(odd.is_empty() && [1, 2, 3, 5, 6, 7].contains(&at));
                proptest::prop_assert_eq!(lines(&text), lines(&plain) - fewer);
                proptest::prop_assert_eq!(directives(&text), directives(&plain) - fewer);
            }
        }
    }
}
