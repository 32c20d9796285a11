//! `registry:2`'s proxy: one upstream, which serves the repositories that were not pushed here.

use hythe_upstream::Allowed;

use super::super::draft::Draft;
use super::super::error::Problem;
use super::super::keys::key;
use super::super::tables::UPSTREAMS;
use super::passed_over;
use super::tree::{Node, Tree};
use crate::tables::known_name;
use crate::values::Endpoint;
use crate::values::Raw;

/// Applies the keys of the proxy to the draft. They depend on each other, so they are read together.
pub(super) fn apply(draft: &mut Draft, tree: &Tree) {
    let Some(proxy) = tree.root.child("proxy") else { return };
    let said = |name: &str| proxy.child(name).filter(|node| !node.is_empty());
    let place = |node: &Node| tree.source(&node.origin).place();
    for name in ["remoteurl", "username", "password"] {
        if let Some(node) = said(name).filter(|node| node.text().is_none()) {
            let text = format!("`proxy.{name}`: write one value, not several");
            return draft.problem(Problem::new(place(node), text));
        }
    }
    let login = [("username", said("username")), ("password", said("password"))];
    let Some(remote) = said("remoteurl") else {
        for (name, node) in login.into_iter().filter_map(|(name, node)| Some((name, node?))) {
            let path = format!("proxy.{name}");
            draft.warning(passed_over(
                &place(node),
                &path,
                "`proxy.remoteurl` is not set, so no upstream needs it",
            ));
        }
        return;
    };
    let endpoint: Endpoint = match remote.text().unwrap_or_default().trim().parse() {
        Ok(endpoint) => endpoint,
        Err(error) => {
            return draft.problem(Problem::new(place(remote), format!("`proxy.remoteurl`: {error}")));
        }
    };
    let source = tree.source(&remote.origin);
    let upstream = known_name(endpoint.host().clone());
    draft.begin_table(UPSTREAMS, &upstream, source.clone());
    if !is_home(&endpoint) {
        let endpoints = Raw::List(vec![endpoint.to_string()]);
        draft.set_field(UPSTREAMS, &upstream, "endpoints", &endpoints, &source);
    }
    if let Some(fallback) = key("upstream.fallback") {
        draft.set(fallback, &Raw::Text(upstream.to_string()), &source);
    }
    match login {
        [(_, Some(username)), (_, Some(password))] => {
            for (name, node) in [("username", username), ("password", password)] {
                if let Some(text) = node.text() {
                    let source = tree.source(&node.origin);
                    draft.set_field(UPSTREAMS, &upstream, name, &Raw::Text(text.to_owned()), &source);
                }
            }
        }
        // As in `registry:2`, a user name without a password, or a password without a user name, has no effect.
        [(name, Some(node)), (other, None)] | [(other, None), (name, Some(node))] => {
            let why = format!("`proxy.{other}` is not set, so hythe pulls from the upstream anonymously");
            draft.warning(passed_over(&place(node), &format!("proxy.{name}"), &why));
        }
        [(_, None), (_, None)] => {}
    }
}

/// Whether the endpoint is only the name of a known upstream. The upstream then keeps its known endpoint: some names of
/// Docker Hub are not the host of its API.
fn is_home(endpoint: &Endpoint) -> bool {
    let alone = format!("https://{}", endpoint.host());
    endpoint.as_str() == alone && Allowed::shipped().get(endpoint.host()).is_some()
}
