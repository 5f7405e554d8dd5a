//! How the screens are drawn: which characters and which charts the terminal can show.

use serde::Deserialize;

macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$what:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $name {
            /// As the environment says: locale and `TERM`.
            #[default]
            Auto,
            $($(#[$what])* $variant,)+
        }

        impl $name {
            /// The words of the setting, for messages.
            pub const WORDS: &'static [&'static str] = &["auto", $($word),+];

            /// The value of a word; `None` for any other word.
            pub fn parse(word: &str) -> Option<Self> {
                match word {
                    "auto" => Some(Self::Auto),
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

words! {
    /// Which characters the screens use (`glyphs`).
    GlyphSetting {
        /// Signs, lines and blocks of Unicode.
        Unicode = "unicode",
        /// ASCII only, except in names that come from elsewhere.
        Ascii = "ascii",
    }
}

words! {
    /// What charts are drawn with (`charts`).
    ChartSetting {
        /// Braille, in which a column holds two readings.
        Braille = "braille",
        /// Blocks, which more fonts have.
        Blocks = "blocks",
        /// No charts: the numbers alone.
        Off = "off",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_variables_take_the_same_words() {
        #[derive(Deserialize)]
        struct File {
            glyphs: GlyphSetting,
        }
        for word in GlyphSetting::WORDS {
            let file: File = toml::from_str(&format!("glyphs = '{word}'")).unwrap();
            assert_eq!(GlyphSetting::parse(word), Some(file.glyphs));
        }
        assert!(ChartSetting::WORDS.iter().all(|word| ChartSetting::parse(word).is_some()));
        assert_eq!((GlyphSetting::parse("ASCII"), ChartSetting::parse("")), (None, None));
    }
}
