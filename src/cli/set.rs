//! Answers to a form on the command line: `--set KEY=VALUE`.

use wharf_core::{
    base::error::{Error, Result},
    launch::form::Answers,
};

/// Answers as they are given one by one, each as `KEY=VALUE`.
pub(crate) fn answers(set: &[String]) -> Result<Answers> {
    let pair = |pair: &String| match pair.split_once('=') {
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => Err(Error::usage(format!("--set {pair}"), "expected KEY=VALUE")),
    };
    set.iter().map(pair).collect::<Result<_>>().map(Answers)
}
