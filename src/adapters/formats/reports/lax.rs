//! Types for the fields of reports, so that one odd field does not make a whole report unreadable: `null` is an absent
//! field, and a value of another type is an unknown one. Only a list of findings must be a list, so that an unreadable
//! list never looks empty.

use std::{fmt, marker::PhantomData, ops::Deref};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

/// A text. A number is read as its digits; any other type is an empty text.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Text(pub String);

/// Several texts, or a single one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Texts(Vec<Text>);

/// A value of type `T`; any other type of value is the default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Lenient<T>(pub T);

/// Collects the elements of an array one by one.
pub(super) trait Fold: Default {
    /// The type of an element.
    type Item: DeserializeOwned + Default;
    /// Adds an element of the array.
    fn add(&mut self, item: Self::Item);
}

/// An array that is collected while it is read, without keeping it. It must be an array or `null`.
#[derive(Debug, Default)]
pub(super) struct StreamedArray<F>(pub F);

/// An array like [`StreamedArray`] whose absence does no harm: a value of another type is an empty array.
#[derive(Debug, Default)]
pub(super) struct LenientArray<F>(pub F);

impl Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Deref for Texts {
    type Target = [Text];
    fn deref(&self) -> &[Text] {
        &self.0
    }
}

impl<T> Deref for Lenient<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

/// The visitor methods for all other types of values: they are read as if nothing were there.
macro_rules! otherwise_nothing {
    () => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("anything")
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
    };
    (scalars) => {
        otherwise_nothing!();
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
    };
    (texts) => {
        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
    };
    (lists) => {
        fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Self::Value, A::Error> {
            while all.next_element::<IgnoredAny>()?.is_some() {}
            Ok(Self::Value::default())
        }
    };
    (objects) => {
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok(Self::Value::default())
        }
    };
}

/// Reads a value of type `T`.
struct Read<T>(PhantomData<T>);

macro_rules! read_as_it_comes {
    ($kind:ty: $($bound:tt)*) => {
        impl<'de, $($bound)*> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(Read::<$kind>(PhantomData))
            }
        }
    };
}

read_as_it_comes!(Text:);
read_as_it_comes!(Texts:);
read_as_it_comes!(Lenient<T>: T: Deserialize<'de> + Default);
read_as_it_comes!(StreamedArray<F>: F: Fold);
read_as_it_comes!(LenientArray<F>: F: Fold);

impl<'de> Visitor<'de> for Read<Text> {
    type Value = Text;
    otherwise_nothing!();
    otherwise_nothing!(lists);
    otherwise_nothing!(objects);
    fn visit_str<E>(self, text: &str) -> Result<Text, E> {
        Ok(Text(text.to_owned()))
    }
    fn visit_string<E>(self, text: String) -> Result<Text, E> {
        Ok(Text(text))
    }
    fn visit_bool<E>(self, is: bool) -> Result<Text, E> {
        Ok(Text(is.to_string()))
    }
    fn visit_i64<E>(self, number: i64) -> Result<Text, E> {
        Ok(Text(number.to_string()))
    }
    fn visit_u64<E>(self, number: u64) -> Result<Text, E> {
        Ok(Text(number.to_string()))
    }
    fn visit_f64<E>(self, number: f64) -> Result<Text, E> {
        Ok(Text(number.to_string()))
    }
}

impl<'de> Visitor<'de> for Read<Texts> {
    type Value = Texts;
    otherwise_nothing!(scalars);
    otherwise_nothing!(objects);
    fn visit_str<E>(self, text: &str) -> Result<Texts, E> {
        Ok(Texts(vec![Text(text.to_owned())]))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Texts, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = all.next_element::<Text>()? {
            texts.push(text);
        }
        Ok(Texts(texts))
    }
}

impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for Read<Lenient<T>> {
    type Value = Lenient<T>;
    otherwise_nothing!(scalars);
    otherwise_nothing!(texts);
    otherwise_nothing!(lists);
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Lenient<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Lenient)
    }
}

impl<'de, F: Fold> Visitor<'de> for Read<StreamedArray<F>> {
    type Value = StreamedArray<F>;
    otherwise_nothing!();
    fn visit_seq<A: SeqAccess<'de>>(self, all: A) -> Result<StreamedArray<F>, A::Error> {
        folded(all).map(StreamedArray)
    }
}

impl<'de, F: Fold> Visitor<'de> for Read<LenientArray<F>> {
    type Value = LenientArray<F>;
    otherwise_nothing!(scalars);
    otherwise_nothing!(texts);
    otherwise_nothing!(objects);
    fn visit_seq<A: SeqAccess<'de>>(self, all: A) -> Result<LenientArray<F>, A::Error> {
        folded(all).map(LenientArray)
    }
}

/// Collects the elements of an array one by one. `null` elements are left out; elements of another type are added as
/// unknown ones.
fn folded<'de, F: Fold, A: SeqAccess<'de>>(mut all: A) -> Result<F, A::Error> {
    let mut folded = F::default();
    while let Some(item) = all.next_element::<Option<Lenient<F::Item>>>()? {
        if let Some(Lenient(item)) = item {
            folded.add(item);
        }
    }
    Ok(folded)
}
