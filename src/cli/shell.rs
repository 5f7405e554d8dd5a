//! `wharf completions` and `wharf man`.

use clap::CommandFactory;

use super::output;
use crate::args::Cli;
use wharf_core::base::error::{During, Result};

/// Prints the completion script of a shell.
pub(crate) fn completions(shell: clap_complete::Shell, json: bool) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "wharf", &mut script);
    let script = String::from_utf8_lossy(&script);
    if json {
        return output::json(&serde_json::json!({"shell": shell.to_string(), "script": script}));
    }
    output::exact(script.trim_end())
}

/// Prints the manual page, which describes all verbs.
pub(crate) fn man(json: bool) -> Result<()> {
    let command = Cli::command();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page).during("write the manual page")?;
    for verb in command.get_subcommands() {
        clap_mangen::Man::new(verb.clone()).render_synopsis_section(&mut page).during("write the manual page")?;
        clap_mangen::Man::new(verb.clone()).render_options_section(&mut page).during("write the manual page")?;
    }
    let page = String::from_utf8_lossy(&page);
    if json {
        return output::json(&serde_json::json!({"name": "wharf", "page": page}));
    }
    output::exact(page.trim_end())
}
