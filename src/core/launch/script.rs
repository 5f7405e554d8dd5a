//! A plan as a shell script that does the same without Wharf.

use super::{
    form::join_words,
    plan::Plan,
    step::{Call, ID, Step},
};
use crate::base::{
    clean,
    error::{Error, Result},
};

/// The variable from which a script reads the person's token. It is never written into the script.
pub const TOKEN: &str = "WHARF_TOKEN";
/// The variable that may hold more options for curl, such as those for a client certificate.
const OPTIONS: &str = "CURL_OPTIONS";
/// The word that ends a text in the script; another letter may stand before it.
const END: &str = "WHARF_END";

/// The plan as a POSIX shell script. Where a step can only be done by Wharf, the script has all steps as comments and
/// one line that launches the same image with the same answers by Wharf.
///
/// # Errors
/// `Usage` where a shell cannot be given a text of the plan, because it has a null character in it, and for a program
/// whose name a shell would read as something else.
pub fn script(plan: &Plan) -> Result<String> {
    let mut lines = vec![
        "#!/bin/sh".to_owned(),
        comment(&format!("{} on {}, as Wharf planned it", plan.image.reference, plan.backend)),
        comment(&format!("digest {}", plan.image.digest)),
        "set -eu".to_owned(),
        "umask 077".to_owned(),
    ];
    match plan.steps.iter().find_map(only_wharf) {
        Some(why) => {
            lines.push(comment(&format!("This needs Wharf: {why}. The steps are:")));
            for (at, step) in plan.steps.iter().enumerate() {
                lines.push(comment(&format!("{}. {}", at + 1, step.describe())));
                lines.extend(step.content().unwrap_or_default().lines().map(|line| comment(&format!("  {line}"))));
            }
            lines.push(again(plan)?);
        }
        None => {
            for (at, step) in plan.steps.iter().enumerate() {
                lines.push(format!("\n{}", comment(&format!("{}. {}", at + 1, step.describe()))));
                lines.extend(commands(step, at + 1, plan)?);
            }
        }
    }
    Ok(lines.join("\n") + "\n")
}

/// Why only Wharf can do a step, in words; `None` if a script can.
fn only_wharf(step: &Step) -> Option<String> {
    match step {
        Step::Prepare { bytes: Some(0), .. } => None,
        Step::Prepare { what, by, .. } if by.is_empty() => Some(format!("nothing else can prepare {what}")),
        Step::Prepare { by, .. } => by.iter().find_map(only_wharf),
        Step::Write { path, completed, .. } if !completed.is_empty() => {
            Some(format!("only Wharf can fill in {} in {path}", completed.join(", ")))
        }
        Step::Send(call) if !call.completed.is_empty() => {
            Some(format!("only Wharf can fill in {}", call.completed.join(", ")))
        }
        _ => None,
    }
}

/// The line that launches the same image with the same answers.
fn again(plan: &Plan) -> Result<String> {
    let answers = plan.answers.0.iter().flat_map(|(key, value)| ["--set".to_owned(), format!("{key}={value}")]);
    let words = ["wharf", "launch", &plan.image.reference.to_string(), "--on", &plan.backend].map(str::to_owned);
    quoted_words(words.into_iter().chain(answers))
}

/// The lines of one step. `number` is different for each.
fn commands(step: &Step, number: usize, plan: &Plan) -> Result<Vec<String>> {
    Ok(match step {
        Step::Prepare { bytes: Some(0), .. } => Vec::new(),
        Step::Prepare { by, .. } => {
            let each = by.iter().enumerate().map(|(at, step)| commands(step, number * 100 + at, plan));
            each.collect::<Result<Vec<_>>>()?.concat()
        }
        Step::Compare { with, .. } => vec![
            comment("This needs Wharf: it asks what the image is now."),
            format!(
                "wharf show {} --json | grep -F -- {} >/dev/null",
                quoted(&plan.image.reference.to_string())?,
                quoted(with)?
            ),
        ],
        Step::Write { path, text, mode, .. } => written(path, text, *mode)?,
        Step::Run { argv, environment } => vec![run(argv, environment)?],
        Step::Serve { argv, socket } => served(argv, socket)?,
        Step::Send(call) => sent(call, number)?,
        Step::Wharf { arguments } => {
            let words = std::iter::once("wharf".to_owned()).chain(arguments.iter().cloned());
            vec![comment("This needs Wharf."), quoted_words(words)?]
        }
        Step::Wait { until } => vec![comment(&format!("Wharf waits until {until}; this script does not."))],
    })
}

/// The lines that write a file.
fn written(path: &str, text: &str, mode: u32) -> Result<Vec<String>> {
    let file = quoted(path)?;
    let folder = path.rsplit_once('/').map(|(folder, _)| folder).filter(|folder| !folder.is_empty());
    let mut lines = folder
        .map(|folder| Ok(format!("mkdir -p -- {}", quoted(folder)?)))
        .transpose()?
        .into_iter()
        .collect::<Vec<_>>();
    // A text between two marks always ends with a line break.
    match end_of(text).filter(|_| text.ends_with('\n') && !text.contains('\0')) {
        Some(end) => lines.extend([format!("cat >{file} <<'{end}'"), format!("{text}{end}")]),
        None => lines.push(format!("printf %s {} >{file}", quoted(text)?)),
    }
    lines.push(format!("chmod {mode:o} {}", quoted(&with_folder(path))?));
    Ok(lines)
}

/// A path that no program reads as an option.
fn with_folder(path: &str) -> String {
    if path.starts_with('-') { format!("./{path}") } else { path.to_owned() }
}

/// The line that runs a program with exactly this environment.
fn run(argv: &[String], environment: &[String]) -> Result<String> {
    let program = argv.first().map(String::as_str).unwrap_or_default();
    if program.is_empty() || program.starts_with('-') || program.contains('=') {
        let shown = clean::short(program, 60);
        return Err(Error::usage(
            format!("write '{shown}' into a script"),
            "a shell does not read it as a program's name",
        )
        .hint("call the program by another path"));
    }
    let variable = |word: &String| match word.split_once('=') {
        Some(_) => quoted(word),
        None => Ok(format!("${{{word}+\"{word}=${word}\"}}")),
    };
    let variables = environment.iter().map(variable).collect::<Result<Vec<_>>>()?;
    let words = argv.iter().map(|word| quoted(word)).collect::<Result<Vec<_>>>()?;
    Ok(["env".to_owned(), "-i".to_owned()].into_iter().chain(variables).chain(words).collect::<Vec<_>>().join(" "))
}

/// The lines that start a program in the background and wait until it answers at its socket, for at most 30 seconds.
fn served(argv: &[String], socket: &str) -> Result<Vec<String>> {
    let folder = socket.rsplit_once('/').map(|(folder, _)| folder).filter(|folder| !folder.is_empty());
    let asked = format!(
        "curl --silent --output /dev/null --max-time 5 --unix-socket {} http://localhost/_ping",
        quoted(socket)?
    );
    Ok(vec![
        format!("mkdir -p -- {}", quoted(folder.unwrap_or("/"))?),
        format!("answers() {{ {asked}; }}"),
        // By a shell that ends, so that it is no child that the script would have to wait for.
        format!("answers || ({} </dev/null >/dev/null 2>&1 &)", quoted_words(argv.iter().cloned())?),
        "tries=0".to_owned(),
        "until answers || [ $tries -ge 300 ]; do sleep 0.1; tries=$((tries + 1)); done".to_owned(),
    ])
}

/// The lines that send a request. What the answer gives as id is in `$id` afterwards.
fn sent(call: &Call, number: usize) -> Result<Vec<String>> {
    let mut words = vec!["curl".to_owned(), "--silent --show-error --fail".to_owned(), format!("${{{OPTIONS}-}}")];
    words.push(format!("--request {}", quoted(&call.method)?));
    let base = match call.server.strip_prefix("unix://") {
        Some(socket) => {
            words.push(format!("--unix-socket {}", quoted(socket)?));
            "http://localhost"
        }
        None => call.server.trim_end_matches('/'),
    };
    let headers = call.headers.iter().map(|(name, value)| format!("{name}: {value}"));
    for header in headers.chain(call.body.is_some().then(|| "Content-Type: application/json".to_owned())) {
        words.push(format!("--header {}", quoted(&header)?));
    }
    let url = format!("{base}/{}", call.path.trim_start_matches('/'));
    // The id is letters and digits, as the line below leaves nothing else of an answer.
    let pieces = url.split(ID).map(quoted).collect::<Result<Vec<_>>>()?;
    words.push(pieces.join("\"$id\""));
    let mut lines = Vec::new();
    let mut before = String::new();
    if !call.token.is_empty() {
        let name = &call.token;
        lines.push(format!(
            "case ${{{TOKEN}:?holds the token for this}} in *[!A-Za-z0-9._~+/=-]*) echo 'not a token: {TOKEN}' >&2; exit 1;; esac"
        ));
        // By a pipe: neither a file nor the list of processes shows it.
        before = format!("printf 'header = \"%s: %s\"\\n' {} \"${TOKEN}\" | ", quoted(name)?);
        words.push("--config -".to_owned());
    }
    lines.push(format!("call_{number}() {{"));
    match &call.body {
        Some(body) => {
            let body = serde_json::to_string_pretty(body).unwrap_or_default() + "\n";
            // No line of a JSON document begins with its first letter.
            words.push("--data-binary @/dev/fd/3".to_owned());
            lines.extend([format!("{before}{} 3<<'{END}'", words.join(" ")), format!("{body}{END}")]);
        }
        None => lines.push(format!("{before}{}", words.join(" "))),
    }
    lines.push("}".to_owned());
    lines.push(format!("answer=$(call_{number})"));
    lines
        .push("id=$(printf '%s\\n' \"$answer\" | sed -n 's/.*\"[Ii]d\": *\"\\([A-Za-z0-9-]*\\)\".*/\\1/p')".to_owned());
    lines.push("printf '%s\\n' \"$answer\"".to_owned());
    Ok(lines)
}

/// A word that can end the text: no line begins with its first letter, as some shells lose a byte of a line that goes on
/// differently. `None` where every letter begins a line.
fn end_of(text: &str) -> Option<String> {
    let begins = |letter: char| text.lines().any(|line| line.starts_with(letter));
    let free = ('A'..='Z').find(|letter| !begins(*letter))?;
    Some(if END.starts_with(begins) { format!("{free}_{END}") } else { END.to_owned() })
}

/// A comment of one line.
fn comment(text: &str) -> String {
    format!("# {}", clean::line(text))
}

/// Words as a shell reads them, in one line unless a word has line breaks in it.
fn quoted_words(words: impl IntoIterator<Item = String>) -> Result<String> {
    Ok(words.into_iter().map(|word| quoted(&word)).collect::<Result<Vec<_>>>()?.join(" "))
}

/// A word as a shell reads it.
fn quoted(word: &str) -> Result<String> {
    if word.contains('\0') {
        return Err(Error::usage(
            "write a plan as a script",
            "a text in it has a null character, which no shell takes",
        )
        .hint("leave it out of the answers"));
    }
    Ok(join_words(&[word.to_owned()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_ended_by_a_word_with_whose_first_letter_no_line_of_it_begins() {
        assert_eq!(end_of("a\n W\n").unwrap(), "WHARF_END");
        assert_eq!(end_of("a\nWHARF\n").unwrap(), "A_WHARF_END");
        assert_eq!(end_of("W¡\nAll\n").unwrap(), "B_WHARF_END");
        let all: String = ('A'..='Z').flat_map(|letter| [letter, '\n']).collect();
        assert_eq!(end_of(&all), None);
    }

    #[test]
    fn the_token_is_read_from_the_environment_and_never_an_argument() {
        let call = Call { token: "X-Auth-Token".into(), ..Call::new("POST", "https://cloud/v2.1/", "servers") };
        let text = sent(&call.body(serde_json::json!({"server": {}})), 1).unwrap().join("\n");
        assert!(text.contains("${WHARF_TOKEN:?"), "{text}");
        assert!(text.contains("\"$WHARF_TOKEN\" | curl"), "{text}");
        assert!(text.contains("'https://cloud/v2.1/servers'") || text.contains("https://cloud/v2.1/servers"), "{text}");
    }

    #[test]
    fn what_a_shell_cannot_be_given_is_refused() {
        assert!(quoted("a\0b").is_err());
        for program in ["", "-x", "A=b"] {
            assert!(run(&[program.to_owned()], &[]).is_err(), "{program}");
        }
    }
}
