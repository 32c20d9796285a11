//! Certificates for tests, and the TLS of their clients.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hythe_server::{ClientAuth, TlsOptions, TlsVersion};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, SanType,
    date_time_ymd,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

/// A certificate authority of one test.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its private key, in PEM.
#[derive(Clone, Debug)]
pub struct Certified {
    /// The certificate.
    pub certificate: String,
    /// The private key.
    pub key: String,
}

/// How a client of a test speaks TLS.
#[derive(Clone, Debug)]
pub struct ClientTls(Arc<ClientConfig>);

impl Default for Authority {
    fn default() -> Self {
        Self::new("a test's authority")
    }
}

impl Authority {
    /// An authority with a name and a key of its own.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("the system gives random bytes");
        let pem = params.self_signed(&key).expect("an authority can sign itself").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Its own certificate.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for `localhost` and 127.0.0.1.
    pub fn certify_server(&self) -> Certified {
        self.certify(|_| {})
    }

    /// As [`Authority::certify_server`], with a certificate that has expired.
    pub fn certify_expired(&self) -> Certified {
        self.certify(|params| params.not_after = date_time_ymd(2001, 1, 1))
    }

    /// A certificate for a client with this common name, and with this URI as its alternative name.
    pub fn certify_client(&self, name: &str, uri: &str) -> Certified {
        self.certify(|params| {
            params.distinguished_name = DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, name);
            params.distinguished_name.push(DnType::OrganizationName, "Example");
            params.subject_alt_names = vec![SanType::URI(uri.try_into().expect("a URI is ASCII"))];
        })
    }

    fn certify(&self, change: impl FnOnce(&mut CertificateParams)) -> Certified {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).expect("the names are valid");
        change(&mut params);
        let key = KeyPair::generate().expect("the system gives random bytes");
        let certificate = params.signed_by(&key, &self.issuer).expect("an authority can sign");
        Certified { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// A client that trusts this authority, and speaks HTTP/1.1.
    pub fn client(&self) -> ClientTls {
        self.client_with(rustls::ALL_VERSIONS, &[b"http/1.1"], None)
    }

    /// A client that speaks these versions and protocols, with its certificate, if it has one.
    pub fn client_with(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        protocols: &[&[u8]],
        certified: Option<&Certified>,
    ) -> ClientTls {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(self.pem.as_bytes()).expect("it is PEM");
        roots.add(root).expect("it is a certificate");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions);
        let builder = builder.expect("the provider has these versions").with_root_certificates(roots);
        let mut config = match certified {
            None => builder.with_no_client_auth(),
            Some(Certified { certificate, key }) => {
                let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("it is PEM")];
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("it is PEM");
                builder.with_client_auth_cert(chain, key).expect("the key belongs to the certificate")
            }
        };
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        ClientTls(Arc::new(config))
    }
}

impl ClientTls {
    /// Its configuration.
    pub fn config(&self) -> &Arc<ClientConfig> {
        &self.0
    }
}

impl Certified {
    /// Writes both files, each at once as certbot does, and returns the options of a server with them.
    pub fn write(&self, folder: &Path) -> TlsOptions {
        let put = |name: &str, text: &str| -> PathBuf {
            let (path, new) = (folder.join(name), folder.join(format!("{name}.new")));
            std::fs::write(&new, text).expect("the folder takes files");
            std::fs::rename(&new, &path).expect("the folder takes files");
            path
        };
        TlsOptions {
            certificate: put("server.pem", &self.certificate),
            key: put("server.key", &self.key),
            client_ca: Vec::new(),
            client_auth: ClientAuth::Require,
            min_version: TlsVersion::V1_2,
        }
    }
}
