//! Fetching the profile whose address an entry names: once, when the cloud is first contacted.

use std::time::Duration;

use url::Url;

use super::{
    keystone::tls,
    settings::{Remote, Settings},
    words,
};
use crate::shared::http::{self as shared, AllowedServers, Origin, Server, Tls};
use wharf_core::base::{
    context,
    error::{Error, Kind, Result},
};

/// How long the answer may take.
const ANSWER: Duration = Duration::from_secs(8);
/// Longest profile that is read, in bytes.
const LONGEST: usize = 256 << 10;

/// The settings of an entry combined with its profile, over which they take precedence.
pub(super) async fn with_profile(
    cloud: &str,
    settings: &Settings,
    remote: &Remote,
    reach: &AllowedServers,
) -> Result<Settings> {
    let what = format!("read the profile of {cloud}");
    let fetched = tokio::time::timeout(ANSWER, fetched(&what, settings, remote)).await;
    let fetched = fetched.unwrap_or_else(|_| Err(context::timed_out(&what, ANSWER)));
    let unusable = |kind: Kind, why: &str| {
        Error::new(kind, &what, format!("its profile at {} cannot be used: {why}", remote.url))
            .hint("check 'profile' in clouds.yaml, or name auth_url there instead of it")
    };
    let answer = fetched.map_err(|error| unusable(error.kind, &error.why))?;
    let whole = settings.combined_with(remote, &answer).map_err(|why| unusable(Kind::Unavailable, &why))?;
    let auth = whole.auth("auth_url").and_then(|text| Url::parse(text).ok()).as_ref().and_then(Origin::from_url);
    if let (Some(from), Some(to)) = (Origin::from_url(&remote.url), auth) {
        if from != to {
            reach.check(&what, &from, &to)?;
        }
    }
    Ok(whole)
}

async fn fetched(what: &str, settings: &Settings, remote: &Remote) -> Result<String> {
    // The client certificate is for the cloud only. The profile decides where the password is sent, so it must come
    // from that server itself, without redirects.
    let tls = Tls { identity: None, ..tls(settings) };
    let mut root = remote.url.clone();
    root.set_path("/");
    let server = Server::new(root, tls, AllowedServers::only(|_| false)).map_err(|error| error.during(what))?;
    if !server.origin().is_secure() && !server.origin().is_this_machine() {
        let why = format!(
            "{} is not encrypted: an attacker on the network could redirect the password to any server",
            server.origin()
        );
        return Err(Error::new(Kind::NotAllowed, what, why));
    }
    let answer = server.get(&server.address(remote.url.path())?)?.header("Accept", "application/json").send(what).await;
    let answer = answer.map_err(words::in_clouds_yaml)?;
    if !answer.status().is_success() {
        return Err(Error::new(Kind::Unavailable, what, format!("it is answered with {}", answer.status())));
    }
    let body = shared::body(answer, LONGEST, what).await?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}
