//! `wharf sources`, `doctor`, `login`, `logout`.

use std::io::{BufRead, IsTerminal, Read, Write};

use super::output;
use crate::{
    args::Login,
    core::{
        error::{During, Error, Result},
        portal::Portal,
        progress::Context,
        reference::ImageRef,
        secret::Secret,
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
    let none = store.starts_with("none");
    findings.push(finding(
        "secret store",
        !none,
        store,
        "agree to a file that only you can read: WHARF_SECRET_FILE=yes",
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

/// The registry host that a source's name or a host stands for.
fn host(portal: &Portal, source: &str) -> Result<String> {
    let known = portal.sources.iter().find(|known| known.name == source);
    let reference = match known {
        Some(known) => known.catalog.reference("x", Some("x"))?,
        None => format!("oci://{source}/x").parse()?,
    };
    match reference {
        ImageRef::Oci(name) => Ok(name.host),
        _ => Err(Error::unsupported(format!("sign in to {source}"), "one does not sign in there")),
    }
}

/// Asks for account and password, tries them, and keeps them.
pub async fn login(portal: &Portal, args: &Login, json: bool) -> Result<u8> {
    let what = format!("sign in to {}", args.source);
    let host = host(portal, &args.source)?;
    let written =
        portal.config.sources.iter().find(|source| source.name == args.source).and_then(|source| source.user.clone());
    let user = match args.user.clone().or(written) {
        Some(user) => user,
        None => ask("account: ", false).during(&what)?,
    };
    let password = if args.password_stdin {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).during(&what)?;
        text.trim_end_matches(['\r', '\n']).to_owned()
    } else {
        ask("password: ", true).during(&what)?
    };
    let vault = portal.vault.clone();
    let secret = Secret::new(password);
    let (place, account) = (host.clone(), user.clone());
    let before = {
        let (vault, place) = (vault.clone(), place.clone());
        tokio::task::spawn_blocking(move || vault.get(&place)).await.during(&what)??
    };
    let keep = vault.clone();
    tokio::task::spawn_blocking(move || keep.set(&place, &account, &secret)).await.during(&what)??;
    // What was kept is what is tried: the same way every later call goes.
    let source = match portal.sources.iter().find(|source| source.name == args.source) {
        Some(source) => source.clone(),
        None => portal.source_of(&format!("oci://{host}/x:x").parse()?)?,
    };
    let cx = Context::default();
    if let Err(error) = cx.run(&what, source.catalog.health(&cx)).await {
        tokio::task::spawn_blocking(move || match before {
            Some((account, secret)) => vault.set(&host, &account, &secret),
            None => vault.delete(&host),
        })
        .await
        .during(&what)??;
        return Err(error.during(what).hint("nothing was kept; check account and password"));
    }
    let store = portal.vault.describe();
    if json {
        output::json(&serde_json::json!({"source": args.source, "host": host, "account": user, "store": store}))?;
    } else {
        output::line(&format!("signed in to {host} as {user}; kept in: {store}"))?;
    }
    Ok(0)
}

/// Forgets an account.
pub fn logout(portal: &Portal, source: &str, json: bool) -> Result<u8> {
    let host = host(portal, source)?;
    portal.vault.delete(&host)?;
    if json {
        output::json(&serde_json::json!({"host": host, "done": "forgotten"}))?;
    } else {
        output::line(&format!("forgot how to sign in to {host}"))?;
    }
    Ok(0)
}

/// Asks at the terminal; a secret is not shown.
fn ask(question: &str, secret: bool) -> Result<String> {
    let stdin = std::io::stdin();
    eprint!("{question}");
    let _ = std::io::stderr().flush();
    let saved = if secret && stdin.is_terminal() { rustix::termios::tcgetattr(&stdin).ok() } else { None };
    if let Some(saved) = &saved {
        let mut quiet = saved.clone();
        quiet.local_modes.remove(rustix::termios::LocalModes::ECHO);
        let _ = rustix::termios::tcsetattr(&stdin, rustix::termios::OptionalActions::Now, &quiet);
    }
    let mut text = String::new();
    let read = stdin.lock().read_line(&mut text);
    if let Some(saved) = &saved {
        let _ = rustix::termios::tcsetattr(&stdin, rustix::termios::OptionalActions::Now, saved);
        eprintln!();
    }
    read.during("read the answer")?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
