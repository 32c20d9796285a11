//! Loads the certificate authorities that clients trust.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::ConfigError;

/// The system's authorities, read once and shared by all clients.
static SYSTEM: Mutex<Option<Arc<RootCertStore>>> = Mutex::new(None);

/// Reads the certificates in the files.
pub(crate) fn read(files: &[PathBuf]) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let mut all = Vec::new();
    for path in files {
        let certificates = read_one(path);
        all.extend(
            certificates.map_err(|reason| ConfigError::Ca { path: path.display().to_string(), reason })?,
        );
    }
    Ok(all)
}

fn read_one(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = std::fs::read(path).map_err(|error| error.to_string())?;
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(&text).collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    let mut trusted = RootCertStore::empty();
    for certificate in &certificates {
        trusted.add(certificate.clone()).map_err(|error| error.to_string())?;
    }
    if certificates.is_empty() {
        Err("the file has no certificate in PEM form".to_owned())
    } else {
        Ok(certificates)
    }
}

/// The TLS configuration, which trusts the authorities in `further` beside the system's.
pub(crate) fn tls(further: &[CertificateDer<'static>]) -> Result<ClientConfig, String> {
    let mut roots = system()?;
    if !further.is_empty() {
        // `read_one` has already checked that each certificate can be added.
        Arc::make_mut(&mut roots).add_parsable_certificates(further.iter().cloned());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The system's authorities, or those at `SSL_CERT_FILE` and `SSL_CERT_DIR`. A system without any, such as a container
/// made from scratch, gets Mozilla's, which other systems have too. If one of the variables is set and no authority is
/// found, that is an error.
fn system() -> Result<Arc<RootCertStore>, String> {
    let mut system = SYSTEM.lock();
    if let Some(system) = &*system {
        return Ok(system.clone());
    }
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let named =
            ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().find(|name| std::env::var_os(name).is_some());
        if let Some(named) = named {
            let why =
                found.errors.first().map_or("no certificate in PEM form".to_owned(), ToString::to_string);
            return Err(format!("{named} is set, but no certificate authority was found there: {why}"));
        }
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    Ok(system.insert(Arc::new(roots)).clone())
}
