//! `~` in a settings file: shells replace it by the home folder, and settings are read by no shell. A path or an address
//! with it would silently mean a folder of that name, so it is refused where it is written.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use wharf_core::base::{mistakes::Mistake, text::line_of};

/// Every path or address in the text that begins with `~`. Text that is not TOML gives none: that is reported elsewhere.
pub(super) fn mistakes(text: &str) -> Vec<Mistake> {
    let mut found = Vec::new();
    if let Ok(table) = DeTable::parse(text) {
        of_table(text, table.get_ref(), &mut found);
    }
    found
}

fn of_table(text: &str, table: &DeTable<'_>, found: &mut Vec<Mistake>) {
    table.iter().for_each(|(key, value)| of_value(text, key.get_ref(), value, found));
}

fn of_value(text: &str, key: &str, value: &Spanned<DeValue<'_>>, found: &mut Vec<Mistake>) {
    match value.get_ref() {
        DeValue::String(word) if is_home(word) => {
            let line = line_of(text, Some(value.span().start));
            let words = format!("{key}: only shells know '~': write the whole path, like /home/NAME/…");
            found.push(Mistake { line, words });
        }
        DeValue::Array(all) => all.iter().for_each(|one| of_value(text, key, one, found)),
        DeValue::Table(table) => of_table(text, table, found),
        _ => {}
    }
}

fn is_home(word: &str) -> bool {
    word == "~" || word.starts_with("~/") || word.contains("://~")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_is_told_with_its_line_and_key_wherever_a_path_may_be() {
        let text = "cache_dir = '~/cache'\nimage_folders = ['/a',\n  '~']\n[[source]]\nname = 's'\ntype = 'engine'\nurl = 'unix://~/x.sock'\n[filters]\nmine = 'gromacs ~'\n";
        let found: Vec<(usize, String)> =
            mistakes(text).into_iter().map(|one| (one.line, one.words.split(':').next().unwrap().to_owned())).collect();
        assert_eq!(found, [(1, "cache_dir".to_owned()), (3, "image_folders".to_owned()), (7, "url".to_owned())]);
        assert!(mistakes("url = 'https://host/~ada/images'").is_empty() && mistakes("no = [TOML").is_empty());
    }
}
