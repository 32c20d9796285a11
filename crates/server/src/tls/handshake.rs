//! The beginning of a connection on a listener with TLS.

use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::certificate::ClientCertificate;
use super::{H2, Tls};
use crate::plane::{Paced, TLS_HANDSHAKE};

/// What a client sends first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hello {
    /// Nothing: it has closed the connection.
    Nothing,
    /// A TLS handshake, or bytes that mean nothing here.
    Tls,
    /// The method of a request of plain HTTP.
    Http,
}

/// Looks at the first byte of a connection, which stays to be read.
pub(crate) async fn hello(stream: &TcpStream) -> io::Result<Hello> {
    let mut first = [0];
    Ok(match (stream.peek(&mut first).await?, first) {
        (0, _) => Hello::Nothing,
        (_, [TLS_HANDSHAKE]) => Hello::Tls,
        (_, [byte]) if byte.is_ascii_alphabetic() => Hello::Http,
        _ => Hello::Tls,
    })
}

/// A session whose handshake is done.
pub(crate) struct Handshaken {
    pub(crate) stream: TlsStream<Paced>,
    /// Whether client and server chose HTTP/2.
    pub(crate) is_h2: bool,
    /// The client's certificate, if it sent one.
    pub(crate) certificate: Option<Arc<ClientCertificate>>,
}

/// Does the handshake with the certificate that is in use now. A handshake whose client's certificate has no names that
/// can be read fails.
pub(crate) async fn handshake(tls: &Tls, stream: Paced) -> io::Result<Handshaken> {
    let accepted = TlsAcceptor::from(tls.config()).accept(stream).into_fallible().await;
    let stream = match accepted {
        Ok(stream) => stream,
        Err((error, stream)) => {
            // The client must be able to read why it was refused: the alert.
            stream.linger().await;
            return Err(error);
        }
    };
    let (_, session) = stream.get_ref();
    let is_h2 = session.alpn_protocol() == Some(H2);
    let sent = session.peer_certificates().and_then(<[_]>::first);
    let certificate = sent.map(|sent| {
        let unreadable = || io::Error::other("the names in the client's certificate cannot be read");
        ClientCertificate::read(sent).map(Arc::new).ok_or_else(unreadable)
    });
    let certificate = certificate.transpose()?;
    Ok(Handshaken { stream, is_h2, certificate })
}
