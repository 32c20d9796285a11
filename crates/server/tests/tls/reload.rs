//! New certificates while the registry serves.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use hythe_server::Tls;
use hythe_testing::{Certified, bytes, eventually};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::World;

/// Whether new connections get this certificate.
fn presents(world: &World, certified: &Certified) -> bool {
    let mut connection = world.client().connect();
    connection.send("GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    connection.answer("GET").unwrap().expect(200);
    let wanted = CertificateDer::from_pem_slice(certified.certificate.as_bytes()).unwrap();
    connection.session().unwrap().peer_certificates().unwrap() == [wanted]
}

#[test]
fn certificates_are_replaced_under_pulling_clients_without_a_failed_pull() {
    let world = World::new();
    let content = bytes(1, 2 << 20);
    let digest = world.client().push_blob("app", &content);
    let (done, pulls) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let answer = world.client().get(format!("/v2/app/blobs/{digest}")).send().expect(200);
                    assert!(answer.body == content);
                    pulls.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..2 {
            let next = world.authority.certify_server();
            next.write(world.folder.path());
            eventually("the new certificate", || presents(&world, &next));
            let seen = pulls.load(Ordering::Relaxed);
            eventually("pulls go on", || pulls.load(Ordering::Relaxed) > seen + 16);
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_certificate_without_its_key_is_not_used_until_the_key_follows() {
    let world = World::new();
    let [first, second] = [(); 2].map(|()| world.authority.certify_server());
    let options = first.write(world.folder.path());
    let tls = Tls::load(options.clone()).unwrap();
    assert!(!tls.reload(options.clone()).unwrap(), "nothing changed");
    let expires = tls.expires();
    std::fs::write(&options.certificate, &second.certificate).unwrap();
    let error = tls.reload(options.clone()).unwrap_err().to_string();
    assert!(error.contains("does not belong to the certificate"), "{error}");
    assert_eq!(tls.expires(), expires);
    // The registry, which looks at the files by itself, serves all the while.
    world.client().get("/v2/").send().expect(200);
    std::fs::write(&options.key, &second.key).unwrap();
    assert!(tls.reload(options).unwrap());
    eventually("the second certificate", || presents(&world, &second));
}
