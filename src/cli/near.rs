//! The remedy for a word that names no image: images of the lists here whose name is nearly that.

use std::sync::Arc;

use wharf_core::{
    base::{
        context::Context,
        error::{Error, Kind},
    },
    catalog::rows::RowSet,
    image::reference::short_name,
    portal::Portal,
    ports::Listing,
};

/// The most names that are told.
const MOST: usize = 3;

/// The error of a verb about `typed`, with the images that may have been meant where nothing of that name was found.
pub(crate) async fn with_near_names(portal: &Portal, typed: &str, error: Error) -> Error {
    let lost = matches!(error.kind, Kind::NotFound | Kind::NotAllowed | Kind::Unavailable);
    let Some(word) = short_name(typed).filter(|_| lost) else { return error };
    let meant = near(portal, word).await;
    if meant.is_empty() {
        return error;
    }
    let before = if error.hint.is_empty() { String::new() } else { format!("; {}", error.hint) };
    let hint = format!("images here with nearly that name: {}{before}", meant.join(", "));
    error.hint(hint)
}

/// References of images whose last part is nearly the last part of the word: in the lists that are kept, and in those
/// of this machine, which nobody has to be asked for.
async fn near(portal: &Portal, word: &str) -> Vec<String> {
    let mut lists: Vec<(String, Arc<RowSet>)> = portal
        .catalog
        .kept_lists()
        .await
        .unwrap_or_default()
        .into_iter()
        .map(|list| (list.source, list.rows))
        .collect();
    for source in portal.sources.facts() {
        let known = lists.iter().any(|(name, _)| *name == source.name);
        if known || !source.abilities.is_local || source.listing == Listing::SearchOnly {
            continue;
        }
        // Only the whole list is wanted, which is the answer: nobody takes what is sent before.
        let (growing, _) = tokio::sync::mpsc::channel(1);
        if let Ok(list) = portal.catalog.list(&Context::default(), &source.name, None, growing).await {
            lists.push((source.name.clone(), list.rows));
        }
    }
    let mut meant = Vec::new();
    for (source, set) in &lists {
        let fits = (0..set.len()).filter_map(|at| set.get(at)).filter(|row| is_near(row.name, word));
        let named = fits.filter_map(|row| portal.sources.row(source, row.name, row.favourite_tag()).ok());
        meant.extend(named.map(|reference| reference.short_text()).take(MOST));
    }
    meant.truncate(MOST);
    meant
}

/// Whether the last parts of two names are the same but for one letter.
fn is_near(name: &str, word: &str) -> bool {
    let last = |text: &str| text.rsplit('/').next().unwrap_or_default().to_lowercase();
    let (one, other) = (last(name), last(word));
    let (short, long) = if one.len() <= other.len() { (&one, &other) } else { (&other, &one) };
    if one == other || long.len() < 3 || long.len() - short.len() > 1 {
        return one == other;
    }
    let alike = short.bytes().zip(long.bytes()).take_while(|(a, b)| a == b).count();
    let skip = usize::from(long.len() == short.len());
    long.as_bytes()[alike + 1..] == short.as_bytes()[(alike + skip).min(short.len())..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_one_letter_more_less_or_wrong_is_near() {
        for word in ["look", "loook", "lok", "lock", "wharf/look"] {
            assert!(is_near("starter/look", word), "{word}");
        }
        for word in ["loaf", "lo", "looking", "", "l"] {
            assert!(!is_near("look", word), "{word}");
        }
    }
}
