//! The command line and the environment of a program in an image, from the image and the answers of a form.

use super::form::Answers;
use crate::{
    base::error::{Error, Result},
    image::model::{Foreign, RunConfig},
};

/// The search path of an image that names none.
const SEARCH_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The program and its arguments (OCI image specification, `Entrypoint` and `Cmd`): the answer to `command` replaces the
/// image's arguments, or is the whole command line where the image has no entry point. `what` is for the error.
///
/// # Errors
/// `Usage` where neither names a program.
pub fn argv(image: &RunConfig, answers: &Answers, what: &str) -> Result<Vec<Foreign>> {
    let words = words(answers, "command");
    // Some builders write one empty word if there is no program.
    let program = Some(&image.entrypoint).filter(|words| !words.iter().all(Foreign::is_empty));
    let program = program.cloned().unwrap_or_default();
    let argv = match (program.is_empty(), words.is_empty()) {
        (false, false) => [program, words].concat(),
        (false, true) => [program, image.command.clone()].concat(),
        (true, false) => words,
        (true, true) => image.command.clone(),
    };
    if argv.is_empty() {
        return Err(Error::usage(what, "the image names no program").hint("give a command: --set command='…'"));
    }
    Ok(argv)
}

/// The environment as `NAME=value`: that of the image, with a search path if it has none, and then the answer to `env`,
/// which takes precedence.
pub fn environment(image: &RunConfig, answers: &Answers) -> Vec<Foreign> {
    let mut environment = image.environment.clone();
    if !has(&environment, "PATH") {
        environment.push(Foreign::new(SEARCH_PATH));
    }
    environment.extend(words(answers, "env"));
    environment
}

/// Whether an environment has a variable of this name.
pub fn has(environment: &[Foreign], name: &str) -> bool {
    environment.iter().any(|pair| pair.raw().split_once('=').is_some_and(|(key, _)| key == name))
}

fn words(answers: &Answers, key: &str) -> Vec<Foreign> {
    answers.split_words(key).into_iter().map(Foreign::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(entrypoint: &[&str], command: &[&str]) -> RunConfig {
        let words = |words: &[&str]| words.iter().map(|word| Foreign::new(*word)).collect();
        RunConfig { entrypoint: words(entrypoint), command: words(command), ..RunConfig::default() }
    }

    fn said(image: &RunConfig, command: &str) -> Vec<String> {
        let answers = Answers([("command".to_owned(), command.to_owned())].into());
        let all = argv(image, &answers, "plan").unwrap_or_default();
        all.iter().map(|word| word.raw().to_owned()).collect()
    }

    #[test]
    fn a_command_replaces_the_arguments_of_an_image() {
        assert_eq!(said(&image(&["a"], &["b"]), ""), ["a", "b"]);
        assert_eq!(said(&image(&["a"], &["b"]), "c 'd e'"), ["a", "c", "d e"]);
        assert_eq!(said(&image(&[""], &["b"]), ""), ["b"]);
        assert_eq!(said(&image(&[], &["b"]), "c"), ["c"]);
        assert!(argv(&image(&[], &[]), &Answers::default(), "plan").is_err());
    }
}
