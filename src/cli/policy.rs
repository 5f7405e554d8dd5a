//! `wharf policy`: the policy in use, and what another one would change.

use super::output;
use crate::args::{Policy as Args, PolicyVerb};
use wharf_core::{
    base::{
        error::{During, Error, Result},
        small_file, text,
    },
    policy::{BUILT_IN, Policy},
    portal::Portal,
};

/// Prints the policy in use, or rehearses another one.
pub(crate) async fn run(portal: &Portal, args: &Args, json: bool) -> Result<u8> {
    match &args.verb {
        PolicyVerb::Show { commented: true } => {
            if json {
                return Err(Error::usage("show the policy with comments", "JSON has no comments")
                    .hint("leave --json or --commented out"));
            }
            output::text(BUILT_IN.trim_end())?;
            Ok(0)
        }
        PolicyVerb::Show { commented: false } => {
            let policy = &portal.config().policy;
            if json {
                output::json_as_sent(policy)?;
            } else {
                let text = toml::to_string_pretty(policy).during("write the policy")?;
                output::text(text.trim_end())?;
            }
            Ok(0)
        }
        PolicyVerb::Test { file, days } => {
            let what = format!("read {}", file.display());
            let text = small_file::text(file).during(&what)?;
            let other = Policy::read_file(&text, &file.display().to_string())?;
            let rehearsal = portal.evidence.rehearse(&other, *days).await?;
            if json {
                output::json(&rehearsal)?;
                return Ok(0);
            }
            let looked = text::plural(rehearsal.images as u64, "image", "images");
            if rehearsal.changes.is_empty() {
                output::line(&format!("{looked} of the last {days} days: '{}' would change nothing", other.name))?;
                return Ok(0);
            }
            let rows: Vec<Vec<String>> = rehearsal
                .changes
                .iter()
                .map(|change| {
                    let why = change.after.reasons.first().map_or("", |reason| reason.words.as_str());
                    vec![
                        format!(
                            "{}@{}",
                            change.subject.name.trim_start_matches("oci://"),
                            change.subject.digest.short()
                        ),
                        change.launches.to_string(),
                        change.before.name().to_owned(),
                        change.after.verdict.name().to_owned(),
                        why.to_owned(),
                    ]
                })
                .collect();
            output::table(&["IMAGE", "LAUNCHES", "NOW", "THEN", "WHY"], &rows)?;
            let changed = rehearsal.changes.len();
            output::line(&format!("{changed} of {looked} of the last {days} days would be judged otherwise"))?;
            Ok(0)
        }
    }
}
