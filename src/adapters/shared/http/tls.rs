//! Which certificates are trusted at a server, and which one is shown to it.

use std::path::PathBuf;

use reqwest::{Certificate, ClientBuilder, Identity};

use super::origin::Origin;
use crate::shared::settings::Registry;
use wharf_core::base::error::{During, Result};
use wharf_core::base::small_file;

/// Additional trust and identity for one address.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// Certificate authorities (PEM) in addition to the system's.
    pub authorities: Vec<PathBuf>,
    /// Whether only these authorities are trusted, and not the system's.
    pub only_these: bool,
    /// The files of the client certificate and its key (PEM).
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Whether the server's certificate is not verified, because a configuration says so.
    pub unchecked: bool,
}

impl Tls {
    /// The TLS settings for a server that a source names in addition to its own address: the source's authority; its
    /// client certificate only if it is the same server, else what `certs.d` has for that one.
    pub fn beside(registry: &Registry, url: &str) -> Self {
        let server = Origin::written(url);
        let mut tls = server.as_ref().map(|server| Self::for_host(&server.host_and_port())).unwrap_or_default();
        tls.authorities.extend(registry.ca.clone());
        if server.is_some() && server == Origin::written(&registry.url) {
            tls.identity = registry.identity().or(tls.identity);
            tls.unchecked = registry.insecure;
        }
        tls
    }

    /// The settings in Docker's and Podman's `certs.d` folders for `host`: `*.crt` are authorities, `*.cert` with
    /// `*.key` are
    /// client certificates.
    pub fn for_host(host: &str) -> Self {
        let mut tls = Self::default();
        let home = |rest: &str| std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default().join(rest);
        let folders = [
            home(".config/containers/certs.d"),
            home(".docker/certs.d"),
            "/etc/containers/certs.d".into(),
            "/etc/docker/certs.d".into(),
        ];
        for folder in folders {
            let Ok(entries) = std::fs::read_dir(folder.join(host)) else { continue };
            for path in entries.flatten().map(|entry| entry.path()) {
                match path.extension().and_then(|extension| extension.to_str()) {
                    Some("crt") => tls.authorities.push(path),
                    Some("cert") if path.with_extension("key").is_file() => {
                        tls.identity = Some((path.clone(), path.with_extension("key")))
                    }
                    _ => {}
                }
            }
        }
        tls
    }

    /// A client with this trust and identity; fails if a file cannot be read.
    pub(super) fn apply(&self, mut builder: ClientBuilder, what: &str) -> Result<ClientBuilder> {
        let mut extra = Vec::new();
        for path in &self.authorities {
            let doing = format!("read the certificate authority {}", path.display());
            let pem = small_file::bytes(path).during(&doing)?;
            extra.extend(Certificate::from_pem_bundle(&pem).during(&doing)?);
        }
        if self.only_these {
            builder = builder.tls_certs_only(extra);
        } else if !extra.is_empty() {
            builder = builder.tls_certs_merge(extra);
        }
        if let Some((certificate, key)) = &self.identity {
            let doing = format!("read the client certificate {}", certificate.display());
            let mut pem = small_file::bytes(certificate).during(&doing)?;
            pem.extend(small_file::bytes(key).during(format!("read the client key {}", key.display()))?);
            builder = builder.identity(Identity::from_pem(&pem).during(&doing)?);
        }
        if self.unchecked {
            tracing::warn!(what, "the server's certificate is not checked: the configuration says so");
            builder = builder.danger_accept_invalid_certs(true);
        }
        Ok(builder)
    }
}
