//! The shared store of requests: SQLite for one person or one machine, PostgreSQL for a cluster.

mod address;
mod overview;
pub mod postgres;
mod rules;
pub mod spool;
pub mod sqlite;
mod values;
mod worker;

use std::sync::Arc;

pub use self::values::read;
use self::worker::worker;
use wharf_core::{base::error::Result, config::Config, ports::store::Store, request::Caller};

/// The store that the configuration names.
pub fn open(config: &Config) -> Result<Arc<dyn Store>> {
    let wanted = &config.requests.store;
    let worker = worker();
    if wanted.starts_with("postgres://") || wanted.starts_with("postgresql://") {
        return Ok(Arc::new(postgres::Postgres::new(wanted, worker)?));
    }
    let path = if wanted.is_empty() { config.state_dir.join("requests.db") } else { wanted.into() };
    let rules = &config.requests;
    let alone = rules.approvers.is_empty();
    // A name that a person gives proves nothing. Where decisions need signatures, the signature says who decided.
    let said = alone || rules.signed_decisions;
    let person = if said { config.person.clone() } else { address::login().unwrap_or_default() };
    let me = Caller {
        approver: alone || rules.approvers.contains(&person),
        person,
        steward: true,
        own: rules.self_approval.unwrap_or(alone),
    };
    Ok(Arc::new(sqlite::SqliteStore::new(path, me, worker).with_one_group(said)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_core::config::Requests;

    #[tokio::test]
    async fn where_approvers_are_named_nobody_says_who_they_are_without_a_signature() {
        let folder = tempfile::tempdir().unwrap();
        let me = async |approvers: &[&str], signed_decisions| {
            let approvers = approvers.iter().map(|name| (*name).to_owned()).collect();
            let requests = Requests { approvers, signed_decisions, ..Requests::default() };
            let config =
                Config { state_dir: folder.path().to_owned(), person: "carol".into(), requests, ..Config::default() };
            open(&config).unwrap().caller().await.unwrap()
        };
        let login = address::login().unwrap();
        let claimed = me(&["carol"], false).await;
        assert_eq!((claimed.person.as_str(), claimed.approver), (login.as_str(), false));
        assert!(me(&["carol", &login], false).await.approver);
        assert!(me(&["carol"], true).await.approver, "a signature says who it was");
        assert!(me(&[], false).await.approver, "alone");
    }
}
