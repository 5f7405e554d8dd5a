//! What all answers share: elements of lists, lenient fields, names.

use std::collections::BTreeMap;

use serde::Deserialize;
use wharf_core::base::clean;

/// An element of a list.
pub(crate) trait Listed: serde::de::DeserializeOwned {
    /// The id of the element.
    fn id(&self) -> &str;
}

/// Reads a field leniently: a value of another type counts as absent, so that it does not spoil the whole answer.
pub(crate) fn lenient<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::de::DeserializeOwned + Default,
{
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

/// The name of something, cleaned; its id if it has no name.
pub(crate) fn title(name: Option<&str>, id: &str) -> String {
    let name = clean::short(name.unwrap_or(""), 200);
    if name.is_empty() { id.to_owned() } else { name }
}

/// Makes the names in a list unique, because clouds allow several things with one name.
#[derive(Default)]
pub(crate) struct UniqueNames(BTreeMap<String, usize>);

impl UniqueNames {
    /// The title, followed by the beginning of the id if the title was used before.
    pub(crate) fn unique(&mut self, title: String, id: &str) -> String {
        let same = self.0.entry(title.clone()).or_default();
        *same += 1;
        if *same == 1 { title } else { format!("{title} {}", id.get(..8).unwrap_or(id)) }
    }
}
