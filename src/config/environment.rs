//! Settings from environment variables; they override the files.

use std::path::PathBuf;

use super::{entries::is_name, file::set};
use wharf_core::{
    base::{
        clean,
        error::{Error, Result},
    },
    config::{ChartSetting, Config, ConfigEntry, EntryKinds, GlyphSetting},
};

/// The value of a variable; an empty one counts as unset.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The value of a variable that takes one of these words.
fn word<T>(name: &str, parse: fn(&str) -> Option<T>, words: &[&str]) -> Result<Option<T>> {
    let Some(text) = variable(name) else { return Ok(None) };
    match parse(&text) {
        Some(value) => Ok(Some(value)),
        None => {
            let what = format!("{name}={}", clean::short(&text, 40));
            Err(Error::usage(what, format!("not one of {}", words.join(", "))))
        }
    }
}

/// Applies environment variables over what the files set.
///
/// # Errors
/// [`Kind::Usage`](wharf_core::base::error::Kind::Usage) where a variable holds none of the words that it takes.
pub(super) fn environment(config: &mut Config, kinds: &EntryKinds) -> Result<()> {
    let flag = |name: &str| -> Result<Option<bool>> {
        match variable(name).map(|value| value.to_lowercase()).as_deref() {
            None => Ok(None),
            Some("1" | "true" | "yes" | "on") => Ok(Some(true)),
            Some("0" | "false" | "no" | "off") => Ok(Some(false)),
            Some(other) => Err(Error::usage(format!("{name}={other}"), "not yes or no")),
        }
    };
    set(&mut config.person, variable("WHARF_PERSON"));
    set(&mut config.mail, variable("WHARF_MAIL"));
    set(&mut config.theme, variable("WHARF_THEME"));
    set(&mut config.mouse, flag("WHARF_MOUSE")?);
    set(&mut config.glyphs, word("WHARF_GLYPHS", GlyphSetting::parse, GlyphSetting::WORDS)?);
    set(&mut config.plain, flag("WHARF_PLAIN")?);
    set(&mut config.charts, word("WHARF_CHARTS", ChartSetting::parse, ChartSetting::WORDS)?);
    set(&mut config.discover, flag("WHARF_DISCOVER")?);
    set(&mut config.secret_file, flag("WHARF_SECRET_FILE")?);
    set(&mut config.cache_dir, variable("WHARF_CACHE_DIR").map(PathBuf::from));
    set(&mut config.state_dir, variable("WHARF_STATE_DIR").map(PathBuf::from));
    config.keymap = variable("WHARF_KEYMAP").map(PathBuf::from).or(config.keymap.take());
    set(
        &mut config.image_folders,
        variable("WHARF_IMAGE_FOLDERS").map(|folders| std::env::split_paths(&folders).collect()),
    );
    let Some((kind, setting)) = kinds.of_address() else { return Ok(()) };
    for address in variable("WHARF_REGISTRIES").unwrap_or_default().split_whitespace() {
        let host = address.split_once("://").map_or(address, |(_, rest)| rest).trim_end_matches('/');
        if !is_name(&host.replace(':', ".")) {
            // The word itself is not shown: it may hold a password.
            let why = "a word in it is no address of a registry: no path, no account, no password";
            return Err(Error::usage("read WHARF_REGISTRIES", why)
                .hint("write addresses like https://registry.example.org, with spaces between them"));
        }
        // The user's own entry for that registry may hold more settings than the variable.
        let same = |known: &str| known.trim_end_matches('/') == address.trim_end_matches('/');
        if config.sources.iter().any(|known| known.text(setting).is_some_and(same)) {
            continue;
        }
        let settings = toml::Table::from_iter([(setting.to_owned(), address.into())]);
        config.sources.push(ConfigEntry::new(host, kind, "WHARF_REGISTRIES", settings));
    }
    Ok(())
}
