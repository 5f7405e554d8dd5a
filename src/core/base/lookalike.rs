//! Names that look the same though they are written in different characters.
//!
//! A letter with a mark is one character or two, small letters stand for capital ones, and many letters of one script are
//! drawn as those of another ('а' of Cyrillic and 'a'), so people cannot tell such names apart, and neither may what
//! decides by a name. Forms of a name are for comparing only, and never shown.

use unicode_normalization::UnicodeNormalization;

use super::clean;

/// The name without its case and without what is not seen: equal for names that are the same in other characters (NFKC and
/// case folding; Unicode Standard, 3.13).
pub fn folded(name: &str) -> String {
    // By way of the capital letters, 'ß' is 'ss', and both forms of sigma are one.
    seen(name).flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfkc().collect()
}

/// Whether people could take one name for the other (skeletons; UTS #39, section 4).
pub fn look_alike(one: &str, other: &str) -> bool {
    let skeleton = |name: &str| folded(&unicode_security::skeleton(name).collect::<String>());
    let same = |one: &str, other: &str| skeleton(one) == skeleton(other);
    let as_written = |name: &str| seen(name).collect::<String>();
    // A name of which nothing is seen looks like none.
    let (one_folded, other_folded) = (folded(one), folded(other));
    if one_folded.is_empty() || other_folded.is_empty() {
        return false;
    }
    // A capital letter looks like others than its small one does: 'I' like 'l', and Cyrillic 'В' like 'B'.
    same(&one_folded, &other_folded) || same(&as_written(one), &as_written(other))
}

fn seen(name: &str) -> impl Iterator<Item = char> {
    name.nfkc().filter(|c| !c.is_whitespace() && !clean::is_hidden(*c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cannot_be_told_apart_are_alike_and_others_are_not() {
        for (one, other) in [
            ("Zo\u{eb}", "Zoe\u{308}"),
            ("Zo\u{eb}", "ZOE\u{308}"),
            ("Ada L", " ada  l"),
            ("Ada L", "Ada\u{a0}L"),
            ("Ada", "A\u{200b}da"),
            ("Ada", "A\u{fffd}da"),
            ("Ada", "\u{ff21}\u{ff44}\u{ff41}"),
            ("Ada", "\u{410}da"),
            ("ada", "ad\u{430}"),
            ("Bob", "\u{412}\u{43e}b"),
            ("Bob", "B0b"),
            ("Ian", "lan"),
            ("Adam", "Adarn"),
            ("Stra\u{df}e", "STRASSE"),
            ("\u{3a3}\u{3af}\u{3c3}\u{3c5}\u{3c6}\u{3bf}\u{3c2}", "\u{3a3}\u{38a}\u{3a3}\u{3a5}\u{3a6}\u{39f}\u{3a3}"),
        ] {
            assert!(look_alike(one, other) && look_alike(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("Ada", "Eda"),
            ("Zo\u{eb}", "Zoe"),
            ("Ada", "Ada L"),
            ("Ada", ""),
            ("\u{fffd}", ""),
            ("\u{674e}", "\u{674f}"),
        ] {
            assert!(!look_alike(one, other), "{one} {other}");
        }
        assert_eq!(folded("Zo\u{eb}"), folded("zoe\u{308}"));
        assert_ne!(folded("Ian"), folded("lan"), "people may have both names");
    }

    proptest::proptest! {
        #[test]
        fn a_name_is_like_itself_in_every_normal_form(name in "\\PC{0,20}") {
            for form in [name.nfc().collect::<String>(), name.nfd().collect(), name.nfkc().collect(), name.nfkd().collect()] {
                proptest::prop_assert_eq!(folded(&name), folded(&form));
                proptest::prop_assert!(look_alike(&name, &form) || folded(&name).is_empty(), "{} {}", name, form);
            }
        }

        #[test]
        fn a_name_is_like_itself_in_capital_letters(name in "[a-zA-Zß-öø-ÿα-ωа-яё ]{0,20}") {
            proptest::prop_assert_eq!(folded(&name), folded(&name.to_uppercase()));
            proptest::prop_assert!(look_alike(&name, &name.to_uppercase()) || name.trim().is_empty());
        }
    }
}
