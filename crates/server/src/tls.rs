//! TLS on a listener: the certificate, which can be replaced while the server runs, and the handshake.

mod certificate;
mod error;
mod files;
mod handshake;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

pub use certificate::{AlternativeName, ClientCertificate};
pub use error::TlsError;
pub(crate) use handshake::{Handshaken, Hello, handshake, hello};

use certificate::Validity;
use files::Files;

/// The time between two looks at the files.
const LOOK: Duration = Duration::from_secs(3);

/// The name of HTTP/2 in the handshake.
pub(crate) const H2: &[u8] = b"h2";

/// The settings of TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsOptions {
    /// The file with the server's certificate, and after it those of the intermediate authorities, in PEM.
    pub certificate: PathBuf,
    /// The file with the private key, in PEM.
    pub key: PathBuf,
    /// The files with the authorities that sign clients' certificates, in PEM. Without any, clients need none.
    pub client_ca: Vec<PathBuf>,
    /// Whether a client needs a certificate.
    pub client_auth: ClientAuth,
    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
}

/// Whether clients need a certificate, if the server knows authorities that sign them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// A client without a certificate is refused.
    #[default]
    Require,
    /// A client may come without a certificate. One that it sends must be valid.
    Request,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[default]
    V1_2,
    /// TLS 1.3.
    V1_3,
}

impl TlsVersion {
    /// This version and the later ones.
    fn and_later(self) -> &'static [&'static SupportedProtocolVersion] {
        static V1_3: [&SupportedProtocolVersion; 1] = [&rustls::version::TLS13];
        match self {
            Self::V1_2 => rustls::ALL_VERSIONS,
            Self::V1_3 => &V1_3,
        }
    }
}

/// TLS of one or several listeners.
#[derive(Debug)]
pub struct Tls {
    current: ArcSwap<Current>,
    /// Files that were found changed and cannot be used.
    refused: Mutex<Refused>,
}

/// What is in use.
#[derive(Debug)]
struct Current {
    options: TlsOptions,
    files: Files,
    config: Arc<ServerConfig>,
    validity: Validity,
}

/// Files that cannot be used. A certificate and its key are replaced one after the other, so a pair that does not
/// match may be whole a moment later: it is reported only if the next look finds it unchanged.
#[derive(Debug, Default)]
struct Refused {
    files: Option<Files>,
    is_told: bool,
}

impl Current {
    fn new(options: TlsOptions, files: Files) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let chain = files.chain(&options.certificate)?;
        let validity = Validity::of(&options.certificate, &chain)?;
        let key = files.key(&options.key)?;
        let key = provider.key_provider.load_private_key(key);
        let key = key.map_err(|error| TlsError::Key { path: options.key.clone(), error })?;
        let pair = CertifiedKey::new(chain, key);
        pair.keys_match().map_err(|error| TlsError::pair(&options.certificate, &options.key, error))?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(options.min_version.and_later())
            .map_err(TlsError::Unusable)?;
        let builder = if options.client_ca.is_empty() {
            builder.with_no_client_auth()
        } else {
            let mut roots = RootCertStore::empty();
            for (path, authorities) in files.authorities(&options.client_ca)? {
                for authority in authorities {
                    let added = roots.add(authority);
                    added.map_err(|error| TlsError::Certificate { path: path.to_owned(), error })?;
                }
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            let verifier = match options.client_auth {
                ClientAuth::Require => verifier,
                ClientAuth::Request => verifier.allow_unauthenticated(),
            };
            builder.with_client_cert_verifier(verifier.build().map_err(TlsError::clients)?)
        };
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
        config.alpn_protocols = vec![H2.to_vec(), b"http/1.1".to_vec()];
        // Sessions are resumed by tickets, so that the server keeps no state for each client. The tickets of an earlier
        // configuration are worth nothing, so no client outlives its authority.
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().map_err(TlsError::Unusable)?;
        Ok(Self { options, files, config: Arc::new(config), validity })
    }
}

impl Tls {
    /// Reads the files. Warns about a certificate that is not valid now.
    pub fn load(options: TlsOptions) -> Result<Self, TlsError> {
        let files = Files::read(&options)?;
        let current = Current::new(options, files)?;
        current.validity.warn(SystemTime::now(), &current.options.certificate);
        Ok(Self { current: ArcSwap::from_pointee(current), refused: Mutex::default() })
    }

    /// Reads the files of `options`, and uses them for new connections. Returns whether anything changed. After an error
    /// the old certificate stays in use.
    pub fn reload(&self, options: TlsOptions) -> Result<bool, TlsError> {
        let files = Files::read(&options)?;
        self.replace(options, files)
    }

    fn replace(&self, options: TlsOptions, files: Files) -> Result<bool, TlsError> {
        let current = self.current.load();
        if current.options == options && current.files == files {
            return Ok(false);
        }
        let next = Current::new(options, files)?;
        next.validity.warn(SystemTime::now(), &next.options.certificate);
        self.current.store(Arc::new(next));
        Ok(true)
    }

    /// Uses the files again whenever they change, and tells again and again when the certificate expires. Never ends.
    pub(crate) async fn watch(self: Arc<Self>, tell: impl Fn(SystemTime)) {
        loop {
            tell(self.expires());
            tokio::time::sleep(LOOK).await;
            let tls = Arc::clone(&self);
            // On another thread: the files may be on a slow file system. A look that was lost is repeated.
            let _ = tokio::task::spawn_blocking(move || tls.look()).await;
        }
    }

    /// Looks at the files once.
    fn look(&self) {
        let options = self.current.load().options.clone();
        let certificate = options.certificate.clone();
        let (files, outcome) = match Files::read(&options) {
            Ok(files) => (Some(files.clone()), self.replace(options, files)),
            Err(error) => (None, Err(error)),
        };
        let mut refused = self.refused.lock();
        match outcome {
            Ok(false) => *refused = Refused::default(),
            Ok(true) => {
                *refused = Refused::default();
                tracing::info!(
                    certificate = %certificate.display(), expires = %self.expires_text(),
                    "the certificate was replaced; new connections use it"
                );
            }
            Err(error) => {
                let is_settled = refused.files == files && (files.is_some() || refused.is_told);
                let is_known = is_settled && refused.is_told;
                if is_known {
                    return;
                }
                // Files that cannot be read are reported at once: nothing shows whether they are the same.
                let is_told = is_settled || files.is_none();
                *refused = Refused { files, is_told };
                if is_told {
                    tracing::error!(%error, "the new certificate cannot be used; the old one stays in use");
                }
            }
        }
    }

    /// The configuration for the next handshake.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.load().config)
    }

    /// When the certificate expires.
    pub fn expires(&self) -> SystemTime {
        self.current.load().validity.expires()
    }

    /// When the certificate expires, for people.
    fn expires_text(&self) -> String {
        crate::time::timestamp(self.expires()).unwrap_or_default()
    }
}
