//! `wharf completions` and `wharf man`.

use clap::CommandFactory;

use crate::{
    args::Cli,
    core::error::{During, Result},
};

/// Prints completions.
pub fn completions(shell: clap_complete::Shell) {
    clap_complete::generate(shell, &mut Cli::command(), "wharf", &mut std::io::stdout());
}

/// Prints the manual page, with all verbs in it.
pub fn man() -> Result<()> {
    let command = Cli::command();
    let mut out = std::io::stdout().lock();
    clap_mangen::Man::new(command.clone()).render(&mut out).during("write the manual page")?;
    for verb in command.get_subcommands() {
        clap_mangen::Man::new(verb.clone()).render_synopsis_section(&mut out).during("write the manual page")?;
        clap_mangen::Man::new(verb.clone()).render_options_section(&mut out).during("write the manual page")?;
    }
    Ok(())
}
