//! Answers of the services, as far as Wharf reads them. Names as in the API reference of each service.

mod images;
mod servers;

use std::collections::BTreeMap;

use serde::Deserialize;

pub use self::{images::*, servers::*};
use crate::core::base::clean;

/// Something that lists hold.
pub trait Listed: serde::de::DeserializeOwned {
    /// Its id.
    fn id(&self) -> &str;
}

/// A field that may be anything: what it should be, or as if it were not there. A cloud's odd value costs only itself.
pub fn lenient<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::de::DeserializeOwned + Default,
{
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

/// What something is called: its name, cleaned; its id where it has none.
pub fn title(name: Option<&str>, id: &str) -> String {
    let name = clean::short(name.unwrap_or(""), 200);
    if name.is_empty() { id.to_owned() } else { name }
}

/// Gives everything of a list a name of its own: people look for names, and clouds let many things have one.
#[derive(Default)]
pub struct Names(BTreeMap<String, usize>);

impl Names {
    /// The title for the first that has it, with the beginning of its id for the others.
    pub fn unique(&mut self, title: String, id: &str) -> String {
        let same = self.0.entry(title.clone()).or_default();
        *same += 1;
        if *same == 1 { title } else { format!("{title} {}", id.get(..8).unwrap_or(id)) }
    }
}
