//! Account and secret as one text, for stores that keep one text.

use wharf_core::base::secret::Secret;

/// Account and secret as one text.
pub(super) fn join(account: &str, secret: &Secret) -> String {
    serde_json::json!([account, secret.reveal()]).to_string()
}

/// Account and secret of such a text; `None` if it is none.
pub(super) fn split(text: &str) -> Option<(String, Secret)> {
    let (account, secret): (String, String) = serde_json::from_str(text).ok()?;
    Some((account, Secret::new(secret)))
}
