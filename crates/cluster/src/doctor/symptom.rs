//! What engines, nodes and clusters say when an image does not come, and what it means.

#[cfg(test)]
use std::fmt::Write as _;

/// One of the ways in which local registries fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symptom {
    /// Its number, which the reference has too.
    pub number: u8,
    /// How it shows.
    pub shows: &'static str,
    /// Why it is so.
    pub cause: &'static str,
    /// What to do.
    pub fix: &'static str,
}

const fn symptom(number: u8, shows: &'static str, cause: &'static str, fix: &'static str) -> Symptom {
    Symptom { number, shows, cause, fix }
}

impl Symptom {
    /// What to do in a cluster, whose name takes its place in the command.
    pub(crate) fn fix_in(&self, cluster: &str, port: u16) -> String {
        self.fix.replace("CLUSTER", cluster).replace("localhost:PORT", &format!("localhost:{port}"))
    }
}

/// All that are known, by number.
pub const SYMPTOMS: [Symptom; 26] = [
    symptom(
        1,
        "`dial tcp 127.0.0.1:5001: connect: connection refused` in a node, without `?ns=`",
        "the node's containerd did not use a hosts.toml: config_path is not set, or the file is not there, broken, or for \
         another port",
        "hythe attach CLUSTER",
    ),
    symptom(
        2,
        "the same, but only with ctr",
        "ctr does not read the configuration that Kubernetes pulls by",
        "crictl pull IMAGE, or ctr -n k8s.io images pull --hosts-dir /etc/containerd/certs.d --plain-http IMAGE",
    ),
    symptom(
        3,
        "`lookup kind-registry on 172.18.0.1:53: no such host`",
        "the registry is not on the node's network, has another name there, or does not run",
        "hythe up",
    ),
    symptom(
        4,
        "`http://kind-registry:5001/...?ns=... connection refused`",
        "the mirror's address has the port of this machine, where the container's is wanted",
        "hythe attach CLUSTER",
    ),
    symptom(
        5,
        "`http: server gave HTTP response to HTTPS client` in a node",
        "the node has no hosts.toml for the image's very host and port, and takes it for one with TLS",
        "name the image localhost:PORT/..., or give the registry that name: hythe up --alias NAME",
    ),
    symptom(
        6,
        "the same on a push",
        "the client takes only loopback for a registry without TLS",
        "push to localhost:PORT; podman push --tls-verify=false; for BuildKit, [registry.\"HOST:PORT\"] http = true in \
         buildkitd.toml",
    ),
    symptom(
        7,
        "timeouts, 503 or HTML from a proxy",
        "the node sends the registry's name to its proxy",
        "hythe attach CLUSTER names its address instead; or make the cluster with the registry's name in NO_PROXY",
    ),
    symptom(
        8,
        "`dial tcp 172.17.0.2:5000: i/o timeout`",
        "the mirror is an address of another network",
        "hythe attach CLUSTER",
    ),
    symptom(
        9,
        "`\"pasta\" is not supported: invalid network mode`",
        "a container in rootless Podman's default network cannot join others",
        "hythe down && hythe up",
    ),
    symptom(
        10,
        "kubelet does not start: `mirrors` cannot be set when `config_path` is provided",
        "containerd's configuration has registry.mirrors, which this version refuses",
        "hythe attach CLUSTER",
    ),
    symptom(
        11,
        "hosts.toml files are not read, from containerd 2.1 on",
        "config_path names two folders, which the transfer service takes for one",
        "hythe attach CLUSTER",
    ),
    symptom(
        12,
        "the configuration is right and has no effect",
        "containerd was not started anew since it was changed",
        "docker exec NODE systemctl restart containerd",
    ),
    symptom(
        13,
        "`not found` or `manifest unknown`, although it was pushed",
        "it was pushed to another registry, under another name, or before the registry lost its data",
        "hythe doctor IMAGE; then push it again to localhost:PORT",
    ),
    symptom(
        14,
        "it works on this machine and not inside of a Pod (Kaniko, BuildKit)",
        "inside of a Pod localhost is the Pod",
        "push to NAME:5000 there, without TLS",
    ),
    symptom(
        15,
        "the first pull takes multiples of 30 seconds",
        "a mirror is asked that does not answer",
        "take it out of the hosts.toml, or give it a dial_timeout (containerd 2.1 and later)",
    ),
    symptom(
        16,
        "a mirror is never used for one registry",
        "a directory of that registry's own hides `_default`",
        "remove the directory, or hythe attach CLUSTER",
    ),
    symptom(
        17,
        "``invalid `host` tree`` in containerd's log",
        "containerd before 1.7.32 drops a hosts.toml without a [host] table",
        "hythe attach CLUSTER, or add a line [host] to the file",
    ),
    symptom(
        18,
        "`toomanyrequests` or 429",
        "the upstream's rate limit is used up",
        "hythe cache stat shows the budget; docker login raises it; hythe cache warm IMAGE once it is back",
    ),
    symptom(
        19,
        "`short read: expected 1 bytes but got 0: unexpected EOF` on Docker Desktop",
        "its own mirror stands in `_default`",
        "hythe attach CLUSTER writes a file for each upstream, which goes before it",
    ),
    symptom(
        20,
        "`no match for platform in manifest`",
        "the image is not built for the node's architecture",
        "docker buildx build --platform linux/ARCH --push",
    ),
    symptom(
        21,
        "it worked until a node or the cluster was made anew",
        "what was written into the node went with it",
        "hythe attach CLUSTER, or hythe up --watch once",
    ),
    symptom(
        22,
        "Tilt or Skaffold push to Docker Hub, or load images by `kind load`",
        "the ConfigMap local-registry-hosting is not there, not understood, or names another registry",
        "hythe attach CLUSTER",
    ),
    symptom(
        23,
        "`docker push localhost:5001` is refused while the engine is on another machine",
        "the port is published on the engine's machine",
        "ssh -L 5001:localhost:5001 HOST",
    ),
    symptom(
        24,
        "`foo.localhost:PORT` wants TLS since Docker 29",
        "with the containerd image store only literal loopback is spoken to without TLS",
        "push to localhost:PORT, or add the name to insecure-registries of daemon.json",
    ),
    symptom(
        25,
        "`dial tcp [::1]:5001: connect: connection refused` on this machine",
        "localhost is ::1 first, and the port is published on 127.0.0.1",
        "push to 127.0.0.1:PORT",
    ),
    symptom(
        26,
        "`x509: certificate signed by unknown authority`",
        "a proxy of the company's signs in the place of the upstream, and its authority is not known",
        "let it come through hythe, which takes ca = [\"FILE\"] for each upstream; in a node, ca in its hosts.toml",
    ),
];

/// The symptoms that a message shows, the likeliest first.
pub fn explain(text: &str) -> Vec<&'static Symptom> {
    let text = text.to_lowercase();
    let has = |part: &str| text.contains(part);
    let refused = has("connection refused");
    let loopback = ["//localhost", "//127.0.0.1", "//[::1]", "dial tcp [::1]", "dial tcp 127.0.0.1"]
        .iter()
        .any(|at| has(at));
    let pulls = has("/manifests/") || has("/blobs/");
    let plain = has("server gave http response to https client")
        || has("first record does not look like a tls handshake");
    let rules: [(bool, &[u8]); 18] = [
        // What says exactly what it is goes before what has several causes.
        (has("slirp4netns") && has("not supported") || has("pasta") && has("not supported"), &[9]),
        (
            has("cannot be set when `config_path`")
                || has("unknown service runtime.v1.")
                || has("cri v1 image api is not implemented"),
            &[10],
        ),
        (has("invalid `host` tree"), &[17]),
        (has("no match for platform"), &[20]),
        (has("toomanyrequests") || has("429 too many requests") || has("status code 429"), &[18]),
        (has("x509:") || has("certificate signed by unknown authority"), &[26]),
        (has("short read: expected"), &[19]),
        (has("no such host"), &[3]),
        (refused && has("?ns="), &[4, 3]),
        (refused && loopback && pulls && has("ctr: "), &[2]),
        (refused && loopback && pulls && (has("checking push permission") || has("kaniko")), &[14]),
        (refused && loopback && pulls, &[1, 12, 21, 11]),
        (refused && loopback, if has("[::1]") { &[25, 23] } else { &[23] }),
        (
            plain,
            if has(".localhost:") {
                &[24, 5]
            } else if pulls {
                &[5]
            } else {
                &[6, 5]
            },
        ),
        (has("dial tcp 172.17.") && (has("i/o timeout") || has("no route to host")), &[8]),
        (
            has("proxyconnect")
                || has("503 service unavailable")
                || has("504 gateway")
                || has("<html")
                || has("proxy authentication"),
            &[7],
        ),
        (has("push access denied") || (has("denied: ") && has("docker.io")), &[22]),
        (has("i/o timeout") || has("deadline exceeded"), &[15, 7]),
    ];
    let missing: &[u8] =
        if has("not found") || has("manifest unknown") || has("name unknown") { &[13] } else { &[] };
    let found = rules.iter().find(|(holds, _)| *holds).map_or(missing, |(_, numbers)| numbers);
    found.iter().filter_map(|number| SYMPTOMS.iter().find(|symptom| symptom.number == *number)).collect()
}

/// The table of all, as the reference has it.
#[cfg(test)]
pub(crate) fn table() -> String {
    let mut table = "| | symptom | cause | what to do |\n|---|---|---|---|\n".to_owned();
    for symptom in &SYMPTOMS {
        let Symptom { number, shows, cause, fix } = symptom;
        // Writing to a string does not fail.
        let _ = writeln!(table, "| {number} | {shows} | {cause} | {fix} |");
    }
    table
}

#[cfg(test)]
mod tests;
