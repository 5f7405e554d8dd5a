//! The questions that tell what a cluster has and allows, by its commands or by slurmrestd. What does not depend on each
//! other is asked side by side.

use std::{sync::Arc, time::Duration};

use super::{
    commands::Commands,
    kept_facts::{Answer, Membership},
    partitions::{self, Partition},
    rest::Rest,
    site::{accounts_of, of_controller, qualities_of},
};
use crate::shared::exec;
use wharf_core::base::error::{Error, Result};

/// How a cluster is asked.
#[derive(Clone)]
pub(super) struct Questions {
    /// Its commands.
    pub commands: Commands,
    /// What is asked in place of the commands, where there are none.
    pub rest: Option<Arc<Rest>>,
}

impl Questions {
    /// Asks for the partitions, and for what this person may use. With `quickly`, that is what the controller remembers,
    /// if it tells that; otherwise the database is asked.
    ///
    /// # Errors
    /// Those of [`Commands::ask`] if the partitions cannot be read. What this person may use is left out if it cannot be
    /// learnt.
    pub(super) async fn ask(&self, what: &str, partitions: bool, people: bool, quickly: bool) -> Result<Answer> {
        if let Some(rest) = &self.rest {
            let (site, groups) = tokio::join!(rest.site(what), groups());
            let site = site?;
            let people = Membership { accounts: site.accounts, qualities: site.qualities, groups, is_whole: true };
            return Ok(Answer { partitions: Some(site.partitions), people: Some(people) });
        }
        let (partitions, people) =
            tokio::join!(async { if partitions { self.partitions(what).await.map(Some) } else { Ok(None) } }, async {
                if people { Some(self.people(what, quickly).await) } else { None }
            },);
        let told = |told: Result<Membership>| {
            told.inspect_err(|error| tracing::debug!(%error, "what this person may use is not known")).ok()
        };
        Ok(Answer { partitions: partitions?, people: people.and_then(told) })
    }

    async fn partitions(&self, what: &str) -> Result<Vec<Partition>> {
        let nodes = partitions::nodes_arguments();
        let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
        let (limits, nodes) = tokio::join!(
            self.commands.ask(what, "scontrol", &["-a", "show", "partition", "-o"]),
            self.commands.ask(what, "sinfo", &nodes),
        );
        let mut all = partitions::partitions(&limits?);
        partitions::add_nodes(&mut all, &nodes?);
        Ok(all)
    }

    async fn people(&self, what: &str, quickly: bool) -> Result<Membership> {
        let user = whoami::username().unwrap_or_default();
        let (quick, groups) =
            tokio::join!(async { if quickly { self.remembered(what, &user).await } else { None } }, groups());
        if let Some(quick) = quick {
            return Ok(Membership { groups, ..quick });
        }
        let user = format!("user={user}");
        let accounts = ["-nP", "show", "assoc", "where", &user, "format=account,qos"];
        let (accounts, qualities) = tokio::join!(
            self.commands.ask(what, "sacctmgr", &accounts),
            self.commands.ask(what, "sacctmgr", &["-nP", "show", "qos", "format=name,maxwall"]),
        );
        let none = || Membership { groups: groups.clone(), is_whole: true, ..Membership::default() };
        match (accounts, qualities) {
            (Ok(accounts), qualities) => Ok(Membership {
                accounts: accounts_of(&accounts),
                is_whole: qualities.is_ok(),
                qualities: qualities.map(|text| qualities_of(&text)).unwrap_or_default(),
                ..none()
            }),
            // A cluster that keeps no accounts is known for that.
            (Err(error), _) if keeps_none(&error) => Ok(none()),
            (Err(error), _) => Err(error),
        }
    }

    /// What the controller remembers of this person; `None` where it tells nothing of that.
    async fn remembered(&self, what: &str, user: &str) -> Option<Membership> {
        let users = format!("users={user}");
        let arguments = ["-o", "show", "assoc_mgr", &users, "flags=assoc,qos"];
        let text = self.commands.ask(what, "scontrol", &arguments).await.ok()?;
        let (accounts, qualities) = of_controller(&text, user);
        (!accounts.is_empty()).then(|| Membership { accounts, qualities, ..Membership::default() })
    }
}

/// Whether the cluster has no database of accounts.
fn keeps_none(error: &Error) -> bool {
    ["accounting storage is disabled", "accounting_storage"].iter().any(|words| error.why.contains(words))
}

/// The names of this person's groups; none where they cannot be learnt.
pub(super) async fn groups() -> Vec<String> {
    let told = exec::run(&["id", "-Gn"], b"", 64 << 10, Duration::from_secs(5)).await;
    let text = told.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}
