//! The client of a request: the way by which it came, the host that it names, and the web page behind it.

use http::header::{self, HeaderMap};
use hythe_upstream::Via;

use super::{host, site};
use crate::options::ServerOptions;
use crate::peer::Peer;

/// Who makes a request, and by which way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client<'a> {
    pub(super) exposure: Exposure,
    /// Whether the client connected to a loopback address.
    pub(super) near: bool,
    /// The host that the request names, if it is neither loopback nor configured in `http.hosts`.
    pub(super) foreign_host: Option<&'a str>,
    /// The web page of a foreign origin that makes the request, if any.
    pub(super) foreign_page: Option<ForeignPage<'a>>,
}

/// Who can reach the listener that a request came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exposure {
    /// Programs on this machine: the listener is bound to loopback.
    Loopback,
    /// Programs on this machine, containers and nodes: the server's container publishes its port on its host's loopback
    /// only.
    Published,
    /// Every program on the network.
    Network,
}

/// A web page of a foreign origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ForeignPage<'a> {
    /// The page's origin, if the browser tells it.
    pub(super) origin: Option<&'a str>,
}

impl<'a> Client<'a> {
    /// The client of a request with these headers. `host` is the host that the request names in its target or in its
    /// `Host` header.
    pub(super) fn of(
        peer: &Peer,
        host: Option<&'a str>,
        headers: &'a HeaderMap,
        options: &ServerOptions,
    ) -> Self {
        let exposure = if peer.door.loopback {
            Exposure::Loopback
        } else if options.published_on_loopback {
            Exposure::Published
        } else {
            Exposure::Network
        };
        let foreign_page = site::is_foreign(headers, host, &options.cors_origins).then(|| ForeignPage {
            origin: headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()),
        });
        let foreign_host = host.filter(|host| !host::is_allowed(host, &options.hosts));
        Self { exposure, near: peer.near, foreign_host, foreign_page }
    }

    /// The host for which the request is refused, if the registry is reachable from this machine only: otherwise a web
    /// page could talk to the registry on its reader's machine by making its own name resolve there (DNS rebinding).
    pub(super) fn refused_host(&self) -> Option<&'a str> {
        self.foreign_host.filter(|host| match self.exposure {
            Exposure::Loopback => true,
            Exposure::Published => !host::is_inner(host),
            Exposure::Network => false,
        })
    }

    /// The way that decides which content the client may have. A web page's request counts as the network's, also if
    /// the page's name was made to resolve to this machine.
    pub(super) fn via(&self) -> Via {
        let is_near = self.near && self.foreign_host.is_none() && self.foreign_page.is_none();
        if is_near { Via::Loopback } else { Via::Network }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::peer::Door;

    /// The host that is refused, if any, and whether the client counts as one of this machine.
    fn judged(
        loopback: bool,
        published_on_loopback: bool,
        near: bool,
        host: Option<&str>,
        origin: Option<&'static str>,
    ) -> (Option<String>, bool) {
        let peer = Peer {
            address: ([127, 0, 0, 1], 5000).into(),
            near,
            door: Door { loopback, mirror: None },
            tls: false,
            certificate: None,
            lacks_tls: false,
        };
        let hosts = vec!["registry.example".to_owned()];
        let options = ServerOptions { hosts, published_on_loopback, ..ServerOptions::default() };
        let origin = origin.map(|origin| (header::ORIGIN, HeaderValue::from_static(origin)));
        let headers: HeaderMap = origin.into_iter().collect();
        let client = Client::of(&peer, host, &headers, &options);
        (client.refused_host().map(str::to_owned), client.via() == Via::Loopback)
    }

    #[test]
    fn a_client_is_near_if_its_connection_its_host_and_its_page_all_are() {
        for (host, is_ours, is_inner) in [
            (None, true, true),
            (Some("localhost:5001"), true, true),
            (Some("registry.example"), true, true),
            (Some("hythe:5001"), false, true),
            (Some("172.18.0.2:5001"), false, true),
            (Some("evil.example"), false, false),
            (Some(""), false, false),
        ] {
            for origin in [None, Some("https://evil.example")] {
                for near in [false, true] {
                    let expected = |refused: bool| {
                        let refused = host.filter(|_| refused).map(str::to_owned);
                        (refused, near && is_ours && origin.is_none())
                    };
                    let about = format!("{host:?} {origin:?} {near}");
                    for published in [false, true] {
                        assert_eq!(
                            judged(true, published, near, host, origin),
                            expected(!is_ours),
                            "{about}"
                        );
                    }
                    let published = judged(false, true, near, host, origin);
                    assert_eq!(published, expected(!is_ours && !is_inner), "{about}");
                    assert_eq!(judged(false, false, near, host, origin), expected(false), "{about}");
                }
            }
        }
    }

    #[test]
    fn a_page_is_named_by_its_origin_if_the_browser_tells_one() {
        let options = ServerOptions::default();
        let peer = Peer {
            address: ([127, 0, 0, 1], 5000).into(),
            near: true,
            door: Door::default(),
            tls: false,
            certificate: None,
            lacks_tls: false,
        };
        for (name, value, origin) in [
            ("origin", "https://evil.example", Some("https://evil.example")),
            ("origin", "null", Some("null")),
            ("sec-fetch-site", "cross-site", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            let client = Client::of(&peer, Some("localhost"), &headers, &options);
            assert_eq!(client.foreign_page, Some(ForeignPage { origin }), "{name}");
        }
        let none = HeaderMap::new();
        let client = Client::of(&peer, Some("localhost"), &none, &options);
        assert_eq!(client.foreign_page, None);
    }
}
