//! Asking the person questions at the terminal.

use std::{
    io::{BufRead, IsTerminal, Read, Write},
    sync::Arc,
};

use async_trait::async_trait;

use super::output;
use wharf_core::{
    base::{
        blocking::blocking,
        clean,
        error::{During, Error, Result},
        secret::Secret,
    },
    portal::sign_in::NoAsker,
    ports::{Asker, Question, QuestionKind},
};

/// Asks on standard error and reads answers from standard input; a secret is not shown while it is typed.
pub(crate) struct Terminal;

/// The terminal if there is one; else [`NoAsker`], with which every question fails.
pub(crate) fn asker() -> Arc<dyn Asker> {
    if is_there() { Arc::new(Terminal) } else { Arc::new(NoAsker) }
}

/// Whether a person can be asked: standard input and standard error are terminals.
pub(crate) fn is_there() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks whether to remove something. Where nobody can be asked, `--yes` must have been given; else it is a usage error.
pub(crate) async fn confirm(question: String, what: &str, yes: bool) -> Result<bool> {
    if yes {
        return Ok(true);
    }
    if !is_there() {
        return Err(Error::usage(what, "this cannot be confirmed without a terminal")
            .hint("add --yes to remove it, or --plan to see what would go"));
    }
    let answer = asker().ask(Question { words: question, kind: QuestionKind::Confirm }).await?;
    Ok(answer.reveal() == "yes")
}

/// Reads a secret from standard input to its end, without line ends after it. `what` is the action, for the error.
pub(crate) fn piped(what: &str) -> Result<Secret> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).during(what)?;
    Ok(Secret::new(text.trim_end_matches(['\r', '\n'])))
}

#[async_trait]
impl Asker for Terminal {
    async fn ask(&self, question: Question) -> Result<Secret> {
        blocking(move || read(&question)).await.during("ask")?
    }
}

fn read(question: &Question) -> Result<Secret> {
    let ending = if question.kind == QuestionKind::Confirm { " [y/N] " } else { ": " };
    output::beside(&format!("{}{ending}", clean::line(&question.words)));
    let _ = std::io::stderr().flush();
    let stdin = std::io::stdin();
    let saved = if question.kind == QuestionKind::Secret { rustix::termios::tcgetattr(&stdin).ok() } else { None };
    if let Some(saved) = &saved {
        let mut quiet = saved.clone();
        quiet.local_modes.remove(rustix::termios::LocalModes::ECHO);
        let _ = rustix::termios::tcsetattr(&stdin, rustix::termios::OptionalActions::Now, &quiet);
    }
    let mut text = String::new();
    let read = stdin.lock().read_line(&mut text);
    if let Some(saved) = &saved {
        let _ = rustix::termios::tcsetattr(&stdin, rustix::termios::OptionalActions::Now, saved);
        output::beside("\n");
    }
    if read.during("read the answer")? == 0 {
        return Err(Error::cancelled("ask"));
    }
    let answer = text.trim_end_matches(['\r', '\n']);
    Ok(Secret::new(match question.kind {
        QuestionKind::Confirm if matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") => "yes",
        QuestionKind::Confirm => "no",
        _ => answer,
    }))
}
