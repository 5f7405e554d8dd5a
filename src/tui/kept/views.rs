//! Which panes of each screen a person wants to see, kept in the state folder.

use std::{collections::BTreeMap, fs, io, path::Path};

use wharf_core::base::small_file;

use crate::kit::{
    keymap::SCOPES,
    layout::{Alone, View},
};

const FILE: &str = "panes";

/// The words of the file.
const HIDDEN: &str = "hidden";
const FOCUSED: &str = "alone";
const OTHER: &str = "other-alone";

/// Which panes of each screen are shown, by the screen's scope of the key map.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Views(BTreeMap<&'static str, View>);

impl Views {
    /// What a screen shows; all of its panes where nothing else was chosen.
    pub fn of(&self, scope: &str) -> View {
        self.0.get(scope).copied().unwrap_or_default()
    }

    /// Chooses what a screen shows. A name that is no screen's is left out.
    pub fn set(&mut self, scope: &str, view: View) {
        if let Some(known) = SCOPES.iter().find(|known| **known == scope) {
            self.0.insert(known, view);
        }
    }
}

/// The views as they were left. What cannot be read counts as not chosen.
pub fn views(state_dir: &Path) -> Views {
    let text = small_file::text(state_dir.join(FILE)).unwrap_or_default();
    let mut views = Views::default();
    for (scope, words) in text.lines().filter_map(|line| line.split_once('=')) {
        let mut view = View::default();
        for word in words.split_whitespace() {
            match word {
                HIDDEN => view.hidden = true,
                FOCUSED => view.alone = Alone::Focused,
                OTHER => view.alone = Alone::Other,
                _ => {}
            }
        }
        views.set(scope.trim(), view);
    }
    views
}

/// Keeps what a screen shows, beside what is kept of the others by now.
pub fn keep(state_dir: &Path, scope: &str, view: View) -> io::Result<()> {
    let mut views = views(state_dir);
    views.set(scope, view);
    let line = |(scope, view): (&&str, &View)| {
        let alone = match view.alone {
            Alone::None => None,
            Alone::Focused => Some(FOCUSED),
            Alone::Other => Some(OTHER),
        };
        let words: Vec<&str> = view.hidden.then_some(HIDDEN).into_iter().chain(alone).collect();
        (!words.is_empty()).then(|| format!("{scope} = {}\n", words.join(" ")))
    };
    let text: String = views.0.iter().filter_map(line).collect();
    fs::write(state_dir.join(FILE), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_screen_is_as_it_was_left() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(views(folder.path()), Views::default());
        let catalog = View { hidden: true, alone: Alone::None };
        let inbox = View { hidden: false, alone: Alone::Other };
        keep(folder.path(), "catalog", catalog).unwrap();
        keep(folder.path(), "inbox", inbox).unwrap();
        let left = views(folder.path());
        assert_eq!((left.of("catalog"), left.of("inbox"), left.of("image")), (catalog, inbox, View::default()));
        keep(folder.path(), "catalog", View::default()).unwrap();
        assert_eq!(views(folder.path()).of("catalog"), View::default());
        assert_eq!(small_file::text(folder.path().join(FILE)).unwrap(), "inbox = other-alone\n");
    }

    #[test]
    fn a_file_that_somebody_has_changed_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "catalog = loud alone\nnowhere = hidden\n=\n").unwrap();
        let left = views(folder.path());
        assert_eq!(left.of("catalog"), View { hidden: false, alone: Alone::Focused });
        assert_eq!(left.of("nowhere"), View::default());
        fs::write(folder.path().join(FILE), [0xff, 0]).unwrap();
        assert_eq!(views(folder.path()), Views::default());
    }
}
