//! A TLS client for a library that makes its own requests, with the same trust and identity ([`Tls`]).

use std::{sync::Arc, time::Duration};

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{self, CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};

use super::tls::Tls;
use wharf_core::base::error::{During, Result};

/// How long connecting to a server may take.
const CONNECT: Duration = Duration::from_secs(5);

/// A client for a library's requests; it follows no redirects and uses no proxy.
pub fn https_client<B>(tls: &Tls, what: &str) -> Result<Client<HttpsConnector<HttpConnector>, B>>
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
{
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_connect_timeout(Some(CONNECT));
    let secured = HttpsConnectorBuilder::new().with_tls_config(client_config(tls, what)?).https_only().enable_http1();
    Ok(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(secured.wrap_connector(connector)))
}

/// What a connection trusts, and the client certificate that it shows.
fn client_config(tls: &Tls, what: &str) -> Result<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let builder = builder.during(what)?;
    let builder = if tls.unchecked {
        tracing::warn!(what, "the server's certificate is not checked: the configuration says so");
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Unchecked(provider)))
    } else {
        builder.with_root_certificates(roots(tls)?)
    };
    let Some((certificate, key)) = &tls.identity else { return Ok(builder.with_no_client_auth()) };
    let doing = format!("read the client certificate {}", certificate.display());
    let chain: Vec<_> =
        CertificateDer::pem_file_iter(certificate).during(&doing)?.collect::<Result<_, _>>().during(&doing)?;
    let secret = PrivateKeyDer::from_pem_file(key).during(format!("read the client key {}", key.display()))?;
    builder.with_client_auth_cert(chain, secret).during(doing)
}

fn roots(tls: &Tls) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    if !tls.only_these {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    for path in &tls.authorities {
        let doing = format!("read the certificate authority {}", path.display());
        for certificate in CertificateDer::pem_file_iter(path).during(&doing)? {
            roots.add(certificate.during(&doing)?).during(&doing)?;
        }
    }
    Ok(roots)
}

/// Accepts every certificate, because a configuration says so; the server must still prove that it has the key.
#[derive(Debug)]
struct Unchecked(Arc<CryptoProvider>);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        crypto::verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        crypto::verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
