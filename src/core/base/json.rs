//! Checking that all readers understand a JSON document in the same way.
//!
//! Engines are written in Go, whose JSON reader ignores case and uses the last of equal keys: a document with `layers`
//! and `Layers` would be one image here and another one there, under the same digest. Such documents are refused.
//! (I-JSON, RFC 7493 section 2.3, which the image specification requires: no name occurs twice.)

use std::{borrow::Cow, collections::HashSet, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// Objects whose keys are chosen by people: there, keys that differ in case are different.
const CHOSEN: [&str; 4] = ["annotations", "Labels", "ExposedPorts", "Volumes"];

/// Why readers may disagree about a document, or why it is no JSON; `Ok` if all understand it alike.
///
/// `names` are the keys with a meaning: a key that differs from one of them only in case is refused too.
pub fn same_to_all(bytes: &[u8], names: &'static [&'static str]) -> Result<(), String> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let walk = DepthVisitor { names, chosen: false };
    walk.deserialize(&mut reader).and_then(|()| reader.end()).map_err(|error| error.to_string())
}

/// A key as Go compares it: without case, and with two further letters for s and k.
fn folded(key: &str) -> String {
    key.chars().flat_map(char::to_lowercase).map(|letter| if letter == 'ſ' { 's' } else { letter }).collect()
}

/// Visits a value without keeping it.
#[derive(Clone, Copy)]
struct DepthVisitor {
    names: &'static [&'static str],
    /// Whether it is an object whose keys are chosen by people.
    chosen: bool,
}

impl DepthVisitor {
    /// Why a key cannot be accepted after those that were seen.
    fn refuses(self, key: &str, seen: &mut HashSet<String>) -> Option<String> {
        let shown = super::clean::short(key, 40);
        let same = if self.chosen { key.to_owned() } else { folded(key) };
        if !self.chosen {
            if let Some(meant) = self.names.iter().find(|name| **name != key && folded(name) == same) {
                return Some(format!("it has a key '{shown}', which some read as '{meant}'"));
            }
        }
        (!seen.insert(same)).then(|| format!("it has the key '{shown}' twice"))
    }
}

impl<'de> DeserializeSeed<'de> for DepthVisitor {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for DepthVisitor {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<(), A::Error> {
        let inner = Self { chosen: false, ..self };
        while all.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            if let Some(why) = self.refuses(&key, &mut seen) {
                return Err(A::Error::custom(why));
            }
            map.next_value_seed(Self { chosen: CHOSEN.contains(&&*key), ..self })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[&str] = &["layers", "manifests", "config"];

    #[test]
    fn a_document_that_readers_disagree_on_is_refused() {
        for text in [
            r#"{"layers":[],"layers":[]}"#,
            r#"{"layers":[],"Layers":[]}"#,
            r#"{"LAYERS":[]}"#,
            // The long s and the Kelvin sign, which Go treats as s and k.
            r#"{"layerſ":[]}"#,
            "{\"x\":{\"\u{212a}\":1,\"k\":2}}",
            r#"{"x":[{"a":1,"a":2}]}"#,
            // The same key, written with an escape.
            r#"{"layers":[],"\u006cayers":[]}"#,
            r#"{"annotations":{"a":"1","a":"2"}}"#,
            r#"{"layers":[]} {}"#,
            "{\"layers\":\"\u{0}\"}",
        ] {
            assert!(same_to_all(text.as_bytes(), NAMES).is_err(), "{text}");
        }
        assert!(same_to_all(b"{\"x\":\"\xff\"}", NAMES).is_err(), "not UTF-8");
        let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
        assert!(same_to_all(deep.as_bytes(), NAMES).is_err(), "no stack is deep enough for everything");
    }

    #[test]
    fn what_people_name_themselves_may_differ_in_case() {
        for text in [
            r#"{"annotations":{"a":"1","A":"2","Layers":"3"},"layers":[]}"#,
            r#"{"config":{"Labels":{"version":"1","Version":"2"},"ExposedPorts":{"80/tcp":{}}}}"#,
            r#"{"other":1,"layers":[{"size":1.5,"x":null,"y":true,"z":-1}]}"#,
            "[]",
        ] {
            assert_eq!(same_to_all(text.as_bytes(), NAMES), Ok(()), "{text}");
        }
    }
}
