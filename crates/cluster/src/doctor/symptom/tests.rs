use super::*;

fn numbers(text: &str) -> Vec<u8> {
    explain(text).into_iter().map(|symptom| symptom.number).collect()
}

/// What was read in the events of Pods, in clients' answers and in issues; the first symptom is the likeliest.
const MESSAGES: [(u8, &str); 33] = [
    (
        1,
        "Failed to pull image \"localhost:5001/app:v1\": failed to do request: Head \"http://localhost:5001/v2/app/manifests/v1\": dial tcp [::1]:5001: connect: connection refused",
    ),
    (
        1,
        "rpc error: code = Unknown desc = failed to do request: Head \"https://localhost:5001/v2/app/manifests/v1\": dial tcp 127.0.0.1:5001: connect: connection refused",
    ),
    (
        2,
        "ctr: failed to resolve reference \"localhost:5001/app:v1\": failed to do request: Head \"http://localhost:5001/v2/app/manifests/v1\": dial tcp [::1]:5001: connect: connection refused",
    ),
    (
        3,
        "failed to do request: Head \"http://kind-registry:5000/v2/app/manifests/v1?ns=localhost%3A5001\": dial tcp: lookup kind-registry on 172.18.0.1:53: no such host",
    ),
    (
        4,
        "failed to do request: Head \"http://kind-registry:5001/v2/app/manifests/v1?ns=localhost%3A5001\": dial tcp 172.18.0.5:5001: connect: connection refused",
    ),
    (
        5,
        "failed to do request: Head \"https://kind-registry:5000/v2/app/manifests/v1\": http: server gave HTTP response to HTTPS client",
    ),
    (6, "Get \"https://10.0.0.5:5001/v2/\": http: server gave HTTP response to HTTPS client"),
    (
        6,
        "pinging container registry box:5001: Get \"https://box:5001/v2/\": http: server gave HTTP response to HTTPS client",
    ),
    (
        7,
        "failed to do request: Head \"http://kind-registry:5000/v2/app/manifests/v1?ns=localhost%3A5001\": proxyconnect tcp: EOF",
    ),
    (
        7,
        "unexpected status from HEAD request to http://kind-registry:5000/v2/app/manifests/v1?ns=localhost%3A5001: 503 Service Unavailable",
    ),
    (7, "unexpected response: <HTML><head><title>Access denied by proxy</title>"),
    (
        8,
        "failed to do request: Head \"http://172.17.0.2:5000/v2/app/manifests/v1?ns=localhost%3A5001\": dial tcp 172.17.0.2:5000: i/o timeout",
    ),
    (9, "Error: \"slirp4netns\" is not supported: invalid network mode"),
    (9, "Error: \"pasta\" is not supported: invalid network mode"),
    (
        10,
        "failed to load plugin io.containerd.grpc.v1.cri: invalid plugin config: `mirrors` cannot be set when `config_path` is provided",
    ),
    (
        10,
        "validate service connection: CRI v1 image API is not implemented for endpoint \"unix:///run/containerd/containerd.sock\"",
    ),
    (10, "rpc error: code = Unimplemented desc = unknown service runtime.v1.RuntimeService"),
    (
        13,
        "rpc error: code = NotFound desc = failed to pull and unpack image \"localhost:5001/app:v1\": failed to resolve reference: localhost:5001/app:v1: not found",
    ),
    (13, "manifest unknown: manifest unknown"),
    (
        14,
        "error checking push permissions -- make sure you entered the correct tag name: checking push permission for \"localhost:5001/app\": creating push check transport: Post \"http://localhost:5001/v2/app/blobs/uploads/\": dial tcp 127.0.0.1:5001: connect: connection refused",
    ),
    (
        15,
        "failed to do request: Head \"http://gone:5000/v2/app/manifests/v1?ns=docker.io\": dial tcp 10.9.8.7:5000: i/o timeout",
    ),
    (15, "rpc error: code = DeadlineExceeded desc = context deadline exceeded"),
    (17, "failed to decode hosts.toml: invalid `host` tree"),
    (
        18,
        "429 Too Many Requests - Server message: toomanyrequests: You have reached your unauthenticated pull rate limit.",
    ),
    (19, "failed to copy: httpReadSeeker: short read: expected 1012 bytes but got 0: unexpected EOF"),
    (20, "no match for platform in manifest: not found"),
    (22, "denied: requested access to the resource is denied, docker.io/library/app"),
    (22, "push access denied for app, repository does not exist or may require authorization"),
    (23, "Get \"http://localhost:5001/v2/\": dial tcp 127.0.0.1:5001: connect: connection refused"),
    (
        24,
        "failed to do request: Head \"https://foo.localhost:5001/v2/app/manifests/v1\": http: server gave HTTP response to HTTPS client",
    ),
    (25, "Get \"http://localhost:5001/v2/\": dial tcp [::1]:5001: connect: connection refused"),
    (26, "tls: failed to verify certificate: x509: certificate signed by unknown authority"),
    (26, "Get \"https://registry-1.docker.io/v2/\": x509: certificate signed by unknown authority"),
];

/// Those that show in what is there, and in no message.
const SILENT: [u8; 4] = [11, 12, 16, 21];

#[test]
fn every_message_is_the_symptom_that_it_is() {
    for (number, text) in MESSAGES {
        assert_eq!(numbers(text).first(), Some(&number), "{text}");
    }
}

#[test]
fn every_symptom_has_a_message_or_shows_without_one() {
    for symptom in &SYMPTOMS {
        let has_message = MESSAGES.iter().any(|(number, _)| *number == symptom.number);
        assert!(has_message != SILENT.contains(&symptom.number), "{}", symptom.number);
    }
}

#[test]
fn numbers_are_in_order_and_each_is_there_once() {
    for (place, symptom) in SYMPTOMS.iter().enumerate() {
        assert_eq!(usize::from(symptom.number), place + 1);
    }
}

#[test]
fn what_is_not_used_by_a_node_may_be_unread_unset_or_lost() {
    assert_eq!(numbers(MESSAGES[0].1), [1, 12, 21, 11]);
    assert_eq!(numbers("the image is there"), [0_u8; 0]);
}

#[test]
fn a_message_is_explained_the_likeliest_first_or_said_to_be_unknown() {
    let checks = crate::doctor::message("dial tcp 127.0.0.1:5001: connect: connection refused");
    assert!(checks[0].cause.as_ref().is_some_and(|cause| cause.ends_with("(symptom 23)")));
    let checks = crate::doctor::message("it is a nice day");
    assert_eq!((checks.len(), checks[0].verdict), (1, crate::doctor::Verdict::Unknown));
}
