//! The settings of TLS.

use crate::config::key::{Key, Kind, Slot};

pub(super) const CERTIFICATE: Key = Key {
    name: "tls.certificate",
    doc: "The file with the server's certificate in PEM, followed by the certificates of its intermediate authorities. Setting it turns TLS on. The server looks at the file every few seconds, and uses a new certificate for new connections.",
    kind: Kind::File(at!(tls.certificate)),
    flag: Some("tls-certificate"),
    reload: true,
};

pub(super) const KEY: Key = Key {
    name: "tls.key",
    doc: "The file with the certificate's private key in PEM, without a password.",
    kind: Kind::File(at!(tls.key)),
    flag: Some("tls-key"),
    reload: true,
};

pub(super) const CLIENT_CA: Key = Key {
    name: "tls.client-ca",
    doc: "The files with the certificate authorities, in PEM, that sign the certificates of clients (mutual TLS). Without any, clients need no certificate.",
    kind: Kind::Files(at!(tls.client_ca)),
    flag: Some("tls-client-ca"),
    reload: true,
};

pub(super) const CLIENT_AUTH: Key = Key {
    name: "tls.client-auth",
    doc: "Whether a client must have a certificate of `tls.client-ca`: `require` refuses clients without one, `request` also lets them in. A certificate that a client sends must be valid in both cases.",
    kind: Kind::Word(&at!(tls.client_auth)),
    flag: None,
    reload: true,
};

pub(super) const MIN_VERSION: Key = Key {
    name: "tls.min-version",
    doc: "The oldest version of TLS that the server speaks.",
    kind: Kind::Word(&at!(tls.min_version)),
    flag: None,
    reload: true,
};
