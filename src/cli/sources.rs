//! `wharf sources`, `login` and `logout`.

use super::{ask, output};
use crate::args::Login;
use wharf_core::{
    base::{
        context::Context,
        error::{Error, Result},
    },
    portal::{Portal, sign_in::SignIn},
};

/// Lists all sources and backends with their state.
pub(crate) async fn list(portal: &Portal, json: bool) -> Result<u8> {
    let health = portal.doctor.health(&Context::default().with_deadline(std::time::Duration::from_secs(8))).await;
    let known = portal.sources.facts();
    let address = |name: &str| {
        known.iter().find(|source| source.name == name).map_or_else(String::new, |source| source.address.clone())
    };
    if json {
        let all: Vec<_> = health
            .iter()
            .map(|(name, kind, answer)| match answer {
                Ok(health) => serde_json::json!({"name": name, "type": kind, "address": address(name), "health": health}),
                Err(error) => serde_json::json!({"name": name, "type": kind, "address": address(name), "error": {"kind": error.kind.name(), "why": error.why, "hint": error.hint}}),
            })
            .collect();
        output::json(&all)?;
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = health
        .iter()
        .map(|(name, kind, answer)| match answer {
            Ok(health) => vec![
                name.clone(),
                (*kind).to_owned(),
                "✓ answers".into(),
                if health.account.is_empty() { "anonymous".into() } else { health.account.clone() },
                address(name),
                health.note.clone(),
            ],
            Err(error) => vec![
                name.clone(),
                (*kind).to_owned(),
                "✗ failed".into(),
                String::new(),
                address(name),
                format!("{}: {}", error.why, error.hint),
            ],
        })
        .collect();
    output::table(&["NAME", "TYPE", "STATE", "AS", "ADDRESS", "NOTE"], &rows)?;
    Ok(0)
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
