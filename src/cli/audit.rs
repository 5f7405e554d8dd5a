//! `wharf audit`: what was done here, and whether the record of it is whole.

use super::output;
use crate::{
    args::Audit,
    core::{audit, error::Result, portal::Portal},
};

/// Lists the entries, the newest last, or says whether the chain is whole.
pub fn run(portal: &Portal, args: &Audit, json: bool) -> Result<u8> {
    let text = portal.audit.read()?;
    if args.what.as_deref() == Some("export") {
        return output::exact(text.trim_end()).map(|()| 0);
    }
    let lines = audit::read(&text)?;
    if args.verify || args.what.is_some() {
        let last = lines.last().map(|line| line.chain.clone()).unwrap_or_default();
        if json {
            output::json(&serde_json::json!({"entries": lines.len(), "chain": last}))?;
        } else {
            output::line(&format!("✓ {} entries, the chain is whole; it ends in {last}", lines.len()))?;
        }
        return Ok(0);
    }
    if json {
        output::json(&lines)?;
        return Ok(0);
    }
    if lines.is_empty() {
        output::line("nothing was done yet that is written down")?;
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = lines
        .iter()
        .map(|line| {
            let entry = &line.entry;
            let verdict = entry.verdict.clone().unwrap_or_default();
            vec![
                entry.at.clone(),
                entry.who.clone(),
                entry.action.clone(),
                entry.subject.clone(),
                verdict,
                entry.outcome.clone(),
            ]
        })
        .collect();
    output::table(&["WHEN", "WHO", "WHAT", "ON", "VERDICT", "OUTCOME"], &rows)?;
    Ok(0)
}
