//! Adding a source from within Wharf: entries are made of a typed address, and their sources are tried before they are
//! kept. An added source that cannot be made is left out and told of: a mistake in it never keeps Wharf from starting.

use std::sync::Arc;

use super::parts::{Parts, Surroundings};
use wharf_core::{
    base::error::{Error, Result},
    config::{Config, ConfigEntry, EntryKinds},
    portal::{PortalParts, Source, own_sources::AddingParts},
    ports::SourceChoices,
};

/// Registers only the sources and backends of one type.
pub(super) type RegisterKind = fn(&str, &Config, &Surroundings, &mut Parts) -> Result<()>;

/// What a portal needs to try sources and to keep them in `choices`: entries are made by `kinds`, and sources of them by
/// `register`.
pub(super) fn parts(
    config: &Config,
    around: Arc<Surroundings>,
    (kinds, register): (EntryKinds, RegisterKind),
    choices: Arc<dyn SourceChoices>,
) -> AddingParts {
    let alone = Config { sources: Vec::new(), backends: Vec::new(), discover: false, ..config.clone() };
    let make = move |entry: &ConfigEntry| {
        let mut parts = Parts::default();
        let config = Config { sources: vec![entry.clone()], ..alone.clone() };
        register(&entry.kind, &config, &around, &mut parts)?;
        let made: Option<Source> = parts.sources.into_iter().find(|source| source.name == entry.name);
        made.ok_or_else(|| Error::unsupported(format!("add {}", entry.name), "its type makes no source of it"))
    };
    AddingParts { entries: Arc::new(move |typed| kinds.from_address(typed)), make: Box::new(make), choices }
}

/// Builds with all added sources; where that fails, with those of them that can be made, and the others are warnings.
///
/// # Errors
/// Those of building without any added source.
pub(super) fn without_faulty(config: Config, build: impl Fn(Config) -> Result<PortalParts>) -> Result<PortalParts> {
    if config.added.is_empty() {
        return build(config);
    }
    if let Ok(parts) = build(config.clone()) {
        return Ok(parts);
    }
    let mut good = config.clone().without_added();
    let mut parts = build(good.clone())?;
    for name in &config.added {
        let Some(entry) = config.sources.iter().find(|entry| entry.name == *name) else { continue };
        let mut with_it = good.clone();
        with_it.sources.push(entry.clone());
        with_it.added.push(name.clone());
        match build(with_it.clone()) {
            Ok(made) => (parts, good) = (made, with_it),
            Err(error) => {
                let warning = format!("the source {name}, which you added, is left out: {error}");
                good.warnings.push(warning.clone());
                parts.config.warnings.push(warning);
            }
        }
    }
    Ok(parts)
}
