//! Asking what a cluster has and allows, by its commands or by slurmrestd. The answers are kept for ten minutes.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::{
    commands::Commands,
    partitions,
    rest::Rest,
    site::{Site, accounts_of, qualities_of},
};
use crate::shared::exec;
use wharf_core::base::error::Result;

/// How long the facts are kept.
const KEPT: Duration = Duration::from_secs(600);

/// The facts of a cluster, asked for when they are needed and kept for ten minutes.
#[derive(Default)]
pub(super) struct Facts(Mutex<Option<(Instant, Site)>>);

impl Facts {
    /// What the cluster has and allows.
    ///
    /// # Errors
    /// Those of [`Commands::ask`] if its partitions cannot be read. Accounts that cannot be read are left out: Slurm
    /// takes the person's own default then.
    pub(super) async fn site(&self, commands: &Commands, rest: Option<&Rest>, what: &str) -> Result<Site> {
        let mut kept = self.0.lock().await;
        if let Some((when, site)) = kept.as_ref() {
            if when.elapsed() < KEPT {
                return Ok(site.clone());
            }
        }
        let mut site = match rest {
            Some(rest) => {
                let (site, groups) = tokio::join!(rest.site(what), groups());
                Site { groups, ..site? }
            }
            None => ask(commands, what).await?,
        };
        site.root = rustix::process::geteuid().is_root();
        *kept = Some((Instant::now(), site.clone()));
        Ok(site)
    }
}

async fn ask(commands: &Commands, what: &str) -> Result<Site> {
    let nodes = partitions::nodes_arguments();
    let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
    let user = format!("user={}", whoami::username().unwrap_or_default());
    let accounts = ["-nP", "show", "assoc", "where", &user, "format=account,qos"];
    // They do not depend on each other, and each costs a program's start.
    let (partitions, nodes, accounts, qualities, groups) = tokio::join!(
        commands.ask(what, "scontrol", &["-a", "show", "partition", "-o"]),
        commands.ask(what, "sinfo", &nodes),
        commands.ask(what, "sacctmgr", &accounts),
        commands.ask(what, "sacctmgr", &["-nP", "show", "qos", "format=name,maxwall"]),
        groups(),
    );
    let mut site = Site {
        partitions: partitions::partitions(&partitions?),
        accounts: accounts.map(|text| accounts_of(&text)).unwrap_or_default(),
        qualities: qualities.map(|text| qualities_of(&text)).unwrap_or_default(),
        groups,
        root: false,
    };
    partitions::add_nodes(&mut site.partitions, &nodes?);
    Ok(site)
}

/// The names of this person's groups; none where they cannot be learnt.
async fn groups() -> Vec<String> {
    let told = exec::run(&["id", "-Gn"], b"", 64 << 10, Duration::from_secs(5)).await;
    let text = told.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}
