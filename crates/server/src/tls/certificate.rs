//! What a certificate says: the names of a client, and the time in which a certificate is valid.

use std::fmt;
use std::path::Path;
use std::time::SystemTime;

use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::error::TlsError;
use crate::time::timestamp;

/// The names in a client's certificate, which an authority of `client_ca` has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The subject, such as `CN=ci,O=Example` (RFC 4514).
    pub subject: String,
    /// The common name in the subject, if there is exactly one.
    pub common_name: Option<String>,
    /// The alternative names of the subject.
    pub names: Vec<AlternativeName>,
}

/// An alternative name of a certificate's subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlternativeName {
    /// A DNS name.
    Dns(String),
    /// An email address.
    Email(String),
    /// A URI, such as a SPIFFE id.
    Uri(String),
}

impl ClientCertificate {
    /// The names in a verified certificate; `None` if they cannot be read.
    pub(super) fn read(der: &CertificateDer<'_>) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        let facts = certificate.tbs_certificate();
        let subject = facts.subject();
        let common_name = subject.common_name().ok().flatten();
        let alternative = facts.get_extension::<SubjectAltName>().ok()?;
        let names = alternative.map(|(_, names)| names.0).unwrap_or_default();
        let names = names.into_iter().filter_map(|name| match name {
            GeneralName::DnsName(name) => Some(AlternativeName::Dns(name.to_string())),
            GeneralName::Rfc822Name(name) => Some(AlternativeName::Email(name.to_string())),
            GeneralName::UniformResourceIdentifier(name) => Some(AlternativeName::Uri(name.to_string())),
            _ => None,
        });
        Some(Self {
            subject: subject.to_string(),
            common_name: common_name.map(|name| name.value().into_owned()),
            names: names.collect(),
        })
    }
}

impl fmt::Display for ClientCertificate {
    /// The subject; the first alternative name of a certificate without a subject.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.names.first() {
            Some(AlternativeName::Dns(name) | AlternativeName::Email(name) | AlternativeName::Uri(name))
                if self.subject.is_empty() =>
            {
                f.write_str(name)
            }
            _ => f.write_str(&self.subject),
        }
    }
}

/// The time in which the server's certificate is valid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Validity {
    begins: SystemTime,
    expires: SystemTime,
}

impl Validity {
    /// The validity of the first certificate of `chain`. `path` is for errors.
    pub(super) fn of(path: &Path, chain: &[CertificateDer<'_>]) -> Result<Self, TlsError> {
        let unreadable = |why: String| TlsError::Unreadable { path: path.to_owned(), why };
        let first = chain.first().ok_or_else(|| TlsError::NoCertificate { path: path.to_owned() })?;
        let certificate = Certificate::from_der(first).map_err(|error| unreadable(error.to_string()))?;
        let validity = certificate.tbs_certificate().validity();
        Ok(Self {
            begins: validity.not_before.to_system_time(),
            expires: validity.not_after.to_system_time(),
        })
    }

    pub(super) fn expires(&self) -> SystemTime {
        self.expires
    }

    /// Warns about a certificate that is not valid at `now`.
    pub(super) fn warn(&self, now: SystemTime, path: &Path) {
        let certificate = path.display();
        if now > self.expires {
            let expired = timestamp(self.expires).unwrap_or_default();
            tracing::warn!(%certificate, %expired, "the certificate has expired: clients will refuse it");
        } else if now < self.begins {
            let begins = timestamp(self.begins).unwrap_or_default();
            tracing::warn!(
                %certificate, %begins,
                "the certificate is not valid yet: clients will refuse it; check this machine's clock"
            );
        }
    }
}
