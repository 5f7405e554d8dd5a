//! Reading files from a Notary server: `GET /v2/GUN/_trust/tuf/ROLE.json`.

use reqwest::StatusCode;

use crate::shared::{
    http::{self, AllowedServers, Server as Http, Tls},
    settings::{AdapterEntry, Registry},
};
use wharf_core::base::{context::Context, error::Result};

/// Largest file that is read, in bytes.
const LIMIT: usize = 8 << 20;

/// A connection to one Notary server.
pub(super) struct Server {
    http: Http,
}

impl Server {
    /// The Notary server that a source names.
    pub(super) fn new(registry: &AdapterEntry<Registry>, reach: AllowedServers) -> Result<Self> {
        let (what, settings) = (format!("notary of source '{}'", registry.name), &registry.settings);
        Ok(Self { http: Http::at(&settings.notary, Tls::beside(settings, &settings.notary), reach, &what)? })
    }

    /// The server's address, without a slash at its end.
    pub(super) fn address(&self) -> &str {
        self.http.base().as_str().trim_end_matches('/')
    }

    /// The file of a role for a repository (GUN); `None` if the server has none.
    pub(super) async fn file(&self, cx: &Context, gun: &str, role: &str) -> Result<Option<Vec<u8>>> {
        let what = format!("read {role} of {gun} at {}", self.address());
        let place = self.http.address(&format!("v2/{gun}/_trust/tuf/{role}.json"))?;
        cx.run(&what, async {
            let response = self.http.get(&place)?.send(&what).await?;
            match response.status() {
                StatusCode::NOT_FOUND => Ok(None),
                status if status.is_success() => http::body(response, LIMIT, &what).await.map(|b| Some(b.to_vec())),
                status => Err(http::refused(&what, status, "")),
            }
        })
        .await
    }
}
