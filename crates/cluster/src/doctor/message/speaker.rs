//! Which program a message is from, by the words that only this program uses.

/// The program that a message is from. It tells where the request came from: a node, this machine, a builder or a Pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    /// Kaniko, which runs in a Pod.
    InPod,
    /// `ctr`, in a node.
    Ctr,
    /// `BuildKit`, in a container of its own or within Docker.
    Builder,
    /// kubelet with containerd.
    Node,
    /// kubelet with Docker or CRI-O.
    OtherNode,
    /// Podman, Buildah or Skopeo.
    Podman,
    /// Docker, on behalf of its command line.
    Docker,
    /// Another client on this machine: Helm, ORAS, crane, cosign, Jib, curl.
    Client,
}

type Words = &'static [&'static str];

/// The words of each program, in lower case. A program that quotes another one's messages comes before that one.
const WORDS: &[(Speaker, &[Words])] = &[
    (
        Speaker::InPod,
        &[
            &["kaniko"],
            &["checking push permission"],
            &["creating push check transport"],
            &["failed to push to destination"],
        ],
    ),
    (Speaker::Ctr, &[&["ctr: failed to"], &["ctr image"], &["ctr -n k8s.io image"], &["ctr: unexpected"]]),
    (
        Speaker::OtherNode,
        &[
            &["failed to pull image", "error response from daemon"],
            &["errimagepull", "error response from daemon"],
            &["failed pulling image", "error response from daemon"],
            &["failed to pull image", "pinging container registry"],
            &["failed to pull image", "pinging docker registry"],
            &["failed to pull image", "initializing source"],
            &["failed to pull image", "unable to pull image or oci artifact"],
            &["crictl", "pinging container registry"],
            &["cri-o"],
            &["cri-dockerd"],
        ],
    ),
    (
        Speaker::Builder,
        &[
            &["failed to solve"],
            &["buildkit"],
            &["buildx"],
            &["load metadata for"],
            &["failed to create llb"],
            &["exporting to image"],
            &["failed to resolve source metadata"],
            &["pushing layers"],
        ],
    ),
    (
        Speaker::Node,
        &[
            &["failed to pull image"],
            &["errimagepull"],
            &["imagepullbackoff"],
            &["back-off pulling"],
            &["failed to pull and unpack image"],
            &["pull image from remote"],
            &["pullimage"],
            &["pulling image failed"],
            &["crictl"],
            &["kubelet"],
            &["sandbox image"],
            &["trying next host"],
            &["rpc error: code"],
        ],
    ),
    (
        Speaker::Podman,
        &[
            &["podman"],
            &["skopeo"],
            &["buildah"],
            &["pinging container registry"],
            &["pinging docker registry"],
            &["trying to reuse blob"],
            &["writing blob"],
            &["initializing source"],
            &["initializing destination"],
            &["trying to pull"],
            &["--tls-verify"],
        ],
    ),
    (
        Speaker::Docker,
        &[
            &["error response from daemon"],
            &["the push refers to"],
            &["docker push"],
            &["docker pull"],
            &["docker login"],
            &["docker-compose"],
            &["docker compose"],
            &["docker: "],
            &["received unexpected http status"],
            &["using default tag"],
            &["failed to register layer"],
            &["pushing image"],
        ],
    ),
    (
        Speaker::Client,
        &[
            &["helm"],
            &["chart"],
            &["oras"],
            &["failed to perform"],
            &["error: failed to do request"],
            &["crane"],
            &["cosign"],
            &["jib"],
            &["curl:"],
            &["nerdctl"],
            &["skaffold"],
            &["tilt"],
            &["regctl"],
            &["imagetools"],
            &["fata[0"],
        ],
    ),
];

impl Speaker {
    /// The program that a text is from. The text is in lower case and without the names of images.
    pub(super) fn of(text: &str) -> Option<Self> {
        let is_said = |alternatives: &[Words]| {
            alternatives.iter().any(|words| words.iter().all(|word| text.contains(word)))
        };
        WORDS.iter().find(|(_, alternatives)| is_said(alternatives)).map(|(speaker, _)| *speaker)
    }
}
