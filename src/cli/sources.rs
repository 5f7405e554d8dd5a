//! `wharf sources`, `doctor`, `login`, `logout`.

use super::{ask, output};
use crate::{
    args::Login,
    core::{
        error::{During, Error, Result},
        portal::Portal,
        progress::Context,
        sign_in::SignIn,
    },
};

/// Lists sources and backends with their state.
pub async fn list(portal: &Portal, json: bool) -> Result<u8> {
    let health = portal.health(&Context::default().within(std::time::Duration::from_secs(8))).await;
    let address = |name: &str| {
        portal
            .sources
            .iter()
            .find(|source| source.name == name)
            .map_or_else(String::new, |source| source.address.clone())
    };
    if json {
        let all: Vec<_> = health
            .iter()
            .map(|(name, kind, answer)| match answer {
                Ok(health) => serde_json::json!({"name": name, "type": kind, "address": address(name), "health": health}),
                Err(error) => serde_json::json!({"name": name, "type": kind, "address": address(name), "error": {"kind": error.kind.word(), "why": error.why, "hint": error.hint}}),
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

/// Says what was found, what is missing and how to get it.
pub async fn doctor(portal: &Portal, json: bool) -> Result<u8> {
    let mut findings = portal.findings.clone();
    let finding = |what: &str, fine: bool, found: String, advice: &str| crate::core::portal::Finding {
        what: what.into(),
        fine,
        found,
        advice: if fine { String::new() } else { advice.into() },
    };
    let files: Vec<String> = portal.config.files.iter().map(|file| file.display().to_string()).collect();
    findings.push(finding(
        "configuration",
        true,
        if files.is_empty() { "no file; none is needed".into() } else { files.join(", ") },
        "",
    ));
    findings.push(finding(
        "cache",
        portal.cache.heads().await.is_ok(),
        portal.config.cache_dir.display().to_string(),
        "check that the folder can be written",
    ));
    let vault = portal.vault.clone();
    let (store, refused) = tokio::task::spawn_blocking(move || (vault.describe(), vault.refused()))
        .await
        .during("look for a secret store")?;
    findings.push(finding(
        "secret store",
        portal.vault.lasting(),
        store,
        "'wharf login' asks whether a file that only you can read may keep them",
    ));
    for why in refused {
        findings.push(finding("secret store", true, format!("not used: {why}"), ""));
    }
    for warning in &portal.config.warnings {
        findings.push(finding("configuration", false, warning.clone(), "correct it"));
    }
    for (name, kind, answer) in portal.health(&Context::default().within(std::time::Duration::from_secs(8))).await {
        let what = format!("{kind} {name}");
        findings.push(match answer {
            Ok(health) => finding(
                &what,
                true,
                [health.account, health.note]
                    .into_iter()
                    .filter(|part| !part.is_empty())
                    .collect::<Vec<_>>()
                    .join(", "),
                "",
            ),
            Err(error) => finding(&what, false, error.why, &error.hint),
        });
    }
    if json {
        output::json(&findings)?;
        return Ok(0);
    }
    for finding in &findings {
        let advice = if finding.advice.is_empty() { String::new() } else { format!("\n    → {}", finding.advice) };
        output::line(&format!("{} {}: {}{advice}", if finding.fine { "✓" } else { "✗" }, finding.what, finding.found))?;
    }
    Ok(0)
}

/// Asks for account and password, tries them, and keeps them.
pub async fn login(portal: &Portal, args: &Login, json: bool) -> Result<u8> {
    let what = format!("sign in to {}", args.source);
    let secret = args.password_stdin.then(|| ask::piped(&what)).transpose()?;
    let wanted = SignIn { source: args.source.clone(), account: args.user.clone(), secret };
    let signed = portal.sign_in(&Context::default(), ask::asker(), wanted).await?;
    if !signed.lasting && !ask::is_there() {
        return Err(Error::unsupported(what, "it works, but no secret store does: nothing was kept")
            .hint("agree to a file that only you can read: WHARF_SECRET_FILE=yes, or secret_file = true"));
    }
    if json {
        output::json(&signed)?;
    } else if signed.lasting {
        output::line(&format!("signed in to {} as {}; kept in: {}", signed.host, signed.account, signed.store))?;
    } else {
        output::line(&format!("{} takes it, and nothing was kept: you are asked each time", signed.host))?;
    }
    Ok(0)
}

/// Forgets an account.
pub async fn logout(portal: &Portal, source: &str, json: bool) -> Result<u8> {
    let host = portal.sign_out(source).await?;
    if json {
        output::json(&serde_json::json!({"host": host, "done": "forgotten"}))?;
    } else {
        output::line(&format!("forgot how to sign in to {host}"))?;
    }
    Ok(0)
}
