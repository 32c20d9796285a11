//! Finds the proxy through which the API is asked.

use std::net::IpAddr;

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;

/// The proxy for a server, by `HTTPS_PROXY` and `NO_PROXY`. As in Go, this machine is asked without a proxy. The kube
/// library is not left to decide: it would ask a proxy for kind's `127.0.0.1`, and it compares `NO_PROXY` with the
/// proxy's name instead of the server's.
pub(super) fn of_environment(server: &Uri) -> Option<Uri> {
    if is_loopback(server) {
        return None;
    }
    Matcher::from_env().intercept(server).map(|proxy| proxy.uri().clone())
}

fn is_loopback(server: &Uri) -> bool {
    let host = server.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_recognised_by_each_of_its_names() {
        for (server, loopback) in [
            ("https://127.0.0.1:6443", true),
            ("https://localhost:6443", true),
            ("https://[::1]:6443", true),
            ("https://10.0.0.1:6443", false),
            ("https://localhost.example:6443", false),
        ] {
            assert_eq!(is_loopback(&server.parse().unwrap()), loopback, "{server}");
        }
    }
}
