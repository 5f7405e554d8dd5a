//! Signing in with a browser on this machine (`v3websso`: the plugin keystoneauth-websso; Keystone, "Web Single
//! Sign-On"): the person opens a page of the cloud, and the cloud's last page brings a token here.

use std::time::Duration;

use super::{
    asking::Answers,
    form::Form,
    keystone::{Keystone, Session},
    landing::LandingPage,
    openid,
    settings::Settings,
};
use wharf_core::base::{
    clean,
    error::{Error, Kind, Result},
};

/// The port that clouds expect if an entry names none.
const PORT: u16 = 9990;
/// How long the person may take.
const LONGEST: Duration = Duration::from_secs(300);

/// A session without a project, from a token that the cloud has confirmed and the person has recognized as theirs.
pub(super) async fn session(keystone: &Keystone<'_>, settings: &Settings, answers: &Answers) -> Result<Session> {
    openid::check(keystone, settings)?;
    answers.asker()?;
    let what = &keystone.what;
    let port = port(what, settings)?;
    let address = keystone.page_of_sign_in(settings, &Form { port, from: String::new() }.address())?;
    // Opened before the address is shown, so that no other program can take the port and the token.
    let mut landing = LandingPage::open(what, port, address.origin().ascii_serialization()).await?;
    let words = format!(
        "Open {} in a browser on this machine and sign in (where you came here by ssh, first 'ssh -L {port}:127.0.0.1:{port}' \
         from the machine of the browser). Have you",
        clean::short(address.as_str(), 600)
    );
    let brought = async {
        let brought = tokio::time::timeout(LONGEST, brought(keystone, &mut landing)).await;
        brought.map_err(|_| too_late(what, landing.refused.take()))
    };
    let (session, ()) = tokio::try_join!(brought, answers.confirm(words))?;
    // Another page in the same browser could have brought another person's token.
    let who = clean::short(&session.user, 200);
    answers.confirm(format!("The browser has signed in to {} as {who}. Is that you", keystone.cloud)).await.map_err(
        |error| match error.kind {
            Kind::Cancelled => {
                Error::new(Kind::NotAllowed, what, format!("the browser has signed in as {who}, which is not you"))
                    .hint("sign out there or open the address in a private window, then sign in again")
            }
            _ => error,
        },
    )?;
    Ok(session)
}

/// The session of the first token that the cloud accepts; other tokens are ignored.
async fn brought(keystone: &Keystone<'_>, landing: &mut LandingPage) -> Session {
    loop {
        let token = landing.next().await;
        match keystone.known(token.reveal()).await {
            Ok(session) => return session,
            Err(error) => landing.refused = Some(format!("a token came, and the cloud did not take it: {}", error.why)),
        }
    }
}

fn port(what: &str, settings: &Settings) -> Result<u16> {
    let Some(text) = settings.auth("redirect_port") else { return Ok(PORT) };
    let port = text.parse().ok().filter(|port| *port != 0);
    port.ok_or_else(|| {
        Error::usage(what, format!("its redirect_port is no port: {}", clean::short(text, 20)))
            .hint("name the port in clouds.yaml that the cloud knows (trusted_dashboard), 9990 for example")
    })
}

fn too_late(what: &str, refused: Option<String>) -> Error {
    let why = refused.map_or_else(String::new, |refused| format!(" ({refused})"));
    let minutes = LONGEST.as_secs() / 60;
    Error::new(Kind::NotAllowed, what, format!("no browser has come back within {minutes} minutes{why}")).hint(
        "sign in again; if the page in the browser failed, the cloud does not know this machine's address: its administrators \
         names it as trusted_dashboard",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openstack::settings::read_one;

    #[test]
    fn the_port_is_that_of_the_entry() {
        let port = |keys: &str| port("test", &read_one(&format!("{{auth: {{auth_url: u{keys}}}}}")));
        assert_eq!(port("").unwrap(), 9990);
        assert_eq!(port(", redirect_port: 8123").unwrap(), 8123);
        assert!(port(", redirect_port: 0").is_err() && port(", redirect_port: x").is_err());
    }
}
