//! `wharf verify`: the evidence of an image and the policy's verdict.

use super::{output, progress};
use crate::args::Verify;
use wharf_core::{
    base::{error::Result, text},
    evidence::record::{Outcome, Vulnerability},
    portal::{Portal, evidence::Verified},
};

/// At most this many findings are listed; `--json` has the others too.
const LISTED: usize = 20;

/// Checks and judges an image; the exit code says the verdict.
pub(crate) async fn run(portal: &Portal, args: &Verify, json: bool) -> Result<u8> {
    let reference = portal.sources.resolve(&args.reference).await?;
    let platform = args.platform.as_deref().map(str::parse).transpose()?;
    if args.data {
        portal.evidence.verify_data(&progress::context(), &reference).await?;
    }
    let again = args.again && !args.data;
    let verified = portal.evidence.verify(&progress::context(), &reference, platform.as_ref(), again).await?;
    if json {
        output::json(&verified)?;
    } else {
        print_verified(&verified)?;
    }
    Ok(verified.judgement.verdict.exit_code())
}

fn print_verified(verified: &Verified) -> Result<()> {
    output::text(&verified.explain(text::now()))?;
    for record in &verified.records {
        if let Outcome::Scan { worst, .. } = &record.outcome {
            findings(worst)?;
        }
    }
    Ok(())
}

fn findings(worst: &[Vulnerability]) -> Result<()> {
    if worst.is_empty() {
        return Ok(());
    }
    let row = |one: &Vulnerability| {
        let fixed = if one.fixed.is_empty() { "no fix".to_owned() } else { one.fixed.clone() };
        vec![one.id.clone(), one.severity_by(), one.package.clone(), one.installed.clone(), fixed, one.title.clone()]
    };
    let rows: Vec<Vec<String>> = worst.iter().take(LISTED).map(row).collect();
    output::table(&["FINDING", "SEVERITY", "PACKAGE", "VERSION", "FIXED IN", "ABOUT"], &rows)?;
    if worst.len() > LISTED {
        output::line(&format!("and {} more: --json has them", worst.len() - LISTED))?;
    }
    Ok(())
}
