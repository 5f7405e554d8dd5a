//! `wharf key`: keys for signing.

use std::path::Path;

use super::{ask, output};
use crate::args::{Key, KeyVerb};
use wharf_core::{
    base::{
        error::{During, Result},
        secret::Secret,
        small_file,
    },
    portal::{Portal, keys::PublicHalf},
    ports::signer::Curve,
    sharing::sender,
};

/// Creates, imports, shows or forgets a key.
pub(crate) async fn run(portal: &Portal, args: &Key, json: bool) -> Result<u8> {
    let Some(verb) = &args.verb else { return own(portal, json).await };
    match verb {
        KeyVerb::New { name, curve, passphrase } => {
            let curve = curve.parse()?;
            print_key(
                &portal.keys.make(ask::asker(), name, curve, *passphrase).await?,
                Some(curve),
                *passphrase,
                json,
            )?;
        }
        KeyVerb::Import { name, file } => {
            let pem = small_file::text(file).during(format!("read {}", file.display()))?;
            print_key(&portal.keys.keep(ask::asker(), name, Secret::new(pem)).await?, None, false, json)?;
        }
        KeyVerb::Show { key } => {
            let half = portal.keys.public_half(ask::asker(), key).await?;
            if json {
                output::json(&half)?;
            } else {
                // Nothing else is printed on standard output, so that it can be redirected to a file.
                output::text(half.public.trim_end())?;
            }
        }
        KeyVerb::Forget { name } => {
            portal.keys.forget(name).await?;
            if json {
                output::json(&serde_json::json!({"key": name, "done": "forgotten"}))?;
            } else {
                output::line(&format!("forgot the key '{name}'; what it signed stays signed"))?;
            }
        }
    }
    Ok(0)
}

/// Prints this person's portal key, as others need it.
async fn own(portal: &Portal, json: bool) -> Result<u8> {
    let key = portal.senders.own_key(ask::asker()).await?;
    if json {
        output::json(&key)?;
        return Ok(0);
    }
    output::text(&sender::line(&portal.config().person, &key.key))?;
    output::remark(&format!("your portal key is {}: it signs the links that you send ({})", key.fingerprint, key.kept));
    output::remark("others add you with this line: wharf contacts add NAME 'LINE'");
    Ok(0)
}

/// Says which key was created or imported, and what to do next.
fn print_key(half: &PublicHalf, made: Option<Curve>, locked: bool, json: bool) -> Result<()> {
    if json {
        return output::json(half);
    }
    match &half.public_file {
        Some(file) => {
            let curve = made.unwrap_or_default().name();
            output::line(&format!("✓ {} is made ({curve}, for you alone), id {}", half.key, half.id))?;
            output::line(&format!("  its public half: {}", file.display()))?;
        }
        None => {
            output::line(&format!("✓ {} is kept ({}), id {}", half.key, half.kept, half.id))?;
            output::text(half.public.trim_end())?;
        }
    }
    if let Some(warning) = &half.warning {
        output::remark(&format!("! {warning}"));
    }
    for step in next_steps(half, made.unwrap_or_default(), locked) {
        output::remark(&step);
    }
    Ok(())
}

fn next_steps(half: &PublicHalf, curve: Curve, locked: bool) -> Vec<String> {
    let key = &half.key;
    let file = half.public_file.as_deref().unwrap_or(Path::new("FILE")).display().to_string();
    let from = if half.public_file.is_some() { String::new() } else { format!(" (wharf key show {key} >FILE)") };
    let mut steps = vec![
        format!("the policy trusts it by its public half{from}: [policy.signature] keys = [\"{file}\"]"),
        format!("for a steward: [requests] key = \"{key}\"; for an approver: approver_key = \"{key}\""),
    ];
    if curve == Curve::P384 {
        steps.push(format!(
            "for the data of disk images: [requests] disk_key = \"{key}\", certificate = its id in the cloud"
        ));
    }
    steps.push(format!("by hand: wharf sign REF --key {key}"));
    if locked {
        steps.push(
            "a service cannot ask for a passphrase: give a steward that runs as a service a key without one".to_owned(),
        );
    }
    steps
}
