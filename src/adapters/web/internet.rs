//! The web and FTP servers, as this machine reaches them.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use futures_util::TryStreamExt;
use reqwest::{StatusCode, header};
use url::Url;

use super::{arriving, ftp, opened::Opened, place};
use crate::shared::{
    exec, gpg,
    http::{self, AllowedServers, Tls, Visitor},
    private,
};
use wharf_core::{
    base::{
        badge::Signature,
        clean,
        context::Context,
        error::{During, Error, Kind, Result},
    },
    config::Config,
    ports::web::{Arrived, DocumentSigner, Web, shown_address},
};

/// The web, as this machine reaches it.
pub struct Internet {
    visitor: Visitor,
    /// The fingerprints of the policy's keys.
    trusted: Vec<String>,
    /// The folder for signatures while gpg looks at them.
    scratch: PathBuf,
}

impl Internet {
    /// The web for this configuration.
    pub fn new(config: &Config) -> Self {
        Self {
            visitor: Visitor::new(Tls::default(), AllowedServers::default()),
            trusted: gpg::fingerprints(&config.policy.signature.pgp),
            scratch: config.cache_dir.join("fetched"),
        }
    }

    /// Opens a file from byte `from` on; `None` where there is none.
    async fn open(&self, cx: &Context, url: &str, from: u64) -> Result<Option<Opened>> {
        let what = format!("read {}", shown_address(url));
        let address = Url::parse(url).map_err(|error| Error::usage(&what, error.to_string()))?;
        if matches!(address.scheme(), "ftp" | "ftps") {
            let curl = exec::on_path("curl").ok_or_else(|| {
                Error::unsupported(&what, "curl, which reads from FTP servers, is not here")
                    .hint("install curl, or use the same file by https")
            })?;
            return ftp::open(&curl, cx, &address, from, &what).await;
        }
        let mut headers = header::HeaderMap::new();
        // Bytes are counted as they lie there.
        headers.insert(header::ACCEPT_ENCODING, header::HeaderValue::from_static("identity"));
        if from > 0 {
            headers.insert(header::RANGE, header::HeaderValue::from_str(&format!("bytes={from}-")).during(&what)?);
        }
        let answer = cx.run(&what, self.visitor.get(&what, &address, headers)).await?;
        let told = |name: header::HeaderName| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let version = told(header::ETAG).or(told(header::LAST_MODIFIED)).unwrap_or_default().to_owned();
        match answer.status() {
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
            StatusCode::PARTIAL_CONTENT => {
                let range = told(header::CONTENT_RANGE).and_then(content_range);
                let (from, total) =
                    range.ok_or_else(|| Error::failed(&what, "the server does not say which part it sends"))?;
                Ok(Some(Opened { bytes: http::stream(answer, what), from, total, version }))
            }
            // Nothing is behind the end: it has arrived whole, or it is another file now.
            StatusCode::RANGE_NOT_SATISFIABLE => {
                let total = told(header::CONTENT_RANGE).and_then(|range| range.strip_prefix("bytes */")?.parse().ok());
                // Only a server that names the whole says that all of it has arrived.
                let from = if total == Some(from) { from } else { 0 };
                Ok(Some(Opened { total, bytes: Box::pin(futures_util::stream::empty()), from, version }))
            }
            status if status.is_success() => {
                let total = answer.content_length();
                Ok(Some(Opened { bytes: http::stream(answer, what), from: 0, total, version }))
            }
            // What a folder does not show, it does not have.
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => {
                Err(Error::new(Kind::NotAllowed, what, format!("the server answered {}", answer.status()))
                    .hint("what needs an account is downloaded by hand"))
            }
            status => Err(http::refused(&what, status, "")),
        }
    }
}

/// The first byte and the length of the whole file in `bytes 5-9/10` (RFC 9110, section 14.4).
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (from, _) = range.split_once('-')?;
    Some((from.parse().ok()?, total.parse().ok()))
}

#[async_trait]
impl Web for Internet {
    async fn document(&self, cx: &Context, url: &str) -> Result<Option<Vec<u8>>> {
        let what = format!("read {}", shown_address(url));
        let opened = match self.open(cx, url, 0).await {
            Err(error) if error.kind == Kind::NotAllowed => return Ok(None),
            other => other?,
        };
        let Some(mut opened) = opened else { return Ok(None) };
        cx.run(&what, async {
            let mut all = Vec::new();
            while let Some(bytes) = opened.bytes.try_next().await? {
                all.extend_from_slice(&bytes);
                // Some servers answer with the file itself, or with a page, for whatever is asked.
                if all.len() > gpg::DOCUMENT {
                    return Ok(None);
                }
            }
            Ok(Some(all))
        })
        .await
    }

    async fn fetch(&self, cx: &Context, url: &str, to: &Path, most: u64) -> Result<Arrived> {
        arriving::fetch(|from| self.open(cx, url, from), cx, url, to, most).await
    }

    async fn put(&self, arrived: &Arrived, to: &Path, url: &str) -> Result<()> {
        place::put(arrived.clone(), to.to_owned(), shown_address(url)).await
    }

    async fn forget(&self, arrived: &Arrived) {
        place::forget(&arrived.partial).await;
    }

    async fn signer(&self, document: &[u8], signature: Option<&[u8]>) -> Result<DocumentSigner> {
        let text = String::from_utf8_lossy(document).replace('\r', "");
        let text = match signature {
            Some(_) => text,
            None => gpg::message(&text).unwrap_or_default().to_owned(),
        };
        let Some(program) = exec::on_path("gpg") else {
            return Ok(DocumentSigner { state: Signature::Unreachable, key: String::new(), text });
        };
        let (state, key) = match signature {
            None => gpg::inside(&program, document, &self.trusted).await?,
            Some(signature) => {
                let what = "verify a list of checksums";
                private::folder(&self.scratch)?;
                let file = self.scratch.join(format!("signature-{}", private::random()));
                private::write(&file, signature)?;
                let judged = gpg::apart(&program, document, &file, &self.trusted).await;
                tokio::fs::remove_file(&file).await.during(what)?;
                judged?
            }
        };
        Ok(DocumentSigner { state, key: clean::short(&key, 60), text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_of_a_file_is_read_from_its_header() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(content_range("bytes 5-9/*"), Some((5, None)));
        for bad in ["bytes */10", "5-9/10", "bytes -9/10", "bytes 5", ""] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }
}
