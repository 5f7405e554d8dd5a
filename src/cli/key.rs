//! `wharf key`: keys to sign with.

use super::{ask, output};
use crate::{
    args::{Key, KeyVerb},
    core::{
        error::{During, Result},
        portal::Portal,
        secret::Secret,
        signing_keys::PublicHalf,
    },
};

/// Makes, brings, shows or forgets a key.
pub async fn run(portal: &Portal, args: &Key, json: bool) -> Result<u8> {
    match &args.verb {
        KeyVerb::New { name } => said(&portal.keep_key(ask::asker(), name, None).await?, json)?,
        KeyVerb::Import { name, file } => {
            let pem = std::fs::read_to_string(file).during(format!("read {}", file.display()))?;
            said(&portal.keep_key(ask::asker(), name, Some(Secret::new(pem))).await?, json)?;
        }
        KeyVerb::Show { key } => {
            let half = portal.public_half(ask::asker(), key).await?;
            if json {
                output::json(&half)?;
            } else {
                // Alone on standard output, so that it can be sent to a file.
                output::line(half.public.trim_end())?;
            }
        }
        KeyVerb::Forget { name } => {
            portal.forget_key(name).await?;
            if json {
                output::json(&serde_json::json!({"key": name, "done": "forgotten"}))?;
            } else {
                output::line(&format!("forgot the key '{name}'; what it signed stays signed"))?;
            }
        }
    }
    Ok(0)
}

fn said(half: &PublicHalf, json: bool) -> Result<()> {
    if json {
        return output::json(half);
    }
    output::line(&format!("✓ {} is kept ({}), id {}", half.key, half.kept, half.id))?;
    output::line(half.public.trim_end())?;
    output::remark(&format!("sign with it: wharf sign REF --key {}", half.key));
    output::remark("the policy trusts it by its public half, above: [policy.signature] keys = [\"FILE\"]");
    Ok(())
}
