//! X.509 certificates: their subject, validity and key, and whether they lead to a trusted certificate.

use std::time::Duration;

use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_cert::{
    Certificate,
    der::{Decode, Encode},
};

use super::keys::{Key, pem};

/// A certificate with its most important fields.
#[derive(Debug, Clone)]
pub struct ParsedCertificate {
    /// The certificate's bytes (DER).
    pub der: Vec<u8>,
    /// The common name of the subject; empty if it has none.
    pub name: String,
    /// The public key as `SubjectPublicKeyInfo` (DER).
    pub spki: Vec<u8>,
    /// The beginning of its validity, in seconds since 1970.
    pub begins: i64,
    /// The end of its validity, in seconds since 1970.
    pub ends: i64,
}

/// Why a certificate is not trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Distrust {
    /// The certificate, or one above it, is not valid at that time.
    Expired,
    /// The chain leads to no trusted certificate; with the reason.
    Unknown(String),
}

impl ParsedCertificate {
    /// Reads a certificate from DER.
    pub fn from_der(der: &[u8]) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        let body = &certificate.tbs_certificate;
        let seconds = |time: &x509_cert::time::Time| i64::try_from(time.to_unix_duration().as_secs()).ok();
        // The subject as RFC 4514 writes it: `CN=…,O=…`.
        let subject = body.subject.to_string();
        let name = subject.split(',').find_map(|part| part.trim().strip_prefix("CN=")).unwrap_or("");
        Some(Self {
            der: der.to_vec(),
            name: name.replace('\\', ""),
            spki: body.subject_public_key_info.to_der().ok()?,
            begins: seconds(&body.validity.not_before)?,
            ends: seconds(&body.validity.not_after)?,
        })
    }

    /// Reads the first certificate of a PEM text.
    pub fn from_pem(pem: &str) -> Option<Self> {
        all_from_pem(pem).into_iter().next()
    }

    /// The public key, if it is of a supported kind.
    pub fn key(&self) -> Option<Key> {
        Key::from_der(self.spki.clone())
    }

    /// Whether the certificate is valid at this time, in seconds since 1970.
    pub fn is_valid(&self, now: i64) -> bool {
        (self.begins..=self.ends).contains(&now)
    }

    /// Checks that the certificate is valid, and is one of `trusted` or leads to one of them through some of `between`.
    pub fn leads_to(&self, trusted: &[Self], between: &[Self], now: i64) -> Result<(), Distrust> {
        if !self.is_valid(now) {
            return Err(Distrust::Expired);
        }
        if trusted.iter().any(|one| one.der == self.der) {
            return Ok(());
        }
        let unknown = |error: &dyn std::fmt::Display| Distrust::Unknown(error.to_string());
        let ders: Vec<CertificateDer<'_>> =
            trusted.iter().map(|one| CertificateDer::from(one.der.as_slice())).collect();
        let anchors: Vec<_> = ders.iter().filter_map(|der| anchor_from_trusted_cert(der).ok()).collect();
        let between: Vec<_> = between.iter().map(|one| CertificateDer::from(one.der.as_slice())).collect();
        let der = CertificateDer::from(self.der.as_slice());
        let leaf = EndEntityCert::try_from(&der).map_err(|error| unknown(&error))?;
        let moment = UnixTime::since_unix_epoch(Duration::from_secs(now.max(0).unsigned_abs()));
        let checked = leaf.verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &anchors,
            &between,
            moment,
            // A stated purpose must be code signing; certificates that sign images often state none.
            KeyUsage::required_if_present(&CODE_SIGNING),
            None,
            None,
        );
        checked.map(|_| ()).map_err(|error| match error {
            webpki::Error::CertExpired { .. } | webpki::Error::CertNotValidYet { .. } => Distrust::Expired,
            other => unknown(&other),
        })
    }
}

/// `id-kp-codeSigning` (RFC 5280) in DER, without tag and length.
const CODE_SIGNING: [u8; 8] = [0x2b, 6, 1, 5, 5, 7, 3, 3];

/// All certificates of a PEM text; those that cannot be read are left out.
pub fn all_from_pem(pem: &str) -> Vec<ParsedCertificate> {
    // OpenSSL writes certificates under three labels.
    let is_one = |label: &str| matches!(label, "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE");
    let blocks = pem::read(pem).into_iter().filter(|block| is_one(&block.label));
    blocks.filter_map(|block| ParsedCertificate::from_der(&block.der)).collect()
}
