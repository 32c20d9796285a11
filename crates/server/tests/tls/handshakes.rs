//! Handshakes: their versions, their time, and their failures.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use hythe_server::{Tls, TlsError, TlsVersion};
use hythe_testing::{Authority, Certified, TestRegistry, eventually};
use tempfile::TempDir;

use crate::World;

/// The first bytes of a handshake: a record that announces 512 bytes.
const BEGINNING: &[u8] = &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];

#[test]
fn an_older_version_than_the_configured_one_is_refused() {
    let world = World::with(TestRegistry::setup(), |options, _| options.min_version = TlsVersion::V1_3);
    world.client().get("/v2/").send().expect(200);
    let old = world.authority.client_with(&[&rustls::version::TLS12], &[b"http/1.1"], None);
    let error = world.registry.client().tls(old).get("/v2/").try_send().unwrap_err();
    assert!(error.to_string().contains("ProtocolVersion"), "{error}");
    assert_eq!(world.metric("hythe_tls_handshakes_failed_total"), 1);
}

#[test]
fn slow_handshakes_hold_up_no_other_client_and_end() {
    let setup = TestRegistry::setup().server(|options| options.header_timeout = Duration::from_secs(2));
    let world = World::with(setup, |_, _| {});
    let mut slow: Vec<TcpStream> =
        (0..50).map(|_| TcpStream::connect(world.registry.address()).unwrap()).collect();
    for (number, stream) in slow.iter_mut().enumerate() {
        // Some send nothing at all.
        stream.write_all(&BEGINNING[..number % BEGINNING.len()]).unwrap();
    }
    world.client().get("/v2/").send().expect(200);
    for mut stream in slow {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // The server closes the connection; a reset is as good.
        let mut rest = Vec::new();
        if let Err(error) = stream.read_to_end(&mut rest) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
        }
    }
}

#[test]
fn a_slow_handshake_does_not_hold_up_the_stop() {
    let mut world = World::with(
        TestRegistry::setup().server(|options| options.drain_timeout = Duration::from_mins(10)),
        |_, _| {},
    );
    let mut slow = TcpStream::connect(world.registry.address()).unwrap();
    slow.write_all(BEGINNING).unwrap();
    eventually("the handshake begins", || world.metric("hythe_http_connections") == 2);
    world.registry.stop();
}

#[test]
fn the_expiry_of_the_certificate_is_a_metric() {
    let world = World::new();
    // Certificates of tests are valid until the year 4096.
    eventually("the metric", || {
        world.metric("hythe_tls_certificate_expiry_timestamp_seconds") > 60_000_000_000
    });
}

#[test]
fn files_that_cannot_be_used_are_refused_with_the_reason() {
    let (authority, folder) = (Authority::default(), TempDir::new().unwrap());
    let good = authority.certify_server();
    let other = authority.certify_server();
    for (certificate, key, wanted) in [
        (good.certificate.as_str(), other.key.as_str(), "server.key does not belong to the certificate in "),
        ("", &good.key, "server.pem has no certificate"),
        (&good.certificate, "", "server.key has no private key that can be used"),
        (&good.certificate, &good.certificate, "server.key has no private key that can be used"),
        (&good.certificate[..200], &good.key, "server.pem is not valid PEM"),
    ] {
        let options =
            Certified { certificate: certificate.to_owned(), key: key.to_owned() }.write(folder.path());
        let error = Tls::load(options).unwrap_err().to_string();
        assert!(error.contains(wanted), "{wanted}\n  said {error}");
    }
    let mut options = good.write(folder.path());
    options.client_ca = vec![folder.path().join("absent.pem")];
    let error = Tls::load(options).unwrap_err();
    assert!(matches!(&error, TlsError::Read { path, .. } if path.ends_with("absent.pem")), "{error}");
    assert!(error.to_string().contains("No such file"), "{error}");
}

#[test]
fn an_expired_certificate_is_used_with_a_warning() {
    let (authority, folder) = (Authority::default(), TempDir::new().unwrap());
    let tls = Tls::load(authority.certify_expired().write(folder.path())).unwrap();
    assert!(tls.expires() < std::time::SystemTime::now());
}
