//! The ways in which local registries fail, by number. A number stays.

use super::{Symptom, symptom};

/// All that are known, by number.
pub static SYMPTOMS: [Symptom; 69] = [
    symptom(
        1,
        "`dial tcp 127.0.0.1:5001: connect: connection refused` in a node, without `?ns=`",
        "the node's containerd did not use a hosts.toml: config_path is not set, or the file is not there, broken, or for \
         another port",
        "`hythe attach CLUSTER`",
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
        "`hythe up`",
    ),
    symptom(
        4,
        "`http://kind-registry:5001/...?ns=... connection refused`",
        "the mirror's address has the port of this machine, where the container's is wanted",
        "`hythe attach CLUSTER`",
    ),
    symptom(
        5,
        "`http: server gave HTTP response to HTTPS client` in a node",
        "the node has no hosts.toml for the image's very host and port, and takes it for one with TLS",
        "name the image localhost:PORT/..., or give the registry that name: `hythe up --alias NAME`",
    ),
    symptom(
        6,
        "the same on a push",
        "the registry speaks HTTP, and the client asks for TLS: Docker takes loopback alone for one without TLS, Podman none",
        "docker push localhost:PORT/...; podman push --tls-verify=false (or `hythe attach --client podman`); helm, oras and \
         regctl --plain-http; crane and Kaniko --insecure; cosign --allow-http-registry",
    ),
    symptom(
        7,
        "`proxyconnect`, or 503 from a proxy, for the registry's own name",
        "the node sends the registry's name to its proxy",
        "`hythe attach CLUSTER` names its address instead; or make the cluster with the registry's name in NO_PROXY",
    ),
    symptom(
        8,
        "`dial tcp 172.17.0.2:5000: i/o timeout`, `no route to host`",
        "the address is of a network that the node is not on, or of a container that is gone",
        "`hythe attach CLUSTER`",
    ),
    symptom(
        9,
        "`\"pasta\" is not supported: invalid network mode`",
        "a container in rootless Podman's default network cannot join others",
        "`hythe down && hythe up`",
    ),
    symptom(
        10,
        "kubelet does not start: `mirrors` cannot be set when `config_path` is provided",
        "containerd's configuration has registry.mirrors, which this version refuses",
        "`hythe attach CLUSTER`",
    ),
    symptom(
        11,
        "hosts.toml files are not read, from containerd 2.1 on",
        "config_path names two folders, which the transfer service takes for one",
        "`hythe attach CLUSTER`",
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
        "the registry has no image of that name: it was pushed to another registry, under another name, or before the registry \
         lost its data",
        "`hythe doctor IMAGE`; then push it again to localhost:PORT",
    ),
    symptom(
        14,
        "it works on this machine and not inside of a Pod (Kaniko, BuildKit)",
        "inside of a Pod localhost is the Pod",
        "push to NAME:5000 there, without TLS",
    ),
    symptom(
        15,
        "the first pull takes multiples of 30 seconds; `i/o timeout` at a mirror",
        "a mirror is asked that does not answer",
        "take it out of the hosts.toml, or give it a dial_timeout (containerd 2.1 and later)",
    ),
    symptom(
        16,
        "a mirror is never used for one registry",
        "a directory of that registry's own hides `_default`",
        "remove the directory, or `hythe attach CLUSTER`",
    ),
    symptom(
        17,
        "``invalid `host` tree`` in containerd's log",
        "containerd before 1.7.32 drops a hosts.toml without a [host] table",
        "`hythe attach CLUSTER`, or add a line [host] to the file",
    ),
    symptom(
        18,
        "`toomanyrequests` or 429",
        "the upstream's rate limit is used up",
        "`hythe cache stat` shows the budget; docker login raises it; `hythe cache warm IMAGE` once it is back",
    ),
    symptom(
        19,
        "`short read: expected 1 bytes but got 0: unexpected EOF` on Docker Desktop",
        "its own mirror stands in `_default`",
        "`hythe attach CLUSTER` writes a file for each upstream, which goes before it",
    ),
    symptom(
        20,
        "`no match for platform in manifest`, `no matching manifest for linux/arm64`, `exec format error`",
        "the image is not built for the node's architecture",
        "docker buildx build --platform linux/ARCH --push",
    ),
    symptom(
        21,
        "it worked until a node or the cluster was made anew",
        "what was written into the node went with it",
        "`hythe attach CLUSTER`, or `hythe up --watch` once",
    ),
    symptom(
        22,
        "Tilt or Skaffold push to Docker Hub, or load images by `kind load`",
        "the ConfigMap local-registry-hosting is not there, not understood, or names another registry",
        "`hythe attach CLUSTER`",
    ),
    symptom(
        23,
        "`docker push localhost:5001` goes elsewhere while the engine is on another machine",
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
        "`x509: certificate signed by unknown authority` at a registry of the internet",
        "a proxy of the company's signs in the place of that registry, and its authority is not known to who asks",
        "let it come through hythe, which takes ca = [\"FILE\"] for each upstream; in a node, ca in its hosts.toml",
    ),
    symptom(
        27,
        "`unauthorized`, `no basic auth credentials`, `401`, or `pull access denied` at a private registry",
        "the registry wants a login, and got none or a wrong one",
        "docker login HOST for a push; for a Pod, kubectl create secret docker-registry, and name it in imagePullSecrets in the \
         Pod's own namespace",
    ),
    symptom(
        28,
        "`507 Insufficient Storage`, on a push or a pull",
        "the registry's disk is full",
        "`hythe gc`; `hythe cache clear`; `hythe logs --tail 50` names the folder",
    ),
    symptom(
        29,
        "`no space left on device` while an image is pulled, unpacked or built",
        "the disk of the node, the builder or the engine is full; the registry's is another matter",
        "docker system prune; docker builder prune; in a node, crictl rmi --prune",
    ),
    symptom(
        30,
        "`port is already allocated`, `address already in use`",
        "another program has the port that the registry is to be published on",
        "`hythe up --port 5002`; or stop what listens there: docker ps, ss -ltnp",
    ),
    symptom(
        31,
        "`403 Forbidden` at localhost:5000, `Server: AirTunes`",
        "macOS's AirPlay receiver listens on port 5000, and answers in the registry's place",
        "`hythe up --port 5001`, and push to localhost:5001; or switch AirPlay Receiver off in System Settings",
    ),
    symptom(
        32,
        "`ErrImageNeverPull`",
        "imagePullPolicy is Never, and the node does not have the image",
        "set imagePullPolicy: IfNotPresent, and push the image to localhost:PORT",
    ),
    symptom(
        33,
        "`kind load`: `ctr: content digest sha256:...: not found`",
        "the image is for several platforms, and Docker's containerd image store has the content of one",
        "push it to localhost:PORT in place of kind load; or docker save --platform linux/ARCH, then kind load image-archive",
    ),
    symptom(
        34,
        "`manifest.v1+prettyjws is no longer supported`, `schema 1 support is disabled`",
        "the image has a manifest of schema 1, which containerd 2.1 and Docker 28.2 no longer take",
        "build it anew; or skopeo copy --format v2s2 docker://OLD docker://localhost:PORT/NAME --dest-tls-verify=false",
    ),
    symptom(
        35,
        "`Client sent an HTTP request to an HTTPS server`",
        "the registry speaks TLS, and is asked by http://",
        "write https:// in hosts.toml, or take http = true, --plain-http or the insecure entry for it away",
    ),
    symptom(
        36,
        "`lookup registry-1.docker.io: no such host`, `server misbehaving`, `lookup ... on ...:53: i/o timeout`",
        "names of the internet are not resolved there: no network, or a DNS server that does not answer",
        "getent hosts registry-1.docker.io on this machine and in the node (docker exec NODE); then mend DNS there, or start \
         the engine anew after a change of networks",
    ),
    symptom(
        37,
        "`proxyconnect tcp: dial tcp 127.0.0.1:7890: connect: connection refused`, `407 Proxy Authentication Required`",
        "the proxy that HTTP_PROXY or HTTPS_PROXY names cannot be used from there; in a node or a builder, 127.0.0.1 is that \
         node or builder",
        "name an address of the proxy that containers reach, or unset the variable, and make the cluster or builder anew",
    ),
    symptom(
        38,
        "`413 Request Entity Too Large`",
        "a reverse proxy before the registry limits the size of a request's body",
        "nginx: client_max_body_size 0; ingress-nginx: the annotation proxy-body-size: \"0\"",
    ),
    symptom(
        39,
        "`x509: certificate has expired or is not yet valid`",
        "the registry's certificate is out of date, or the clock of who asks is wrong",
        "compare date there with the certificate's dates; renew the certificate, or set the clock",
    ),
    symptom(
        40,
        "`x509: certificate is valid for X, not Y`, `doesn't contain any IP SANs`",
        "the registry's certificate is not for the name or address by which it is asked",
        "ask for it by a name that its certificate has, or make the certificate anew with that name or address as a SAN",
    ),
    symptom(
        41,
        "`x509: certificate signed by unknown authority`, at a registry that is not the internet's",
        "the client does not trust the certificate authority that signed the certificate: the registry's own, or that of a proxy \
         that opens TLS connections",
        "add the authority's file: /etc/docker/certs.d/HOST/ca.crt; in a node, ca in its hosts.toml; in hythe, ca = [\"FILE\"] \
         for the upstream",
    ),
    symptom(
        42,
        "`docker-credential-desktop: executable file not found in $PATH`, `error getting credentials`",
        "~/.docker/config.json names a credential helper (credsStore, credHelpers) that is not installed or fails",
        "install docker-credential-NAME, or take credsStore and credHelpers out of ~/.docker/config.json",
    ),
    symptom(
        43,
        "a build's push or pull: `dial tcp 127.0.0.1:5000: connect: connection refused`",
        "in a builder of its own (the docker-container driver) localhost is the builder's container, not this machine",
        "docker buildx create --driver-opt network=host --use; or --driver-opt network=kind and the name NAME:5000; where the \
         driver is docker, nothing listens: `hythe up`",
    ),
    symptom(
        44,
        "a build's push or pull: `server gave HTTP response to HTTPS client`",
        "the builder takes only loopback for a registry without TLS",
        "[registry.\"HOST:PORT\"] http = true in buildkitd.toml, given by docker buildx create --buildkitd-config",
    ),
    symptom(
        45,
        "a build's push or pull: `lookup kind-registry: no such host`",
        "the builder is not on the network that has this name",
        "docker network connect kind buildx_buildkit_BUILDER0; or docker buildx create --driver-opt network=kind --use",
    ),
    symptom(
        46,
        "`dial tcp 127.0.0.1:5001: connect: connection refused` on a push from this machine",
        "nothing listens at that port of this machine: the registry does not run, or has another port",
        "`hythe up`; `hythe status` shows the port",
    ),
    symptom(
        47,
        "`lookup kind-registry: no such host` on a push from this machine",
        "the name is known in the cluster's network, and not on this machine",
        "push to localhost:PORT/...; in the cluster the image keeps that name",
    ),
    symptom(
        48,
        "`dial tcp 127.0.0.1:5000: connect: connection refused` in a node with Docker or CRI-O",
        "localhost is the node itself, and neither Docker nor CRI-O reads the hosts.toml files that lead to the registry",
        "make the cluster with containerd: minikube start --container-runtime=containerd, then `hythe attach CLUSTER`",
    ),
    symptom(
        49,
        "`server gave HTTP response to HTTPS client` in a node with Docker or CRI-O",
        "the node's Docker or CRI-O asks every registry but loopback for TLS",
        "minikube delete, then minikube start --insecure-registry=HOST:PORT; or with --container-runtime=containerd, and \
         `hythe attach CLUSTER`",
    ),
    symptom(
        50,
        "`connection refused` at a mirror: the image is of another registry than the URL",
        "the mirror that the node or the engine was given is down",
        "`hythe up`, where it is hythe; else start it, or take it out of hosts.toml, registries.yaml or daemon.json",
    ),
    symptom(
        51,
        "`dial tcp 192.168.1.10:5000: connect: connection refused`",
        "nothing listens at that address and port: the registry does not run there, has another port (a name without one means \
         443), or is published on 127.0.0.1 alone",
        "start it; of hythe's, name the image localhost:PORT/... and `hythe attach CLUSTER`; or `hythe up --address 0.0.0.0`",
    ),
    symptom(
        52,
        "`pull access denied`, `push access denied`, `requested access to the resource is denied`, at Docker Hub",
        "a name without a registry is Docker Hub's, which has no such repository for this user",
        "name it localhost:PORT/..., and push it there; where Docker Hub is meant: docker login, and its name there",
    ),
    symptom(
        53,
        "`not found` or `manifest unknown` at a registry that is not this machine's",
        "that registry has no such repository or tag",
        "mend the name or the tag; skopeo list-tags docker://NAME lists those that there are",
    ),
    symptom(
        54,
        "`lookup registry.kube-system.svc.cluster.local: no such host`",
        "the name is a Service's: nodes and this machine do not use the cluster's DNS, only Pods do",
        "name the image localhost:PORT/..., and `hythe attach CLUSTER`",
    ),
    symptom(
        55,
        "`lookup registry.corp.example: no such host`",
        "the DNS server that was asked does not know this name: it is misspelt, of a VPN that is off, or stands in the hosts file \
         of another machine only",
        "getent hosts NAME on this machine and in the node (docker exec NODE)",
    ),
    symptom(
        56,
        "`i/o timeout`, `TLS handshake timeout` or `connection refused` at a registry of the internet or the company",
        "it is not reached from there: no way to the internet, a firewall, a VPN that is off, or a proxy that is not told of",
        "curl -v https://HOST/v2/ on this machine and in the node (docker exec NODE); set HTTPS_PROXY where a proxy is wanted",
    ),
    symptom(
        57,
        "`502 Bad Gateway`, `503 Service Unavailable` or `504 Gateway Timeout` from hythe",
        "the registry could not get it from the one behind it: of hythe, the upstream failed (502), is left alone for a while \
         (503), or hythe is offline (504), and it has no copy",
        "`hythe logs --tail 50` has the upstream's own words; `hythe cache stat` shows its state; of another registry, its own log",
    ),
    symptom(
        58,
        "`500 Internal Server Error` from a local registry",
        "something is wrong in the registry, not with the request",
        "`hythe logs --tail 50` has the reason; of another registry, docker logs NAME",
    ),
    symptom(
        59,
        "`500`, `502`, `503` or `504` from somebody else's registry",
        "that registry, or the proxy or mirror before it, failed",
        "try again later; its own log or status page says why; what hythe keeps of it is served meanwhile",
    ),
    symptom(
        60,
        "`invalid character '<' looking for beginning of value`, HTML in the place of JSON",
        "a web page answered: another program has the port, or a proxy stands before the registry",
        "curl -i http://HOST:PORT/v2/ shows who answers; `hythe doctor` checks hythe's own port",
    ),
    symptom(
        61,
        "`405 Method Not Allowed`, `The operation is unsupported` on a push",
        "the registry takes no pushes: it is a pull-through cache (registry:2 with `proxy`), or read-only",
        "push to another registry; hythe takes pushes and caches side by side: `hythe up --adopt`",
    ),
    symptom(
        62,
        "`dial tcp 0.0.0.0:5000: connect: connection refused`",
        "0.0.0.0 is an address to listen at; who asks it asks the own machine, which in a node is the node",
        "name the image localhost:PORT/...",
    ),
    symptom(
        63,
        "`connection refused` at port 443 or 80, where the name has no port",
        "the name has no port, so that the registry is looked for at 443 and 80",
        "write the port into the name: localhost:PORT/...",
    ),
    symptom(
        64,
        "podman: `pinging container registry localhost: ... dial tcp [::1]:443: connect: connection refused`",
        "localhost/NAME is what Podman calls an image that it built here; there is no registry of that name",
        "build or load it here; or podman push NAME localhost:PORT/NAME --tls-verify=false, and pull that name",
    ),
    symptom(
        65,
        "`short-name \"app\" did not resolve to an alias and no unqualified-search registries are defined`",
        "the name has no registry, and Podman and CRI-O guess none",
        "write the registry: localhost:PORT/app, docker.io/library/redis",
    ),
    symptom(
        66,
        "`invalid reference format`, `InvalidImageName`, `repository name must be lowercase`",
        "the name is no image's: a capital letter, a scheme (http://), a space, or a variable that is empty",
        "write it as HOST:PORT/repository:tag, in lower case",
    ),
    symptom(
        67,
        "`An image does not exist locally with the tag: localhost:5001/app`",
        "the engine has no image of that name to push",
        "docker tag NAME localhost:PORT/NAME, then push; docker images lists those that there are",
    ),
    symptom(
        68,
        "`unknown service runtime.v1.ImageService`, `CRI v1 image API is not implemented`",
        "containerd runs without its CRI plugin: disabled_plugins names it, or its configuration was refused",
        "journalctl -u containerd says which; take cri out of disabled_plugins, or `hythe attach CLUSTER`",
    ),
    symptom(
        69,
        "`failed to decode hosts.toml`",
        "containerd drops the whole file, as it is not the TOML that it expects",
        "`hythe attach CLUSTER` writes hythe's own anew; of another one, the end of the message says what is wrong",
    ),
];
