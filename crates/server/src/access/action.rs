//! The action of a request: what its client wants to do with a repository or a page.

use http::Method;
use hythe_oci::Endpoint;

use super::page::Page;
use super::site;

/// What a client wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// To read a manifest or a blob.
    Pull,
    /// To learn by HEAD whether the repository has a manifest or a blob. Clients that push ask which content they may
    /// leave out.
    Check,
    /// To list repositories, tags or referrers.
    List,
    /// To push a manifest or a blob, or to mount a blob.
    Push,
    /// To delete a tag, a manifest or a blob.
    Delete,
    /// To read a page of the admin API.
    ReadPage,
    /// To change something through a page of the admin API.
    WritePage,
    /// To read something that is no repository's content: a ping, metrics, the state of an upload, or the refusal of a
    /// method.
    OtherRead,
    /// To change something that is no repository's content: to cancel an upload, or to be refused a method.
    OtherWrite,
}

impl Action {
    /// The action of a request to an endpoint.
    pub(super) fn on(method: &Method, endpoint: &Endpoint) -> Self {
        match (method, endpoint) {
            (&Method::GET, Endpoint::Manifest { .. } | Endpoint::Blob { .. }) => Self::Pull,
            (&Method::HEAD, Endpoint::Manifest { .. } | Endpoint::Blob { .. }) => Self::Check,
            (
                &(Method::GET | Method::HEAD),
                Endpoint::Catalog | Endpoint::Tags { .. } | Endpoint::Referrers { .. },
            ) => Self::List,
            (
                &(Method::PUT | Method::POST | Method::PATCH),
                Endpoint::Manifest { .. } | Endpoint::Uploads { .. } | Endpoint::Upload { .. },
            ) => Self::Push,
            (&Method::DELETE, Endpoint::Manifest { .. } | Endpoint::Blob { .. }) => Self::Delete,
            (method, _) => Self::other(method),
        }
    }

    /// The action of a request to a page.
    pub(super) fn on_page(method: &Method, page: Page) -> Self {
        match (page.is_admin(), site::reads(method)) {
            (true, true) => Self::ReadPage,
            (true, false) => Self::WritePage,
            (false, _) => Self::other(method),
        }
    }

    /// The action of a request whose target is none of the above.
    pub(super) fn other(method: &Method) -> Self {
        if site::reads(method) { Self::OtherRead } else { Self::OtherWrite }
    }

    /// Whether the action reads content of a repository, which may be missing there and be in a copy.
    pub(super) fn reads_content(self) -> bool {
        matches!(self, Self::Pull | Self::Check | Self::List)
    }

    /// Whether the action changes anything.
    pub(super) fn writes(self) -> bool {
        match self {
            Self::Pull | Self::Check | Self::List | Self::ReadPage | Self::OtherRead => false,
            Self::Push | Self::Delete | Self::WritePage | Self::OtherWrite => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    #[test]
    fn every_method_of_every_endpoint_is_one_action() {
        use Action::{Check, Delete, List, OtherRead as Reads, OtherWrite as Writes, Pull, Push};

        let methods = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE", "BREW"];
        for (path, actions) in [
            ("/", [Reads, Reads, Reads, Writes, Writes, Writes, Writes, Writes]),
            ("/v2/", [Reads, Reads, Reads, Writes, Writes, Writes, Writes, Writes]),
            ("/v2/_oci/ext/discover", [Reads, Reads, Reads, Writes, Writes, Writes, Writes, Writes]),
            ("/v2/_catalog", [List, List, Reads, Writes, Writes, Writes, Writes, Writes]),
            ("/v2/a/tags/list", [List, List, Reads, Writes, Writes, Writes, Writes, Writes]),
            (
                &format!("/v2/a/referrers/{DIGEST}"),
                [List, List, Reads, Writes, Writes, Writes, Writes, Writes],
            ),
            ("/v2/a/manifests/v1", [Pull, Check, Reads, Push, Push, Push, Delete, Writes]),
            (&format!("/v2/a/blobs/{DIGEST}"), [Pull, Check, Reads, Writes, Writes, Writes, Delete, Writes]),
            ("/v2/a/blobs/uploads/", [Reads, Reads, Reads, Push, Push, Push, Writes, Writes]),
            (
                "/v2/a/blobs/uploads/0123456789abcdef0123456789abcdef",
                [Reads, Reads, Reads, Push, Push, Push, Writes, Writes],
            ),
        ] {
            let endpoint = Endpoint::parse(path).unwrap();
            for (method, action) in methods.into_iter().zip(actions) {
                let method = method.parse().unwrap();
                assert_eq!(Action::on(&method, &endpoint), action, "{method} {path}");
                assert_eq!(action.writes(), !site::reads(&method), "{method} {path}");
                assert_eq!(Action::other(&method).writes(), !site::reads(&method), "{method}");
            }
        }
    }

    #[test]
    fn a_page_of_the_admin_api_has_actions_of_its_own() {
        use Action::{OtherRead, OtherWrite, ReadPage, WritePage};

        for (path, read, write) in [
            ("/healthz", OtherRead, OtherWrite),
            ("/livez", OtherRead, OtherWrite),
            ("/readyz", OtherRead, OtherWrite),
            ("/metrics", OtherRead, OtherWrite),
            ("/api/backup/records", ReadPage, WritePage),
            ("/api/gc", ReadPage, WritePage),
            ("/api/leases", ReadPage, WritePage),
            ("/api/leases/0123", ReadPage, WritePage),
            ("/api/verify", ReadPage, WritePage),
            ("/api/retain", ReadPage, WritePage),
            ("/api/cache/copies", ReadPage, WritePage),
            ("/api/cache/upstreams", ReadPage, WritePage),
            ("/api/deleted/manifests", ReadPage, WritePage),
            ("/api/undelete", ReadPage, WritePage),
            ("/api/users", ReadPage, WritePage),
            ("/api/users/alice", ReadPage, WritePage),
            ("/api/tokens", ReadPage, WritePage),
            ("/token", OtherRead, OtherWrite),
        ] {
            let page = Page::of(path).unwrap();
            for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
                assert_eq!(Action::on_page(&method, page), read, "{method} {path}");
            }
            for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                assert_eq!(Action::on_page(&method, page), write, "{method} {path}");
            }
        }
        assert_eq!(Page::of("/api/unknown"), None);
        assert_eq!(Page::of("/api/leasesx"), None);
    }
}
