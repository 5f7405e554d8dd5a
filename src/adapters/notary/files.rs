//! The files of a Notary server: `GET /v2/GUN/_trust/tuf/ROLE.json`.

use reqwest::StatusCode;
use url::Url;

use crate::{
    adapters::http::{self, Lazy, Tls},
    core::{
        config::SourceConfig,
        error::{Error, Result},
        progress::Context,
    },
};

/// No file is larger.
const LIMIT: usize = 8 << 20;

/// One server.
pub struct Server {
    base: Url,
    http: Lazy,
}

impl Server {
    /// The one that a source names.
    pub fn new(source: &SourceConfig) -> Result<Self> {
        let what = format!("source '{}'", source.name);
        let mut base = Url::parse(&source.notary).map_err(|error| {
            Error::usage(&what, format!("notary '{}': {error}", source.notary)).hint("write https://host[:port]")
        })?;
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let tls =
            Tls { authorities: source.ca.clone().into_iter().collect(), identity: source.client_certificate.clone() };
        Ok(Self { base, http: Lazy::new(tls) })
    }

    /// Its address.
    pub fn address(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// The file of a role; `None` where there is none.
    pub async fn file(&self, cx: &Context, gun: &str, role: &str) -> Result<Option<Vec<u8>>> {
        let what = format!("read {role} of {gun} at {}", self.address());
        let url = self.base.join(&format!("v2/{gun}/_trust/tuf/{role}.json"));
        let url = url.map_err(|error| Error::usage(&what, error.to_string()))?;
        cx.run(&what, async {
            let response =
                self.http.client(&what)?.get(url).send().await.map_err(|error| http::no_answer(&what, &error))?;
            match response.status() {
                StatusCode::NOT_FOUND => Ok(None),
                status if status.is_success() => http::body(response, LIMIT, &what).await.map(|b| Some(b.to_vec())),
                status => Err(http::refused(&what, status, "")),
            }
        })
        .await
    }
}
