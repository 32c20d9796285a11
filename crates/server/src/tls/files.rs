//! The files with certificates and keys.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsOptions;
use super::error::TlsError;

/// The largest file that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// The contents of the files.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Vec<Vec<u8>>,
}

// Shows nothing of the key.
impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Files")
    }
}

impl Files {
    pub(super) fn read(options: &TlsOptions) -> Result<Self, TlsError> {
        Ok(Self {
            certificate: read(&options.certificate)?,
            key: read(&options.key)?,
            client_ca: options.client_ca.iter().map(|path| read(path)).collect::<Result<_, _>>()?,
        })
    }

    /// The server's certificate and those of the intermediate authorities. `path` is for errors.
    pub(super) fn chain(&self, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        certificates(path, &self.certificate)
    }

    /// The private key. `path` is for errors.
    pub(super) fn key(&self, path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| match error {
            pem::Error::NoItemsFound => TlsError::NoKey { path: path.to_owned() },
            error => TlsError::Pem { path: path.to_owned(), error },
        })
    }

    /// The certificates in each file of authorities. `paths` are the files.
    pub(super) fn authorities<'p>(
        &self,
        paths: &'p [PathBuf],
    ) -> Result<Vec<(&'p Path, Vec<CertificateDer<'static>>)>, TlsError> {
        let files = paths.iter().zip(&self.client_ca);
        files.map(|(path, bytes)| Ok((path.as_path(), certificates(path, bytes)?))).collect()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |error| TlsError::Read { path: path.to_owned(), error };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(TlsError::TooLarge { path: path.to_owned() });
    }
    Ok(bytes)
}

fn certificates(path: &Path, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    let found = found.map_err(|error| TlsError::Pem { path: path.to_owned(), error })?;
    if found.is_empty() {
        return Err(TlsError::NoCertificate { path: path.to_owned() });
    }
    Ok(found)
}
