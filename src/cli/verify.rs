//! `wharf verify`: the evidence of an image, and what policy makes of it.

use super::output;
use crate::{
    args::Verify,
    core::{
        error::Result,
        evidence::{Badge, Verdict},
        portal::Portal,
        record::{Outcome, Record, Vulnerability},
        text,
        verify::Verified,
    },
};

/// Findings that are listed; `--json` has the others.
const LISTED: usize = 20;

/// Checks and judges an image; exits with the verdict.
pub async fn run(portal: &Portal, args: &Verify, json: bool) -> Result<u8> {
    let reference = args.reference.parse()?;
    let platform = args.platform.as_deref().map(str::parse).transpose()?;
    let verified = portal.verify(&output::context(), &reference, platform.as_ref(), args.again).await?;
    if json {
        output::json(&verified)?;
    } else {
        said(&verified)?;
    }
    Ok(verified.judgement.verdict.exit_code())
}

fn badge(badge: Badge) -> String {
    format!("{} {}", badge.sign, badge.word)
}

fn said(verified: &Verified) -> Result<()> {
    let judgement = &verified.judgement;
    output::line(&format!("{} by the policy '{}'", badge(judgement.verdict.badge()), judgement.policy))?;
    for reason in &judgement.reasons {
        let sign = reason.verdict.badge().sign;
        let step = if reason.step.is_empty() { String::new() } else { format!(" → {}", reason.step) };
        output::line(&format!("  {sign} {}{step}", reason.words))?;
    }
    if !judgement.enforced && matches!(judgement.verdict, Verdict::NeedsApproval | Verdict::Undecided) {
        output::line("  this policy only says so: it holds nothing back but what is denied")?;
    }
    output::line(&format!("digest      {}", verified.subject.digest))?;
    if verified.subject.manifest != verified.subject.digest {
        output::line(&format!("manifest    {}", verified.subject.manifest))?;
    }
    let now = text::now();
    for record in &verified.records {
        let at = text::ago(record.at, now);
        output::line(&format!("{:<11} {} · {} · {at}", record.kind().word(), badge(record.badge()), record.tool))?;
        output::line(&format!("            {}", detail(record)))?;
        if let Outcome::Scan { worst, .. } = &record.outcome {
            findings(worst)?;
        }
    }
    Ok(())
}

/// Who signed, or how many findings there are; and where that was found.
fn detail(record: &Record) -> String {
    let found = match &record.outcome {
        Outcome::Signature { signer, .. } => signer.clone(),
        Outcome::Scan { counts, .. } => counts.words(),
    };
    let inputs = record.inputs.iter().filter(|_| matches!(record.outcome, Outcome::Scan { .. }));
    let parts: Vec<&str> = [found.as_str(), record.reason.as_str()]
        .into_iter()
        .chain(inputs.map(String::as_str))
        .filter(|part| !part.is_empty())
        .collect();
    parts.join(" · ")
}

fn findings(worst: &[Vulnerability]) -> Result<()> {
    if worst.is_empty() {
        return Ok(());
    }
    let row = |one: &Vulnerability| {
        let fixed = if one.fixed.is_empty() { "no fix".to_owned() } else { one.fixed.clone() };
        vec![
            one.id.clone(),
            one.severity.word().to_owned(),
            one.package.clone(),
            one.installed.clone(),
            fixed,
            one.title.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = worst.iter().take(LISTED).map(row).collect();
    output::table(&["FINDING", "SEVERITY", "PACKAGE", "VERSION", "FIXED IN", "ABOUT"], &rows)?;
    if worst.len() > LISTED {
        output::line(&format!("and {} more: --json has them", worst.len() - LISTED))?;
    }
    Ok(())
}
