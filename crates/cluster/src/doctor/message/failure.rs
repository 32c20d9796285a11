//! What failed, by the words that programs use for it.

/// What failed, as a message reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    NetworkMode,
    MirrorsWithPath,
    NoCri,
    HostTree,
    HostsFile,
    Platform,
    RateLimit,
    NeverPulled,
    KindLoad,
    SchemaOne,
    CredentialHelper,
    NotTagged,
    TooLarge,
    RegistryFull,
    NoSpace,
    PortTaken,
    AirPlay,
    CertificateTime,
    CertificateName,
    Authority,
    TlsServer,
    PlainServer,
    Proxy,
    ShortBody,
    ShortName,
    BadName,
    Dns,
    Refused,
    NoRoute,
    Timeout,
    PullDenied,
    NotFound,
    NotTaken,
    Unavailable,
    Internal,
    NoRegistry,
    Login,
    Denied,
}

/// Words in lower case, all of which a message has to contain.
type Words = &'static [&'static str];

/// The words of each failure, in the order in which they are searched. The exact ones come first: programs wrap one
/// error into others, and the wrapping ("failed to authorize") says less than the wrapped error ("no such host").
const WORDS: &[(Failure, &[Words])] = &[
    (Failure::NetworkMode, &[&["slirp4netns", "is not supported"], &["pasta", "is not supported"]]),
    (Failure::MirrorsWithPath, &[&["cannot be set when", "config_path"]]),
    (
        Failure::NoCri,
        &[
            &["unknown service runtime.v1"],
            &["cri v1 image api is not implemented"],
            &["cri v1 runtime api is not implemented"],
        ],
    ),
    (Failure::HostTree, &[&["invalid `host` tree"]]),
    (Failure::HostsFile, &[&["failed to decode hosts.toml"], &["hosts.toml", "toml:"]]),
    (
        Failure::Platform,
        &[
            &["no match for platform"],
            &["no matching manifest for"],
            &["no image found in image index for"],
            &["no image found in manifest list for"],
            &["no child with platform"],
            &["no supported platform found in manifest list"],
            &["does not match the specified platform"],
            &["does not match the detected host platform"],
            &["cannot be used on this platform"],
            &["exec format error"],
        ],
    ),
    (
        Failure::RateLimit,
        &[&["toomanyrequests"], &["too many requests"], &["status code 429"], &["pull rate limit"]],
    ),
    (Failure::NeverPulled, &[&["errimageneverpull"], &["not present with pull policy of never"]]),
    (
        Failure::KindLoad,
        &[
            &["content digest", "not found", "images import"],
            &["content digest", "not found", "kind load"],
            &["content digest", "not found", "failed to load image"],
        ],
    ),
    (
        Failure::SchemaOne,
        &[
            &["manifest.v1+prettyjws"],
            &["manifest.v1+json", "not supported"],
            &["schema 1 support"],
            &["schema 1 manifest"],
            &["schema1", "not supported"],
            &["schema1", "no longer supported"],
        ],
    ),
    (
        Failure::CredentialHelper,
        &[
            &["docker-credential-", "executable file not found"],
            &["docker-credential-", "no such file or directory"],
            &["docker-credential-", "command not found"],
            &["error getting credentials"],
            &["error listing credentials"],
        ],
    ),
    (
        Failure::NotTagged,
        &[
            &["an image does not exist locally with the tag"],
            &["tag does not exist:"],
            &["image not known", "push"],
        ],
    ),
    (
        Failure::TooLarge,
        &[
            &["request entity too large"],
            &["413 payload too large"],
            &["413 content too large"],
            &["status code 413"],
            &["statuscode: 413"],
        ],
    ),
    (
        Failure::RegistryFull,
        &[
            &["insufficient storage"],
            &["status code 507"],
            &["statuscode: 507"],
            &["/var/lib/registry", "no space left on device"],
        ],
    ),
    (
        Failure::NoSpace,
        &[&["no space left on device"], &["not enough space on the disk"], &["disk quota exceeded"]],
    ),
    (Failure::AirPlay, &[&["airtunes"]]),
    (
        Failure::PortTaken,
        &[
            &["port is already allocated"],
            &["ports are not available"],
            &["address already in use"],
            &["forbidden by its access permissions", "bind"],
        ],
    ),
    // A status comes before the words that follow it: these are the server's reason, about a request of its own.
    (
        Failure::Unavailable,
        &[
            &["502 bad gateway"],
            &["503 service"],
            &["504 gateway"],
            &["status code 502"],
            &["status code 503"],
            &["status code 504"],
            &["statuscode: 502"],
            &["statuscode: 503"],
            &["statuscode: 504"],
        ],
    ),
    (
        Failure::Internal,
        &[&["500 internal server error"], &["status code 500"], &["statuscode: 500"], &["500 server error"]],
    ),
    (
        Failure::CertificateTime,
        &[
            &["certificate has expired"],
            &["certificate is not yet valid"],
            &["certificate expired"],
            &["certificateexpired"],
        ],
    ),
    (
        Failure::CertificateName,
        &[
            &["certificate is valid for"],
            &["doesn't contain any ip sans"],
            &["relies on legacy common name"],
            &["is not valid for any names"],
            &["no alternative certificate subject name"],
            &["no subject alternative"],
            &["hostname mismatch"],
        ],
    ),
    (
        Failure::Authority,
        &[
            &["signed by unknown authority"],
            &["certificate is not trusted"],
            &["self-signed certificate"],
            &["self signed certificate"],
            &["unable to get local issuer certificate"],
            &["unable to verify the first certificate"],
            &["unable to find valid certification path"],
            &["pkix path building failed"],
            &["certificate verify failed"],
        ],
    ),
    (
        Failure::TlsServer,
        &[
            &["client sent an http request to an https server"],
            &["http request was sent to https port"],
            &["malformed http response", "x15\\x03"],
            &["you're speaking plain http to an ssl-enabled server port"],
        ],
    ),
    (
        Failure::PlainServer,
        &[
            &["server gave http response to https client"],
            &["first record does not look like a tls handshake"],
            &["wrong version number"],
            &["unrecognized ssl message, plaintext connection"],
            &["unsupported or unrecognized ssl message"],
            &["oversized record received"],
        ],
    ),
    (
        Failure::Proxy,
        &[
            &["proxyconnect"],
            &["proxy authentication required"],
            &["407 proxy"],
            &["error connecting to proxy"],
            &["unable to connect to proxy"],
            &["cannot connect to proxy"],
            &["access denied by proxy"],
            &["socks connect"],
        ],
    ),
    (Failure::ShortBody, &[&["short read: expected", "got 0"]]),
    (
        Failure::ShortName,
        &[
            &["unqualified-search registries"],
            &["short-name resolution enforced"],
            &["short name mode is enforcing"],
        ],
    ),
    (
        Failure::BadName,
        &[
            &["invalid reference format"],
            &["invalidimagename"],
            &["couldn't parse image"],
            &["could not parse reference"],
            &["repository name must be lowercase"],
            &["failed to apply default image tag"],
            &["parsing reference"],
        ],
    ),
    (
        Failure::Dns,
        &[
            &["no such host"],
            &["server misbehaving"],
            &["temporary failure in name resolution"],
            &["could not resolve host"],
            &["name or service not known"],
            &["nodename nor servname"],
            &["unknownhostexception"],
            &["unknown host"],
            &["getaddrinfo"],
            &["failed to lookup address"],
            &["dial tcp: lookup", ":53"],
            &["dial tcp: lookup", "device or resource busy"],
        ],
    ),
    (
        Failure::Refused,
        &[
            &["connection refused"],
            &["actively refused"],
            &["econnrefused"],
            &["failed to connect to localhost port"],
            &["couldn't connect to server"],
            &["could not connect to server"],
        ],
    ),
    (
        Failure::NoRoute,
        &[&["no route to host"], &["network is unreachable"], &["host is unreachable"], &["host is down"]],
    ),
    (
        Failure::Timeout,
        &[
            &["i/o timeout"],
            &["tls handshake timeout"],
            &["client.timeout exceeded"],
            &["connection timed out"],
            &["operation timed out"],
            &["timeout awaiting response headers"],
            &["request canceled while waiting for connection"],
            &["context deadline exceeded"],
        ],
    ),
    (
        Failure::PullDenied,
        &[
            &["pull access denied"],
            &["requested access to the resource is denied"],
            &["push access denied"],
            &["insufficient_scope"],
            &["does not exist or no pull access"],
            &["repository does not exist or may require"],
        ],
    ),
    (
        Failure::NotFound,
        &[
            &["manifest unknown"],
            &["manifest_unknown"],
            &["name unknown"],
            &["name_unknown"],
            &["repository name not known"],
            &["manifest for", "not found"],
            &["failed to resolve reference", ": not found"],
            &["failed to resolve source metadata", ": not found"],
            &["failed to resolve image", ": not found"],
            &["failed to pull and unpack image", ": not found"],
            &["/manifests/", "404"],
            &["failed to perform", ": not found"],
            &["unknown: repository", "not found"],
            &["unknown: project", "not found"],
            &["project not found"],
        ],
    ),
    (
        Failure::NotTaken,
        &[&["405 method not allowed"], &["the operation is unsupported"], &["405 not allowed"]],
    ),
    (
        Failure::NoRegistry,
        &[
            &["error parsing http", "invalid character"],
            &["looking for beginning of value"],
            &["<html"],
            &["<!doctype"],
        ],
    ),
    (
        Failure::Login,
        &[
            &["no basic auth credentials"],
            &["unauthorized"],
            &["authentication required"],
            &["authorization failed"],
            &["incorrect username or password"],
            &["invalid username/password"],
            &["invalid username or password"],
            &["access denied due to invalid credentials"],
            &["unable to retrieve some image pull secrets"],
            &["http basic: access denied"],
            &["no user/password was provided"],
        ],
    ),
    (
        Failure::Denied,
        &[
            &["denied:"],
            &["403 forbidden"],
            &["status code 403"],
            &["statuscode: 403"],
            &["access forbidden"],
        ],
    ),
];

impl Failure {
    /// The failure that a text in lower case reports, and the last position of its first word.
    pub(super) fn of(text: &str) -> Option<(Self, usize)> {
        WORDS.iter().find_map(|(failure, alternatives)| {
            let words = alternatives.iter().find(|words| words.iter().all(|word| text.contains(word)))?;
            Some((*failure, text.rfind(words.first()?)?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_in_lower_case_as_the_searched_text_is() {
        for word in WORDS.iter().flat_map(|(_, alternatives)| alternatives.iter().copied().flatten()) {
            assert_eq!(*word, word.to_lowercase());
        }
    }

    #[test]
    fn a_wrapped_error_comes_before_its_wrapping() {
        let text = "failed to authorize: failed to fetch anonymous token: get \"https://auth.docker.io/token\": dial tcp: \
            lookup auth.docker.io on 10.0.0.2:53: read udp: connection refused";
        assert_eq!(Failure::of(text).map(|(failure, _)| failure), Some(Failure::Dns));
        assert_eq!(Failure::of("all is well"), None);
    }
}
