//! Every character that the screens may use besides ASCII, and what stands for it where the terminal has only ASCII.
//!
//! Screens are always drawn with these characters. Where the terminal has only ASCII, [`Glyphs::apply`] replaces them in
//! the drawn frame, so that no screen needs to know. All of them take one column and none has a coloured form. Names
//! that come from elsewhere may hold other characters; those stay.

use std::borrow::Cow;

use ratatui::buffer::Buffer;

use super::plot::chart::Charts;
use wharf_core::config::{ChartSetting, GlyphSetting};

/// The characters and their ASCII forms. Braille is not listed: its form depends on how many dots it has.
pub const TABLE: &[(char, char)] = &[
    // Signs.
    ('\u{fffd}', '?'),
    ('✓', '+'),
    ('✗', 'x'),
    ('·', '.'),
    ('○', 'o'),
    ('●', '*'),
    ('◆', '@'),
    ('◇', 'O'),
    ('◷', '~'),
    ('◌', ','),
    ('‖', '"'),
    ('•', '*'),
    ('…', '~'),
    ('▸', '>'),
    ('▾', 'v'),
    ('▲', '^'),
    ('▼', 'v'),
    ('■', '#'),
    ('▰', '#'),
    ('▱', '-'),
    ('⇅', '='),
    ('↷', ')'),
    ('→', '>'),
    ('←', '<'),
    ('↑', '^'),
    ('↓', 'v'),
    ('‹', '<'),
    ('›', '>'),
    ('≡', '='),
    ('★', '*'),
    // The spinner.
    ('◐', '|'),
    ('◓', '/'),
    ('◑', '-'),
    ('◒', '\\'),
    // Punctuation.
    ('–', '-'),
    ('—', '-'),
    ('−', '-'),
    ('×', 'x'),
    ('“', '"'),
    ('”', '"'),
    ('‘', '\''),
    ('’', '\''),
    // Lines.
    ('─', '-'),
    ('━', '='),
    ('│', '|'),
    ('┃', '#'),
    ('┌', '+'),
    ('┐', '+'),
    ('└', '+'),
    ('┘', '+'),
    ('╭', '+'),
    ('╮', '+'),
    ('╰', '+'),
    ('╯', '+'),
    ('├', '+'),
    ('┤', '+'),
    ('┬', '+'),
    ('┴', '+'),
    ('┼', '+'),
    ('┝', '+'),
    ('┥', '+'),
    ('┯', '+'),
    ('┷', '+'),
    ('┿', '+'),
    ('┠', '+'),
    ('┨', '+'),
    ('┰', '+'),
    ('┸', '+'),
    ('╂', '+'),
    ('┏', '+'),
    ('┓', '+'),
    ('┗', '+'),
    ('┛', '+'),
    ('┣', '+'),
    ('┫', '+'),
    ('┳', '+'),
    ('┻', '+'),
    ('╋', '+'),
    // Blocks: heights, widths, shades.
    ('▁', '_'),
    ('▂', '.'),
    ('▃', '-'),
    ('▄', '='),
    ('▅', '+'),
    ('▆', '*'),
    ('▇', '%'),
    ('█', '#'),
    ('▀', '"'),
    ('▏', '.'),
    ('▎', ':'),
    ('▍', '-'),
    ('▌', '>'),
    ('▋', '='),
    ('▊', '='),
    ('▉', '#'),
    ('▐', '|'),
    ('▓', '%'),
    ('▒', ':'),
    ('░', '.'),
];

/// What the terminal can show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Glyphs {
    /// All characters of the table.
    #[default]
    Unicode,
    /// Their ASCII forms.
    Ascii,
}

/// What the environment says about the terminal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// The locale of characters: `LC_ALL`, else `LC_CTYPE`, else `LANG`; empty if none is set.
    pub locale: String,
    /// The terminal's type: `TERM`.
    pub term: String,
}

impl Environment {
    /// What the variables of this process say.
    pub fn from_variables() -> Self {
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        let named = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().map(variable).find(|value| !value.is_empty());
        Self { locale: named.unwrap_or_default(), term: variable("TERM") }
    }
}

impl Glyphs {
    /// The characters to use. Where nobody has named a locale, as in a container, the terminal is taken to be one of
    /// today, which shows Unicode.
    pub fn new(setting: GlyphSetting, environment: &Environment) -> Self {
        let locale = environment.locale.to_lowercase();
        let unicode = locale.is_empty() || locale.contains("utf-8") || locale.contains("utf8");
        match setting {
            GlyphSetting::Unicode => Self::Unicode,
            GlyphSetting::Ascii => Self::Ascii,
            GlyphSetting::Auto if unicode && !matches!(environment.term.as_str(), "linux" | "dumb") => Self::Unicode,
            GlyphSetting::Auto => Self::Ascii,
        }
    }

    /// The text as the terminal can show it.
    pub fn of_text(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Unicode => Cow::Borrowed(text),
            Self::Ascii => text.chars().map(|c| ascii(c).unwrap_or(c)).collect(),
        }
    }

    /// Replaces the characters of a drawn frame, where the terminal has only ASCII.
    pub fn apply(self, drawn: &mut Buffer) {
        if self == Self::Unicode {
            return;
        }
        for cell in &mut drawn.content {
            let mut chars = cell.symbol().chars();
            if let (Some(only), None) = (chars.next(), chars.next()) {
                if let Some(form) = ascii(only) {
                    cell.set_char(form);
                }
            }
        }
    }
}

/// What charts are drawn with. Braille needs a font that has it, which a terminal without Unicode does not.
pub fn charts(setting: ChartSetting, glyphs: Glyphs) -> Charts {
    match (setting, glyphs) {
        (ChartSetting::Braille, _) | (ChartSetting::Auto, Glyphs::Unicode) => Charts::Braille,
        (ChartSetting::Blocks, _) | (ChartSetting::Auto, Glyphs::Ascii) => Charts::Blocks,
        (ChartSetting::Off, _) => Charts::Off,
    }
}

/// The ASCII form of a character that the screens use; `None` for ASCII itself and for any other character.
pub fn ascii(glyph: char) -> Option<char> {
    match glyph {
        '\u{20}'..='\u{7e}' => None,
        // The eight dots of a braille pattern are the bits of its number.
        '\u{2800}'..='\u{28ff}' => Some(match (u32::from(glyph) - 0x2800).count_ones() {
            0 => ' ',
            1 | 2 => '.',
            3 | 4 => ':',
            5 | 6 => '%',
            _ => '#',
        }),
        _ => TABLE.iter().find(|(known, _)| *known == glyph).map(|(_, form)| *form),
    }
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use unicode_width::UnicodeWidthChar;
    use wharf_core::base::small_file;

    use super::*;

    #[test]
    fn every_character_takes_one_column_and_stands_once_with_an_ascii_form() {
        for (place, (glyph, form)) in TABLE.iter().enumerate() {
            assert_eq!(glyph.width(), Some(1), "{glyph}");
            assert!(form.is_ascii_graphic(), "{glyph}");
            assert!(TABLE.iter().skip(place + 1).all(|(other, _)| other != glyph), "{glyph} stands twice");
        }
        // Terminals draw these in two columns or in colour.
        for wide in "✉‼▶⚠↗⏸✔🔒".chars() {
            assert_eq!(ascii(wide), None);
        }
    }

    #[test]
    fn the_sources_of_the_screens_use_no_other_character() {
        let mut folders = vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR"))];
        let mut unknown = std::collections::BTreeSet::new();
        while let Some(folder) = folders.pop() {
            for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
                    let text = small_file::text(&path).unwrap();
                    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
                    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
                    let foreign = lines.flat_map(str::chars).filter(|c| !c.is_ascii() && ascii(*c).is_none());
                    unknown.extend(foreign.map(|c| format!("{c} in {}", path.display())));
                }
            }
        }
        assert!(unknown.is_empty(), "add these to the table, or use another: {unknown:?}");
    }

    #[test]
    fn a_terminal_gets_what_its_locale_and_type_can_show() {
        let given = |locale: &str, term: &str| {
            let environment = Environment { locale: locale.into(), term: term.into() };
            Glyphs::new(GlyphSetting::Auto, &environment)
        };
        for (locale, term) in [("en_GB.UTF-8", "xterm"), ("C.utf8", "screen"), ("", "xterm-256color")] {
            assert_eq!(given(locale, term), Glyphs::Unicode, "{locale} {term}");
        }
        for (locale, term) in [("de_DE.ISO-8859-1", "xterm"), ("C", "xterm"), ("C.UTF-8", "linux"), ("", "dumb")] {
            assert_eq!(given(locale, term), Glyphs::Ascii, "{locale} {term}");
        }
        let linux = Environment { locale: String::new(), term: "linux".into() };
        assert_eq!(Glyphs::new(GlyphSetting::Unicode, &linux), Glyphs::Unicode);
        assert_eq!(charts(ChartSetting::Auto, Glyphs::Ascii), Charts::Blocks);
        assert_eq!(charts(ChartSetting::Braille, Glyphs::Ascii), Charts::Braille);
    }

    #[test]
    fn a_frame_becomes_ascii_but_for_foreign_names() {
        let mut drawn = Buffer::empty(Rect::new(0, 0, 12, 1));
        drawn.set_string(0, 0, "✓ ━─⣿⡀ 日é", ratatui::style::Style::default());
        Glyphs::Unicode.apply(&mut drawn);
        assert_eq!(drawn.content[0].symbol(), "✓");
        Glyphs::Ascii.apply(&mut drawn);
        let text: String = drawn.content.iter().map(ratatui::buffer::Cell::symbol).collect();
        assert_eq!(text.trim_end(), "+ =-#. 日 é");
    }
}
