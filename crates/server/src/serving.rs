//! Serves one connection from its first byte to its last.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::call::App;
use crate::dispatch::answer;
use crate::options::ServerOptions;
use crate::peer::Peer;
use crate::plane::{Body, Connection, Link, Paced, PlaneCounters, Secure};
use crate::protocol::{http1, http2};
use crate::seldom::Seldom;
use crate::tls::{Handshaken, Hello, Tls, handshake, hello};

/// What one connection needs of its server.
pub(crate) struct Serving {
    pub(crate) app: Arc<App>,
    pub(crate) options: Arc<ArcSwap<ServerOptions>>,
    pub(crate) counters: Arc<PlaneCounters>,
    pub(crate) warned: Arc<Warned>,
    /// Changes when the server stops.
    pub(crate) stopped: watch::Receiver<bool>,
}

/// When the server last warned about clients that speak TLS where it cannot answer them.
#[derive(Debug, Default)]
pub(crate) struct Warned {
    /// TLS on a plain listener.
    plain: Seldom,
    /// A failed handshake.
    handshake: Seldom,
}

/// How a connection of a listener with TLS begins.
enum Beginning {
    /// The client has closed it.
    Nothing,
    /// The client speaks plain HTTP.
    Http(TcpStream),
    Tls(Box<Handshaken>),
}

impl Serving {
    /// Serves `stream` until it ends, after a handshake if its listener has TLS.
    pub(crate) async fn serve(self, stream: TcpStream, peer: Peer, tls: Option<&Tls>) {
        // Small responses must not wait for the client's acknowledgement. If the socket refuses the option, it is only
        // slower.
        let _ = stream.set_nodelay(true);
        let gauge = self.app.metrics.connections.clone();
        gauge.inc();
        let client = peer.address;
        let served = match tls {
            None => self.serve_plain(stream, peer).await,
            Some(tls) => self.serve_tls(stream, peer, tls).await,
        };
        gauge.dec();
        if let Err(error) = served {
            tracing::debug!(%client, %error, "a connection ended early");
        }
    }

    async fn serve_plain(&self, stream: TcpStream, peer: Peer) -> hyper::Result<()> {
        let options = self.options.load_full();
        let sendfile = options.sendfile && cfg!(target_os = "linux");
        let client = peer.address;
        let link = Arc::new(Link::new(sendfile, Arc::clone(&self.counters)));
        let connection = Connection::new(stream, Arc::clone(&link), (&*options).into());
        let stopped = self.stopped.clone();
        let served = http1(connection, self.service(peer, &link), &options, stopped).await;
        // hyper has answered with a 400. Clients that are written in Go recognise an answer of HTTP and name the mistake,
        // and containerd then tries HTTP. They would not recognise a TLS alert.
        if link.speaks_tls() && self.warned.plain.is_due() {
            tracing::warn!(
                %client,
                "a client speaks TLS to a listener without TLS: let it use http://, or give hythe a certificate (tls.certificate)"
            );
        }
        served
    }

    async fn serve_tls(&self, stream: TcpStream, mut peer: Peer, tls: &Tls) -> hyper::Result<()> {
        let options = self.options.load_full();
        let mut stopped = self.stopped.clone();
        let beginning = tokio::select! {
            began = tokio::time::timeout(options.header_timeout, self.begin(stream, tls, &options)) => began,
            _ = stopped.changed() => return Ok(()),
        };
        let client = peer.address;
        let handshaken = match beginning {
            Ok(Ok(Beginning::Tls(handshaken))) => *handshaken,
            Ok(Ok(Beginning::Http(stream))) => {
                peer.lacks_tls = true;
                return self.serve_plain(stream, peer).await;
            }
            Ok(Ok(Beginning::Nothing)) => return Ok(()),
            Ok(Err(error)) => {
                self.app.metrics.handshake_failed();
                if self.warned.handshake.is_due() {
                    tracing::warn!(%client, %error, "a TLS handshake failed");
                }
                return Ok(());
            }
            Err(_) => {
                self.app.metrics.handshake_failed();
                tracing::debug!(%client, "a client did not finish its TLS handshake in time (http.header-timeout)");
                return Ok(());
            }
        };
        peer.tls = true;
        peer.certificate = handshaken.certificate;
        let (stream, counters) = (handshaken.stream, Arc::clone(&self.counters));
        if handshaken.is_h2 {
            let link = Arc::new(Link::shared(counters));
            let connection = Secure::new(stream, Arc::clone(&link), (&*options).into());
            http2(connection, self.service(peer, &link), &link, &options, stopped).await
        } else {
            let link = Arc::new(Link::new(false, counters));
            let connection = Secure::new(stream, Arc::clone(&link), (&*options).into());
            http1(connection, self.service(peer, &link), &options, stopped).await
        }
    }

    async fn begin(&self, stream: TcpStream, tls: &Tls, options: &ServerOptions) -> io::Result<Beginning> {
        Ok(match hello(&stream).await? {
            Hello::Nothing => Beginning::Nothing,
            Hello::Http => Beginning::Http(stream),
            Hello::Tls => {
                let stream = Paced::new(stream, options.progress_timeout);
                Beginning::Tls(Box::new(handshake(tls, stream).await?))
            }
        })
    }

    /// Answers the requests of `peer` on the connection with `link`.
    fn service(
        &self,
        peer: Peer,
        link: &Arc<Link>,
    ) -> impl Service<
        Request<Incoming>,
        Response = Response<Body>,
        Error = Infallible,
        Future: Future + Send + 'static,
    > + use<> {
        let (app, options) = (Arc::clone(&self.app), Arc::clone(&self.options));
        let (peer, link) = (Arc::new(peer), Arc::clone(link));
        service_fn(move |request| {
            answer(Arc::clone(&app), options.load_full(), Arc::clone(&peer), Arc::clone(&link), request)
        })
    }
}
