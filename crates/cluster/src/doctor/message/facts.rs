//! The facts in a message: which program speaks, what it asked for, which host it asked, and what failed.

use super::address::{self, Path, Url};
use super::failure::Failure;
use super::locality::{self, Locality};
use super::speaker::Speaker;

/// The facts in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) failure: Failure,
    pub(super) speaker: Option<Speaker>,
    /// The place of the host that was asked; none if the message names no registry.
    pub(super) locality: Option<Locality>,
    /// The port that was asked.
    pub(super) port: Option<u16>,
    /// If a mirror was asked, the place of the registry that it stands in for.
    pub(super) mirror_of: Option<Locality>,
    hints: Vec<Hint>,
}

/// A further fact in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    /// The program pushed.
    Push,
    /// The message names a registry, or a port that registries often have.
    Registry,
    /// The message is from Tilt or Skaffold, which push where the cluster's `ConfigMap` says.
    Loop,
    /// The message is about a server that is not a registry.
    Foreign,
    /// The image's name has no port.
    NoPort,
}

/// The words of each hint, in lower case. The words of [`Hint::Loop`] are not looked for in names and URLs.
const WORDS: [(Hint, &[&str]); 4] = [
    (
        Hint::Push,
        &[
            "the push refers to",
            "failed to push",
            "push access denied",
            "push permission",
            "pushing",
            " push",
            "/blobs/uploads/",
        ],
    ),
    (Hint::Registry, &["registry", "hythe", ":500", ":5050"]),
    (Hint::Loop, &["tilt", "skaffold", "build failed", "build artifact"]),
    (
        Hint::Foreign,
        &[
            "unable to connect to the server",
            "readiness probe",
            "liveness probe",
            "startup probe",
            "failed calling webhook",
            "/healthz",
            "etcd",
            "kube-apiserver",
            "docker daemon socket",
        ],
    ),
];

impl Facts {
    /// The facts in a message; none if it reports no failure.
    pub(super) fn of(text: &str) -> Option<Self> {
        let text = text.to_lowercase();
        let (failure, at) = Failure::of(&text)?;
        let (urls, has_other) = address::urls(&text);
        let url = urls.iter().rfind(|url| url.at < at).or(urls.first());
        let image = address::image(&text).or_else(|| address::hosted(&text).filter(|_| url.is_none()));
        let prose = prose(&text);
        let looked_up =
            after(&text, "dial tcp: lookup ").or_else(|| after(&text, "could not resolve host: "));
        let asked = match url {
            Some(url) => Some(url.authority),
            None => image.map(|(host, _)| host).or(looked_up.filter(|_| !has_other)),
        };
        let locality = asked.map(Locality::of);
        let dialled = after(&text, "dial tcp ").and_then(locality::port);
        let said = WORDS.into_iter().filter(|(hint, words)| {
            let text = if *hint == Hint::Loop { &prose } else { &text };
            words.iter().any(|word| text.contains(word))
        });
        let mut hints: Vec<Hint> = said.map(|(hint, _)| hint).collect();
        if has_other && asked.is_none() {
            hints.push(Hint::Foreign);
        }
        let has_port = image.map(|(_, has_port)| has_port);
        if !has_port.or(url.map(|url| locality::port(url.authority).is_some())).unwrap_or(true) {
            hints.push(Hint::NoPort);
        }
        Some(Self {
            failure,
            speaker: Speaker::of(&prose).or_else(|| by_request(&text, url)),
            locality,
            port: asked.and_then(locality::port).or(dialled),
            mirror_of: url.and_then(|url| mirror_of(url, image.map(|(host, _)| host))),
            hints,
        })
    }
}

impl Facts {
    pub(super) fn has(&self, hint: Hint) -> bool {
        self.hints.contains(&hint)
    }
}

/// A text without its URLs, paths and names of images: an image called `helm-operator` is not a message from Helm.
fn prose(text: &str) -> String {
    text.split_inclusive(char::is_whitespace).filter(|word| !word.contains('/')).collect()
}

/// The word that follows some words.
fn after<'a>(text: &'a str, words: &str) -> Option<&'a str> {
    let rest = &text[text.find(words)? + words.len()..];
    let word = rest.split([' ', '"', '\n', '\\']).next()?.trim_end_matches(':');
    Some(word).filter(|word| !word.is_empty())
}

/// The program that makes such a request, for a message with no other word of a program. containerd requests a manifest
/// before anything else, `BuildKit` the blobs that it should push, other clients `/v2/`.
fn by_request(text: &str, url: Option<&Url<'_>>) -> Option<Speaker> {
    let url = url?;
    match url.path {
        _ if url.of.is_some() => Some(Speaker::Node),
        Path::Manifest => Some(Speaker::Node),
        Path::Blob if text[..url.at].trim_end_matches("http").trim_end_matches('"').ends_with("head ") => {
            Some(Speaker::Builder)
        }
        Path::Base => Some(Speaker::Docker),
        Path::Blob | Path::Other => None,
    }
}

/// The registry that a mirror stands in for, by `?ns=` or by the image's own name; none if no mirror was asked.
fn mirror_of(url: &Url<'_>, image: Option<&str>) -> Option<Locality> {
    if let Some(of) = &url.of {
        return Some(Locality::of(of));
    }
    let image = image?;
    let (asked, own) = (Locality::of(url.authority), Locality::of(image));
    let is_other = url.authority != image && !(asked == Locality::Hub && own == Locality::Hub);
    // Public registries send clients to other hosts of their own for tokens and blobs.
    let is_sent_on = matches!(asked, Locality::Hub | Locality::Public) || url.path == Path::Other;
    (is_other && !is_sent_on && locality::host(url.authority) != locality::host(image)).then_some(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_tells_the_program_the_host_the_mirror_and_the_failure() {
        let text = "Failed to pull image \"redis:7\": failed to do request: Head \
            \"http://kind-registry:5000/v2/library/redis/manifests/7?ns=docker.io\": dial tcp 172.18.0.2:5000: i/o timeout";
        let facts = Facts::of(text).unwrap();
        assert_eq!(
            (facts.failure, facts.speaker, facts.locality, facts.port, facts.mirror_of),
            (Failure::Timeout, Some(Speaker::Node), Some(Locality::Bare), Some(5000), Some(Locality::Hub))
        );
        assert!(!facts.has(Hint::Foreign) && !facts.has(Hint::Push));
    }

    #[test]
    fn a_message_about_another_server_is_told_from_one_about_a_registry() {
        let text =
            "Get \"http://localhost:10248/healthz\": dial tcp 127.0.0.1:10248: connect: connection refused";
        let facts = Facts::of(text).unwrap();
        assert!(facts.has(Hint::Foreign) && facts.locality.is_none());
        assert_eq!(Facts::of("it is a nice day"), None);
    }

    #[test]
    fn the_word_that_follows_some_words_is_whole() {
        assert_eq!(
            after("dial tcp: lookup kind-registry: no such host", "dial tcp: lookup "),
            Some("kind-registry")
        );
        assert_eq!(after("dial tcp [::1]:5001: connect", "dial tcp "), Some("[::1]:5001"));
    }
}
