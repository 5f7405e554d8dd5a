//! `wharf doctor`: the state of everything that Wharf needs, one line each.

use std::io::IsTerminal;

use super::output;
use wharf_core::{
    base::{
        clean,
        error::{Kind, Result},
    },
    portal::{
        Portal,
        doctor::{Finding, State},
    },
};

/// Says what was found, what does not work, why, and what to do. The exit code is not 0 if anything does not work.
pub(crate) async fn run(portal: &Portal, json: bool) -> Result<u8> {
    let findings = portal.doctor.run_checks().await;
    if json {
        output::json(&findings)?;
    } else {
        let coloured = is_coloured();
        findings.iter().try_for_each(|finding| output::line(&describe(finding, coloured)))?;
    }
    let red = findings.iter().any(|finding| finding.state == State::Bad);
    Ok(if red { Kind::Failed.exit_code() } else { 0 })
}

/// Colours are used only on a terminal, and not with `NO_COLOR` (no-color.org) or a `dumb` terminal.
fn is_coloured() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    std::io::stdout().is_terminal() && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

fn describe(finding: &Finding, coloured: bool) -> String {
    let colour = match finding.state {
        State::Good => "32",
        State::Caution => "33",
        State::Bad => "31",
    };
    let sign = finding.state.sign();
    let sign = if coloured { format!("\x1b[{colour}m{sign}\x1b[0m") } else { sign.to_owned() };
    let advice =
        if finding.advice.is_empty() { String::new() } else { format!("\n    → {}", clean::line(&finding.advice)) };
    format!("{sign} {}: {}{advice}", clean::line(&finding.what), clean::line(&finding.found))
}
