//! What a person adds to the batch script: options of `sbatch` that the form does not ask for, and lines of shell that run
//! on the node before the image. All other lines are Wharf's.

use super::form::key;
use wharf_core::{
    base::{
        clean,
        error::{Error, Result},
    },
    launch::form::{Answers, join_words, split_words},
};

/// The first line before a person's own lines, and the one after them. They do nothing. They are no comments, because below
/// those editors begin another one.
const BEGIN: &str = ": your lines, which run on the node before the image";
const END: &str = ": end of your lines";
/// Begins the line after which a script describes what runs; the runtime's name follows.
pub(super) const DESCRIBED: &str = "# What is prepared before, by the runtime ";
/// Wharf's lines that follow them in a script that has none.
const NEXT: [&str; 2] = ["# Only the bytes that were prepared", "# The program may know which task"];
/// Begins every option in the script.
const OPTION: &str = "#SBATCH ";
/// The most bytes of own lines.
const LONGEST: usize = 16 << 10;

/// Options that the form asks for (sbatch(1)).
const ASKED: [&str; 20] = [
    "job-name",
    "partition",
    "account",
    "qos",
    "time",
    "ntasks",
    "cpus-per-task",
    "mem",
    "mem-per-cpu",
    "mem-per-gpu",
    "gres",
    "gpus",
    "gpus-per-node",
    "gpus-per-task",
    "gpus-per-socket",
    "constraint",
    "array",
    "dependency",
    "mail-type",
    "output",
];
/// Options that Wharf sets, or by which it would lose the job.
const SET: [&str; 21] = [
    "chdir",
    "open-mode",
    "export",
    "export-file",
    "comment",
    "kill-on-invalid-dep",
    "error",
    "input",
    "wrap",
    "parsable",
    "test-only",
    "wait",
    "clusters",
    "container",
    "container-id",
    "get-user-env",
    "uid",
    "gid",
    "help",
    "usage",
    "version",
];

/// What a person adds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct OwnLines {
    /// Options of `sbatch`: `--reservation=night`.
    pub options: Vec<String>,
    /// Lines of shell.
    pub setup: Vec<String>,
}

impl OwnLines {
    /// What these answers add.
    ///
    /// # Errors
    /// `Usage` for an option that is the form's or Wharf's, and for a line that Wharf would read as its own.
    pub(super) fn from_answers(answers: &Answers) -> Result<Self> {
        let options = split_words(answers.get(key::OPTIONS))
            .map_err(|why| Error::usage(format!("setting '{}'", key::OPTIONS), why))?;
        options.iter().try_for_each(|option| check_option(option))?;
        let setup: Vec<String> = answers.get(key::SETUP).lines().map(|line| line.trim_end().to_owned()).collect();
        check_lines(&setup)?;
        Ok(Self { options, setup })
    }

    /// The lines of shell as they are in the script. They may fail without ending the job, as they would at a prompt. They
    /// are one word, so that a quote or a document that they leave open takes nothing of what follows: there are words that
    /// the image chose.
    pub(super) fn script(&self) -> Vec<String> {
        if self.setup.is_empty() {
            return Vec::new();
        }
        let word = join_words(&[self.setup.join("\n")]);
        [BEGIN, "set +eu", &format!("eval {word}"), "set -eu", END].map(str::to_owned).to_vec()
    }
}

/// Whether Slurm reads a character of an option's value in a way of its own, or ends the value there.
pub(super) fn is_read_otherwise(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '\\' | '#' | '`' | '$')
}

fn check_option(option: &str) -> Result<()> {
    let what = format!("setting '{}'", key::OPTIONS);
    let shown = clean::short(option, 60);
    let name = option.strip_prefix("--").map(|rest| rest.split_once('=').map_or(rest, |(name, _)| name));
    let is_name = |name: &&str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let Some(name) = name.filter(is_name).filter(|_| !option.contains(is_read_otherwise)) else {
        return Err(Error::usage(what, format!("'{shown}' is no option like --reservation=NAME"))
            .hint("write options of sbatch in full, each as --name=value or --name"));
    };
    // A name may be cut short as long as it means one option only.
    if let Some(asked) = ASKED.iter().find(|asked| asked.starts_with(name)) {
        return Err(Error::usage(what, format!("--{asked} is asked for by the form"))
            .hint("answer its question there, so that it is checked"));
    }
    if let Some(set) = SET.iter().find(|set| set.starts_with(name)) {
        return Err(Error::usage(
            what,
            format!("--{set} is Wharf's own: by it, the job is found again or kept closed"),
        )
        .hint("leave it out"));
    }
    Ok(())
}

fn check_lines(lines: &[String]) -> Result<()> {
    let what = format!("setting '{}'", key::SETUP);
    if lines.iter().map(String::len).sum::<usize>() > LONGEST {
        return Err(Error::usage(what, format!("it is longer than {LONGEST} bytes"))
            .hint("put it into a file that every node sees, and call that"));
    }
    let wrong = lines.iter().find(|line| {
        let odd = line.chars().any(|c| c.is_control() && c != '\t');
        odd || line.starts_with("#SBATCH") || line.starts_with(DESCRIBED) || is_mark(line)
    });
    match wrong {
        Some(line) => {
            Err(Error::usage(what, format!("this line would be read as one of Wharf's: {}", clean::short(line, 60)))
                .hint("leave it out; options of sbatch are answers to the form"))
        }
        None => Ok(()),
    }
}

fn is_mark(line: &str) -> bool {
    line == BEGIN || line == END
}

/// A planned script as it is given to an editor: own lines as they were written, between the two marks, and without the
/// description of what runs, in which an image's words could be taken for settings of the editor.
pub(super) fn for_editor(script: &str, answers: &Answers) -> String {
    let setup = answers.get(key::SETUP);
    let (mut lines, mut is_own, mut is_marked): (Vec<&str>, bool, bool) = (Vec::new(), false, false);
    for line in script.lines().take_while(|line| !line.starts_with(DESCRIBED)) {
        let begins = line == BEGIN || (!is_marked && NEXT.iter().any(|next| line.starts_with(next)));
        if begins {
            lines.extend([BEGIN, setup, END]);
            is_marked = true;
        }
        is_own = line == BEGIN || (is_own && line != END);
        if !is_own && line != END {
            lines.push(line);
        }
    }
    lines.join("\n") + "\n"
}

/// The answers that make an edited script, from those of the plan and the script that was planned.
///
/// # Errors
/// `Usage` where a line of Wharf's was changed, and those of [`OwnLines::from_answers`].
pub(super) fn edited(answers: &Answers, planned: &str, text: &str) -> Result<Answers> {
    let own = OwnLines::from_answers(answers)?;
    let is_own =
        |line: &str| line.strip_prefix(OPTION).is_some_and(|option| own.options.iter().any(|one| one == option));
    let planned = for_editor(planned, answers);
    let (before, _, after) = parts(&planned)?;
    let (new_before, setup, new_after) = parts(text)?;
    let mut options = Vec::new();
    let mut expected = before.into_iter().filter(|line| !is_own(line)).peekable();
    for line in new_before {
        if expected.next_if_eq(&line).is_some() || line.is_empty() {
            continue;
        }
        // Some editors begin the line below a comment as one.
        match line.trim_start_matches("# ").strip_prefix(OPTION) {
            Some(given) => options.extend(given.split_whitespace().map(str::to_owned)),
            None => return Err(refused(&format!("this line is not where yours may be: {}", clean::short(line, 80)))),
        }
    }
    if let Some(gone) = expected.next() {
        return Err(changed(gone));
    }
    if let Some((line, _)) = after.iter().zip(&new_after).find(|(line, new)| line != new) {
        return Err(changed(line));
    }
    if after.len() != new_after.len() {
        return Err(changed(after.last().copied().unwrap_or_default()));
    }
    let mut changed = answers.clone();
    for (key, value) in
        [(key::OPTIONS, join_words(&options)), (key::SETUP, setup.join("\n").trim_matches('\n').to_owned())]
    {
        changed.0.insert(key.to_owned(), value);
    }
    OwnLines::from_answers(&changed)?;
    Ok(changed)
}

/// The lines before a person's own, these, and the lines after them; without blanks at their ends.
fn parts(text: &str) -> Result<(Vec<&str>, Vec<&str>, Vec<&str>)> {
    let lines: Vec<&str> = text.trim_end().lines().map(str::trim_end).collect();
    let only = |mark: &str| {
        let mut found = lines.iter().enumerate().filter(|(_, line)| **line == mark).map(|(at, _)| at);
        found.next().filter(|_| found.next().is_none())
    };
    match (only(BEGIN), only(END)) {
        (Some(begin), Some(end)) if begin < end => {
            Ok((lines[..begin].to_vec(), lines[begin + 1..end].to_vec(), lines[end + 1..].to_vec()))
        }
        _ => Err(Error::usage("edit the script", format!("the lines '{BEGIN}' and '{END}' are not there once each"))
            .hint("edit it again, and leave these two lines as they are")),
    }
}

fn changed(line: &str) -> Error {
    refused(&format!("this line of Wharf's was changed or left out: {}", clean::short(line, 80)))
}

fn refused(why: &str) -> Error {
    Error::usage("edit the script", why).hint(
        "what the form asks is changed by its answers; yours are '#SBATCH --option' lines and what is between the two marks",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "#!/bin/sh\n#SBATCH --time=10\n# image\nset -eu\n# Only the bytes that were prepared are run\n\
                          sha256sum x\nexec y\n# What is prepared before, by the runtime z:\n# {}\n";

    fn answers(options: &str, setup: &str) -> Answers {
        Answers(
            [(key::OPTIONS, options), (key::SETUP, setup)]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        )
    }

    /// The script with these additions, as the plan makes it.
    fn with(options: &str, setup: &str) -> String {
        let own = OwnLines::from_answers(&answers(options, setup)).unwrap();
        let options = own.options.iter().map(|option| format!("{OPTION}{option}\n")).collect::<Vec<_>>().concat();
        let lines = own.script().iter().map(|line| format!("{line}\n")).collect::<Vec<_>>().concat();
        SCRIPT.replace("# image\n", &format!("{options}# image\n")).replace("# Only", &format!("{lines}# Only"))
    }

    fn after_edit(script: &str, change: impl Fn(String) -> String) -> Result<(String, String)> {
        let given = answers("--nice=5", "echo old");
        let answers = edited(&given, script, &change(for_editor(script, &given)))?;
        Ok((answers.get(key::OPTIONS).to_owned(), answers.get(key::SETUP).to_owned()))
    }

    #[test]
    fn what_is_added_to_the_script_becomes_answers_that_make_the_same_script() {
        let plain = for_editor(SCRIPT, &Answers::default());
        assert!(plain.contains(&format!("{BEGIN}\n\n{END}\n# Only the bytes")), "{plain}");
        let added = edited(
            &Answers::default(),
            SCRIPT,
            &plain.replace(&format!("{BEGIN}\n"), &format!("{BEGIN}\nmodule load a\n  b\n")),
        );
        assert_eq!(added.unwrap().get(key::SETUP), "module load a\n  b");
        let script = with("--nice=5", "echo old");
        assert_eq!(after_edit(&script, |text| text).unwrap(), ("--nice=5".into(), "echo old".into()));
        let (options, setup) = after_edit(&script, |text| {
            text.replace("#SBATCH --nice=5", "#SBATCH --reservation=night\n\n# #SBATCH --exclusive")
                .replace("echo old\n", "")
        })
        .unwrap();
        assert_eq!((options.as_str(), setup.as_str()), ("--reservation=night --exclusive", ""));
        assert!(with(&options, &setup).contains("#SBATCH --exclusive\n# image"));
    }

    #[test]
    fn lines_of_wharfs_stay_as_they_are() {
        let script = with("--nice=5", "echo old");
        for (from, to) in [
            ("sha256sum x", "true"),
            ("sha256sum x\n", ""),
            ("#SBATCH --time=10", "#SBATCH --time=20"),
            ("set -eu", "set -e"),
            ("exec y", "exec y\nmore"),
            (BEGIN, "# gone"),
            (END, BEGIN),
        ] {
            let refused = after_edit(&script, |text| text.replacen(from, to, 1));
            assert!(refused.as_ref().is_err_and(|error| !error.hint.is_empty()), "{from} → {to}: {refused:?}");
        }
    }

    #[test]
    fn what_is_left_open_takes_nothing_of_what_follows() {
        for setup in ["cat >conf <<EOF\na=1\n  EOF", "echo it's ready", "if true", "echo \\", "( true", "echo \"a"] {
            let own = OwnLines::from_answers(&answers("", setup)).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let after =
                "echo 'the check' || { echo 'no'; exit 1; }\n# $(touch hacked) x'; touch hacked; #\nexec true\n";
            let script = format!("set -eu\n{}\n{after}", own.script().join("\n"));
            let mut command = std::process::Command::new("/bin/sh");
            let output = command.args(["-c", &script]).current_dir(folder.path()).output().unwrap();
            assert!(!folder.path().join("hacked").exists(), "{setup}");
            let checked = String::from_utf8_lossy(&output.stdout).contains("the check");
            assert!(checked || !output.status.success(), "{setup}: {output:?}");
        }
    }

    #[test]
    fn options_of_the_form_and_of_wharf_are_refused_however_short_they_are_written() {
        for option in [
            "--export=ALL",
            "--exp=ALL",
            "--comment=x",
            "--o=/x",
            "--mem=1",
            "--n=2",
            "-n2",
            "x",
            "--A=1",
            "--clus=b",
            "--",
        ] {
            let refused = OwnLines::from_answers(&answers(option, ""));
            assert!(refused.is_err_and(|error| !error.hint.is_empty()), "{option}");
        }
        for option in
            ["--reservation=night", "--nodes=1", "--exclusive", "--ntasks-per-node=2", "--mail-user=a@b", "--nice"]
        {
            assert!(OwnLines::from_answers(&answers(option, "")).is_ok(), "{option}");
        }
        let evil = format!("{DESCRIBED}evil:");
        for line in ["#SBATCH --x", "a\u{1b}b", "a\rb", BEGIN, END, &evil] {
            assert!(OwnLines::from_answers(&answers("", &format!("true\n{line}\ntrue"))).is_err(), "{line}");
        }
        assert!(OwnLines::from_answers(&answers("", &"x".repeat(LONGEST + 1))).is_err());
    }
}
