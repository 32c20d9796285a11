//! A certificate authority for one test.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::binary::tool;
use crate::command::{program, run};

/// A certificate authority, and a server's certificate that it signed.
pub struct Authority {
    folder: TempDir,
}

impl Authority {
    /// Creates an authority, and a server's certificate for these names and this address.
    pub fn for_names(names: &[&str], address: Ipv4Addr) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name).display().to_string();
        let openssl = |words: &[&str]| run(&mut program(tool("openssl"), words));
        openssl(&[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=e2e authority",
            "-keyout",
            &at("ca.key"),
            "-out",
            &at("ca.pem"),
        ]);
        openssl(&[
            "req",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=e2e upstream",
            "-keyout",
            &at("key.pem"),
            "-out",
            &at("request.pem"),
        ]);
        let names: Vec<String> = names.iter().map(|name| format!("DNS:{name}")).collect();
        let extension = format!("subjectAltName={},IP:{address}\n", names.join(","));
        std::fs::write(folder.path().join("extension"), extension).expect("the folder is ours");
        openssl(&[
            "x509",
            "-req",
            "-days",
            "2",
            "-in",
            &at("request.pem"),
            "-CA",
            &at("ca.pem"),
            "-CAkey",
            &at("ca.key"),
            "-CAcreateserial",
            "-extfile",
            &at("extension"),
            "-out",
            &at("certificate.pem"),
        ]);
        Self { folder }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The authority's own certificate, for clients to trust.
    pub fn certificate(&self) -> String {
        std::fs::read_to_string(self.at("ca.pem")).expect("openssl made it")
    }

    /// The files of the server's certificate and of its key.
    pub fn server(&self) -> (PathBuf, PathBuf) {
        (self.at("certificate.pem"), self.at("key.pem"))
    }

    /// The folder with all the files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}
