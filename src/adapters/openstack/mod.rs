//! OpenStack clouds: VM images (Glance), who may use them, and servers (Nova).
//!
//! `openstack_sdk` signs in, reads `clouds.yaml` and finds the services. The calls themselves are ours: its pager ends
//! on endpoints that are IP addresses, and its generated calls would be most of our build.

mod answers;
mod asking;
mod catalog;
mod cloud;
mod disks;
mod import;
mod plan;
mod servers;
mod service;
mod sharing;
mod transfers;
mod volumes;
mod words;

use std::{path::PathBuf, sync::Arc};

use openstack_sdk::config::{CloudConfig, ConfigFile};

use self::cloud::Cloud;
use crate::{
    adapters::{Parts, Surroundings},
    core::{
        clean,
        config::{Config, SourceConfig},
        doctor::State,
        error::{Error, Result},
        portal::Source,
    },
};

/// What a cloud shows as a source.
pub struct Images {
    cloud: Arc<Cloud>,
    /// Held while an image is made of a volume: many who want it at once get one.
    making: tokio::sync::Mutex<()>,
    /// What the form of a server offered last.
    offered_now: tokio::sync::Mutex<Option<(std::time::Instant, Arc<plan::Facts>)>>,
}

impl Images {
    fn new(cloud: Arc<Cloud>) -> Self {
        Self { cloud, making: tokio::sync::Mutex::default(), offered_now: tokio::sync::Mutex::default() }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Every cloud that this person's files and environment name, in the order of their names.
fn clouds() -> Result<Vec<(String, CloudConfig, String)>> {
    let what = "read clouds.yaml";
    let broken = |error: &dyn std::fmt::Display| {
        Error::usage(what, clean::short(&error.to_string(), 300)).hint("correct the file; the other sources work")
    };
    // openstackclient's own variables; the library knows another one beside the usual places.
    let (file, secure) = (variable("OS_CLIENT_CONFIG_FILE"), variable("OS_CLIENT_SECURE_FILE"));
    let files = ConfigFile::new_with_user_specified_configs(file.clone().map(PathBuf::from), secure.map(PathBuf::from))
        .map_err(|error| broken(&error))?;
    let mut names = files.get_available_clouds();
    names.sort();
    let mut found = Vec::new();
    for name in names {
        if let Some(config) = files.get_cloud_config(&name).map_err(|error| broken(&error))? {
            found.push((name, config, file.clone().unwrap_or_else(|| "clouds.yaml".to_owned())));
        }
    }
    if variable("OS_AUTH_URL").is_some() {
        let config = CloudConfig::from_env().map_err(|error| broken(&error))?;
        found.push(("openstack".to_owned(), config, "OS_AUTH_URL".to_owned()));
    }
    Ok(found)
}

/// Clouds from the configuration (`type = "openstack"`, `url` is the name in `clouds.yaml`) and all that are found.
pub fn register(config: &Config, around: &Surroundings, parts: &mut Parts) -> Result<()> {
    let known = match clouds() {
        Ok(known) => known,
        Err(error) => {
            parts.note("OpenStack clouds", State::Bad, error.why, &error.hint);
            return Ok(());
        }
    };
    let found = || {
        let source = |(name, cloud, origin): &(String, CloudConfig, String)| SourceConfig {
            name: clean::short(&name.replace(|c: char| c.is_whitespace() || c == '/' || c == ':', "-"), 60),
            adapter: "openstack".into(),
            url: name.clone(),
            origin: origin.clone(),
            user: cloud.auth.as_ref().and_then(|auth| auth.username.clone().or(auth.user_id.clone())),
            ..SourceConfig::default()
        };
        known.iter().map(source).collect()
    };
    let wanted = parts.wanted(config, "openstack", found);
    if wanted.is_empty() {
        parts.note(
            "OpenStack clouds",
            State::Caution,
            "none in clouds.yaml or the environment",
            "put clouds.yaml into ~/.config/openstack, as your cloud's dashboard offers it",
        );
    }
    for written in wanted {
        let Some((_, cloud, _)) = known.iter().find(|(name, ..)| *name == written.url) else {
            let names: Vec<&str> = known.iter().map(|(name, ..)| name.as_str()).collect();
            return Err(Error::usage(
                format!("source '{}'", written.name),
                format!("no cloud is called '{}' in clouds.yaml", written.url),
            )
            .hint(format!("'url' is the name of one of: {}", names.join(", "))));
        };
        let cloud =
            Arc::new(Cloud::new(written.name.clone(), cloud.clone(), around.vault.clone(), around.reach.clone()));
        let images = Arc::new(Images::new(cloud.clone()));
        parts.sources.push(Source {
            name: written.name.clone(),
            adapter: "openstack",
            address: cloud.address(),
            origin: written.origin.clone(),
            catalog: images.clone(),
            content: None,
            sharer: Some(images.clone()),
            disks: Some(images.clone()),
        });
        parts.launchers.push(images);
    }
    Ok(())
}
