//! `wharf contacts`.

use super::output;
use crate::args::{Contacts, ContactsVerb};
use wharf_core::{
    base::{error::Result, text},
    portal::Portal,
    sharing::sender,
};

/// Lists the people whose keys are known, or adds or removes one.
pub(crate) async fn run(portal: &Portal, args: &Contacts, json: bool) -> Result<u8> {
    match &args.verb {
        None => return list(portal, json).await,
        Some(ContactsVerb::Add { name, key, mail }) => {
            let contact = portal.senders.add(name, key, mail.as_deref()).await?;
            if json {
                output::json(&contact)?;
            } else {
                let print = sender::fingerprint(&contact.key);
                output::line(&format!("links signed with the key {print} are from {} from now on", contact.name))?;
            }
        }
        Some(ContactsVerb::Remove { name }) => {
            portal.senders.remove(name).await?;
            if json {
                output::json(&serde_json::json!({"contact": name, "done": "removed"}))?;
            } else {
                output::line(&format!("removed {name}: the key is one that you do not know again"))?;
            }
        }
    }
    Ok(0)
}

async fn list(portal: &Portal, json: bool) -> Result<u8> {
    let contacts = portal.senders.contacts().await?;
    if json {
        output::json(&contacts)?;
        return Ok(0);
    }
    if contacts.others.is_empty() {
        output::line("you have no contacts yet: 'wharf contacts add NAME LINK' adds the sender of a link")?;
        return Ok(0);
    }
    let now = text::now();
    let row = |one: &sender::Contact| {
        let mail = one.mail.clone().unwrap_or_default();
        vec![one.name.clone(), sender::fingerprint(&one.key), mail, text::ago(one.since, now)]
    };
    let rows: Vec<Vec<String>> = contacts.others.iter().map(row).collect();
    output::table(&["NAME", "KEY", "MAIL", "ADDED"], &rows)?;
    Ok(0)
}
