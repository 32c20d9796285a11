//! Registries over TLS.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;

use hythe_client::{Client, ClientOptions, ConfigError, Error, Remedy};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::world::{assert_says, pull};

/// The authority that signed the certificate of [`answering`], which is valid until 2126. Its key is lost.
pub(crate) const AUTHORITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/tls/authority.pem");
const CERTIFICATE: &[u8] = include_bytes!("tls/certificate.pem");
const KEY: &[u8] = include_bytes!("tls/key.pem");

/// Starts a server that answers each request with `answer` over TLS; returns its `127.0.0.1:PORT`.
pub(crate) fn answering(answer: &'static str) -> String {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        // Serves one connection at a time, with one request each, until the test's process ends.
        while let Ok((socket, _)) = listener.accept() {
            let connection = ServerConnection::new(config.clone()).unwrap();
            let mut stream = StreamOwned::new(connection, socket);
            let mut request = [0; 4096];
            if stream.read(&mut request).is_ok_and(|length| length > 0) {
                let _ = stream.write_all(answer.as_bytes());
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    address
}

pub(crate) fn client(endpoint: String, ca: &[&str]) -> Client {
    let ca = ca.iter().map(PathBuf::from).collect();
    Client::new(ClientOptions { ca, ..ClientOptions::new(endpoint) }).unwrap()
}

pub(crate) const MANIFEST: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";

#[tokio::test]
async fn a_configured_authority_is_trusted_and_an_unknown_one_is_not() {
    let address = answering(MANIFEST);
    let trusting = client(format!("https://{address}"), &[AUTHORITY]);
    assert_eq!(&pull(&trusting).await.unwrap().bytes[..], b"{}");
    let by_name = client(format!("https://{}", address.replace("127.0.0.1", "localhost")), &[AUTHORITY]);
    assert_eq!(&pull(&by_name).await.unwrap().bytes[..], b"{}");

    let error = pull(&client(format!("https://{address}"), &[])).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    assert_says(&error, &["127.0.0.1", "certificate", "unknown authority"]);
    assert_eq!(error.remedy(), Some(&Remedy::Authority));
}

#[tokio::test]
async fn a_registry_that_speaks_no_tls_is_unavailable() {
    let plain = hythe_testing::ScriptedUpstream::start();
    let error = pull(&client(plain.endpoint().replace("http", "https"), &[])).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { status: None, .. }), "{error:?}");
}

#[tokio::test]
async fn a_registry_on_https_cannot_redirect_to_plain_http() {
    let answer = "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/v2/\r\n\
                  content-length: 0\r\nconnection: close\r\n\r\n";
    let error = pull(&client(format!("https://{}", answering(answer)), &[AUTHORITY])).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    assert_says(&error, &["HTTPS", "no setting allows that"]);

    let answer = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\
                  www-authenticate: Bearer realm=\"http://127.0.0.1:1/token\"\r\n\r\n";
    let error = pull(&client(format!("https://{}", answering(answer)), &[AUTHORITY])).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    assert_says(&error, &["token server", "no setting allows that"]);
}

#[test]
fn files_that_hold_no_authority_are_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let garbage = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    for path in [file("empty", ""), file("text", "hello"), file("garbage", garbage), "/nowhere".into()] {
        let options =
            ClientOptions { ca: vec![path.clone()], ..ClientOptions::new("https://registry.example") };
        let error = Client::new(options).unwrap_err();
        assert!(matches!(error, ConfigError::Ca { .. }), "{error:?}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
}
