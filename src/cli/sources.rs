//! `wharf sources`, `login` and `logout`.

use std::time::Duration;

use super::{ask, output};
use crate::args::{Login, Sources, SourcesVerb};
use wharf_core::{
    base::{
        context::Context,
        error::{Error, Result},
    },
    config::{ConfigEntry, own_sources::entry_text},
    image::model::Health,
    portal::{Portal, SourceFacts, answers::HealthAnswer, own_sources::TrialAnswer, sign_in::SignIn},
    ports::{Question, QuestionKind},
};

/// How long each source has to answer.
const PATIENCE: Duration = Duration::from_secs(8);

/// Lists sources and backends, or does with a source what was asked.
pub(crate) async fn run(portal: &Portal, args: &Sources, json: bool) -> Result<u8> {
    match &args.what {
        None => list(portal, json).await,
        Some(SourcesVerb::Add { address, yes }) => add(portal, address, *yes, json).await,
        Some(SourcesVerb::Remove { name }) => {
            portal.own_sources.remove(name).await?;
            done(name, "removed", "its images stay where they are", json)
        }
        Some(SourcesVerb::Hide { name }) => {
            portal.own_sources.set_hidden(name, true).await?;
            done(name, "hidden", "lists leave it out; 'wharf sources show' takes that back", json)
        }
        Some(SourcesVerb::Show { name }) => {
            portal.own_sources.set_hidden(name, false).await?;
            done(name, "shown", "lists have it", json)
        }
    }
}

/// Prints what was done with a source.
fn done(name: &str, verb: &str, more: &str, json: bool) -> Result<u8> {
    if json {
        output::json(&serde_json::json!({"name": name, "done": verb}))?;
    } else {
        output::line(&format!("{name} is {verb}: {more}"))?;
    }
    Ok(0)
}

/// Tries an address, shows what it is and what would be kept, and keeps it if the person agrees.
async fn add(portal: &Portal, address: &str, yes: bool, json: bool) -> Result<u8> {
    let trial = portal.own_sources.try_address(&Context::default().with_deadline(PATIENCE), address).await?;
    if !json {
        output::line(&trial.describe())?;
        print_entries(&[&trial.entry])?;
    }
    let question = format!("Keep it as the source {}?", trial.entry.name);
    if !yes && !agreed(question, &format!("add {}", trial.entry.name)).await? {
        output::remark("nothing was kept");
        return Ok(1);
    }
    let entry = trial.entry;
    portal.own_sources.add(entry.clone()).await?;
    if json {
        let health = match &trial.answer {
            TrialAnswer::Works(health) => Some(health),
            TrialAnswer::WantsSignIn(_) => None,
        };
        let lines = entry_text(&entry);
        output::json(&serde_json::json!({
            "name": entry.name, "type": entry.kind, "address": trial.address, "done": "added", "health": health,
            "toml": lines,
        }))?;
        return Ok(0);
    }
    let next = match trial.answer {
        TrialAnswer::Works(_) => format!("wharf images --source {}", entry.name),
        TrialAnswer::WantsSignIn(_) => format!("wharf login {}", entry.name),
    };
    output::line(&format!("{} is added: {next}", entry.name))?;
    Ok(0)
}

/// Whether the person agrees; where nobody can be asked, `--yes` must have been given.
async fn agreed(question: String, what: &str) -> Result<bool> {
    if !ask::is_there() {
        return Err(Error::usage(what, "this cannot be confirmed without a terminal").hint("add --yes to keep it"));
    }
    let answer = ask::asker().ask(Question { words: question, kind: QuestionKind::Confirm }).await?;
    Ok(answer.reveal() == "yes")
}

/// Prints entries as a configuration file has them, each after an empty line.
fn print_entries(entries: &[&ConfigEntry]) -> Result<()> {
    entries.iter().try_for_each(|entry| {
        output::line("")?;
        entry_text(entry).lines().try_for_each(output::line)
    })
}

/// Lists all sources and backends with their state, and the added sources as lines for a configuration.
async fn list(portal: &Portal, json: bool) -> Result<u8> {
    let health = portal.doctor.health(&Context::default().with_deadline(PATIENCE)).await;
    let known = portal.sources.facts();
    let facts = |name: &str| known.iter().find(|source| source.name == name);
    let added = portal.own_sources.added();
    if json {
        let line = |HealthAnswer { name, kind, answer, .. }: &HealthAnswer| {
            let facts = facts(name);
            let mut line =
                serde_json::json!({"name": name, "type": kind, "address": facts.map_or("", |facts| &facts.address)});
            match answer {
                Ok(health) => line["health"] = serde_json::json!(health),
                Err(error) => {
                    line["error"] =
                        serde_json::json!({"kind": error.kind.name(), "why": error.why, "hint": error.hint});
                }
            }
            if facts.is_some_and(|facts| facts.hidden) {
                line["hidden"] = true.into();
            }
            if let Some(entry) = added.iter().find(|entry| entry.name == *name) {
                line["added"] = entry_text(entry).into();
            }
            line
        };
        output::json(&health.iter().map(line).collect::<Vec<_>>())?;
        return Ok(0);
    }
    let rows: Vec<Vec<String>> =
        health.iter().map(|one| row(&one.name, one.kind, &one.answer, facts(&one.name))).collect();
    output::table(&["NAME", "TYPE", "STATE", "AS", "ADDRESS", "NOTE"], &rows)?;
    if !added.is_empty() {
        output::line("")?;
        output::line("# added in Wharf; in your configuration, these lines do the same")?;
        print_entries(&added)?;
    }
    Ok(0)
}

/// The row of a source or backend in the table.
fn row(name: &str, kind: &str, answer: &Result<Health>, facts: Option<&SourceFacts>) -> Vec<String> {
    let (state, account, note) = match answer {
        Ok(health) => {
            let account = if health.account.is_empty() { "anonymous".into() } else { health.account.clone() };
            ("✓ answers", account, health.note.clone())
        }
        Err(error) => ("✗ failed", String::new(), format!("{}: {}", error.why, error.hint)),
    };
    let chosen = match facts {
        Some(facts) if facts.hidden => "left out of lists",
        Some(facts) if facts.added => "added in Wharf",
        _ => "",
    };
    let note = [chosen, &note].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ");
    let address = facts.map_or_else(String::new, |facts| facts.address.clone());
    vec![name.to_owned(), kind.to_owned(), state.to_owned(), account, address, note]
}

/// Asks for account and password, tries them at the source, and keeps them. A password may come from standard input.
pub(crate) async fn login(portal: &Portal, args: &Login, json: bool) -> Result<u8> {
    let what = format!("sign in to {}", args.source);
    let secret = args.password_stdin.then(|| ask::piped(&what)).transpose()?;
    let wanted = SignIn { source: args.source.clone(), account: args.user.clone(), secret };
    let signed = portal.accounts.sign_in(&Context::default(), ask::asker(), wanted).await?;
    if !signed.lasting && !ask::is_there() {
        return Err(Error::unsupported(what, "it works, but no secret store does: nothing was kept")
            .hint("agree to a file that only you can read: WHARF_SECRET_FILE=yes, or secret_file = true"));
    }
    if json {
        output::json(&signed)?;
    } else if signed.lasting {
        let at = signed.server.map_or_else(String::new, |server| format!(" (the sign-in is at {server})"));
        output::line(&format!("signed in to {} as {}{at}; kept in: {}", signed.host, signed.account, signed.store))?;
    } else {
        output::line(&format!("{} takes it, and nothing was kept: you are asked each time", signed.host))?;
    }
    Ok(0)
}

/// Forgets the account and its secret that Wharf kept for a source.
pub(crate) async fn logout(portal: &Portal, source: &str, json: bool) -> Result<u8> {
    let host = portal.accounts.sign_out(source).await?;
    if json {
        output::json(&serde_json::json!({"host": host, "done": "forgotten"}))?;
    } else {
        output::line(&format!("forgot how to sign in to {host}"))?;
    }
    Ok(0)
}
