//! Signing in with a browser on any machine: the person opens an address and types a code (RFC 8628, "Device
//! Authorization Grant"). Nothing listens on this machine, so it also works over ssh.

use std::time::{Duration, Instant};

use super::{asking::Answers, keystone::Keystone, openid, settings::Settings};
use wharf_core::base::{
    clean, context,
    error::{Error, Kind, Result},
    secret::Secret,
};

/// Seconds between two questions whether the person has agreed, if the provider names none (RFC 8628, 3.2); and the
/// fewest.
const PAUSE: u64 = 5;
const SHORTEST: u64 = 1;
/// Seconds that are added to the pause if the provider asks for it (RFC 8628, 3.5).
const SLOWER: u64 = 5;
/// Most seconds that the person has, whatever the provider says.
const LONGEST: u64 = 1800;
/// How long the provider may take for an answer.
const ANSWER: Duration = Duration::from_secs(25);

/// The provider's token, after the person has agreed in a browser.
pub(super) async fn token(keystone: &Keystone<'_>, settings: &Settings, answers: &Answers) -> Result<Secret> {
    openid::check(keystone, settings)?;
    let what = &keystone.what;
    let begin = openid::endpoint(keystone, settings, "device_authorization_endpoint", "device_authorization_endpoint");
    let begin = soon(what, begin).await?;
    let end = soon(what, openid::endpoint(keystone, settings, "access_token_endpoint", "token_endpoint")).await?;
    let scope = settings.auth("openid_scope").unwrap_or("openid profile").to_owned();
    let asked = openid::ask(keystone, settings, &begin, vec![("scope".to_owned(), scope)]);
    let begun = soon(what, asked).await?;
    let whole = |key: &str| begun.text(key).filter(|text| !text.is_empty());
    let (Some(device), Some(user), Some(address)) = (
        whole("device_code"),
        whole("user_code"),
        // Some providers still use the name from drafts of the specification.
        whole("verification_uri").or(whole("verification_url")),
    ) else {
        return Err(begun.refusal(keystone));
    };
    let until = Instant::now() + Duration::from_secs(begun.number("expires_in").unwrap_or(LONGEST).min(LONGEST));
    answers.ask_to_open(&clean::short(address, 300), &clean::short(user, 60)).await?;
    let mut pause = begun.number("interval").unwrap_or(PAUSE).clamp(SHORTEST, 60);
    loop {
        let form = vec![
            ("grant_type".to_owned(), "urn:ietf:params:oauth:grant-type:device_code".to_owned()),
            ("device_code".to_owned(), device.to_owned()),
        ];
        let answer = soon(what, openid::ask(keystone, settings, &end, form)).await?;
        match answer.text("error") {
            Some("authorization_pending") => {}
            Some("slow_down") => pause += SLOWER,
            Some("access_denied") => {
                return Err(Error::new(Kind::NotAllowed, what, "it was refused in the browser").hint("sign in again"));
            }
            Some("expired_token") => return Err(too_late(what)),
            _ => return answer.token(keystone, settings),
        }
        if Instant::now() + Duration::from_secs(pause) >= until {
            return Err(too_late(what));
        }
        tokio::time::sleep(Duration::from_secs(pause)).await;
    }
}

fn too_late(what: &str) -> Error {
    Error::new(Kind::NotAllowed, what, "it was not confirmed in the browser in time: the code has expired")
        .hint("sign in again")
}

async fn soon<T>(what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(ANSWER, work).await.map_err(|_| context::timed_out(what, ANSWER))?
}
