//! The pages of a cloud's lists: reading their rows, and finding the next page.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::shared::http::encoded;

/// A page of a list.
#[derive(Debug)]
pub(super) struct Page<T> {
    /// The rows that could be read.
    pub rows: Vec<T>,
    /// The number of rows that could not be read.
    pub odd: usize,
    /// The query of the next page, if the answer names one.
    pub next: Option<String>,
    /// The length of the answer in bytes.
    pub bytes: usize,
}

/// Reads a page whose rows are in the field `key`. Rows that cannot be read are counted. `None` if there is no such
/// list.
pub(super) fn read<T: DeserializeOwned>(mut answer: Value, key: &str, bytes: usize) -> Option<Page<T>> {
    let next = next(&answer, key);
    let list = match answer.get_mut(key).map(Value::take) {
        Some(Value::Array(list)) => list,
        Some(Value::Null) => Vec::new(),
        _ => return None,
    };
    let count = list.len();
    // A row without an id can be neither named nor read.
    let is_row = |row: &Value| row.get("id").and_then(Value::as_str).is_some_and(|id| !id.is_empty());
    let rows = list.into_iter().filter(is_row).filter_map(|row| serde_json::from_value(row).ok());
    let rows: Vec<T> = rows.collect();
    Some(Page { odd: count - rows.len(), rows, next, bytes })
}

/// The query of the next page: Glance names it in `next`, Nova, Cinder and Neutron in `KEY_links`, Keystone in `links`.
/// Only the query is used, because services behind a proxy do not know their own host and path.
fn next(answer: &Value, key: &str) -> Option<String> {
    let relation = |link: &&Value| link.get("rel").and_then(Value::as_str) == Some("next");
    let links = answer.get(format!("{key}_links")).and_then(Value::as_array).into_iter().flatten();
    let listed = links.clone().find(relation).and_then(|link| link.get("href"));
    let target = answer.get("next").or(answer.pointer("/links/next")).filter(|target| target.is_string());
    let (_, query) = target.or(listed)?.as_str()?.split_once('?')?;
    (!query.is_empty()).then(|| query.split('#').next().unwrap_or(query).to_owned())
}

/// The query for the page after the last row, if the answer names none: a short page need not be the last.
pub(super) fn after(first: &str, last: &str) -> String {
    let separator = if first.is_empty() { "" } else { "&" };
    format!("{first}{separator}marker={}", encoded(last))
}

/// The number of rows that could not be read, in words; `None` if it is 0.
pub(super) fn odd_words(odd: usize) -> Option<String> {
    match odd {
        0 => None,
        1 => Some("one row of it is not what it should be".to_owned()),
        many => Some(format!("{many} rows of it are not what they should be")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::openstack::answers::GlanceImage;

    #[test]
    fn the_next_page_is_found_as_each_service_names_it() {
        let next = |answer: Value| read::<Value>(answer, "things", 0).unwrap().next;
        let href = "http://inside:8774/v2.1/things?limit=2&marker=b";
        for answer in [
            json!({"things": [], "next": "/v2/things?limit=2&marker=b"}),
            json!({"things": [], "things_links": [{"rel": "previous", "href": "?x"}, {"rel": "next", "href": href}]}),
            json!({"things": [], "links": {"next": href, "self": "x"}}),
        ] {
            assert_eq!(next(answer).as_deref(), Some("limit=2&marker=b"));
        }
        for none in [
            json!({"things": null}),
            json!({"things": [], "next": null, "things_links": null}),
            json!({"things": [], "next": ""}),
        ] {
            assert_eq!(next(none), None);
        }
        assert!(read::<Value>(json!({"other": []}), "things", 0).is_none());
    }

    #[test]
    fn a_row_that_is_odd_costs_only_itself_and_an_odd_field_only_that() {
        let rows = json!({"images": [null, 3, {"name": "no id"}, {"id": "", "name": "x"}, {"id": "a", "tags": null, "size": "big",
            "protected": null, "name": null, "min_disk": -1, "created_at": 5, "os_hash_value": 7, "odd": {"deep": [1]}}]});
        let page: Page<GlanceImage> = read(rows, "images", 0).unwrap();
        assert_eq!((page.rows.len(), page.odd, page.rows[0].id.as_str()), (1, 4, "a"));
        assert!(page.rows[0].size.is_none() && page.rows[0].digest().is_none());
    }
}
