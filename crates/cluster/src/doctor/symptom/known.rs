//! The ways in which local registries fail, by number. A symptom never changes its number.

use super::{Symptom, symptom};

/// All known symptoms, by number.
pub static SYMPTOMS: [Symptom; 69] = [
    symptom(
        1,
        "`dial tcp 127.0.0.1:5001: connect: connection refused` in a node, without `?ns=`",
        "the node's containerd did not use a hosts.toml file: config_path is not set, or the file is missing, broken \
         or for another port",
        "`hythe attach CLUSTER`",
    ),
    symptom(
        2,
        "the same, but only when ctr pulls",
        "ctr does not read the registry configuration that Kubernetes uses",
        "pull with crictl pull IMAGE, or with ctr -n k8s.io images pull --hosts-dir /etc/containerd/certs.d \
         --plain-http IMAGE",
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
        "the mirror's address has the registry's port on this machine; nodes need the port of the registry's \
         container",
        "`hythe attach CLUSTER`",
    ),
    symptom(
        5,
        "`http: server gave HTTP response to HTTPS client` in a node",
        "the node has no hosts.toml file for exactly this host and port, so its containerd uses HTTPS, and the \
         registry speaks HTTP",
        "name the image localhost:PORT/..., or add the image's host to the registry's names: `hythe up --alias NAME`",
    ),
    symptom(
        6,
        "`http: server gave HTTP response to HTTPS client` on a push",
        "the registry speaks HTTP, and the client uses HTTPS: Docker uses HTTP for loopback addresses only, Podman \
         for none",
        "let the client use HTTP: docker push localhost:PORT/...; podman push --tls-verify=false (or \
         `hythe attach --client podman`); helm, oras and regctl with --plain-http; crane and Kaniko with --insecure; \
         cosign with --allow-http-registry",
    ),
    symptom(
        7,
        "`proxyconnect`, or 503 from a proxy, for the registry's own name",
        "the node sends requests for the registry to its HTTP proxy, which cannot reach the registry",
        "run `hythe attach CLUSTER`, which writes the registry's address in place of its name; or recreate the \
         cluster with the registry's name in NO_PROXY",
    ),
    symptom(
        8,
        "`dial tcp 172.17.0.2:5000: i/o timeout`, `no route to host`",
        "the address belongs to a network that the node is not on, or to a container that no longer exists",
        "`hythe attach CLUSTER`",
    ),
    symptom(
        9,
        "`\"pasta\" is not supported: invalid network mode`",
        "a container in rootless Podman's default network mode cannot join other networks",
        "`hythe down && hythe up`",
    ),
    symptom(
        10,
        "kubelet does not start: `mirrors` cannot be set when `config_path` is provided",
        "containerd's configuration sets registry.mirrors beside config_path, which this version of containerd \
         refuses",
        "`hythe attach CLUSTER`",
    ),
    symptom(
        11,
        "containerd 2.1 or later does not read hosts.toml files",
        "config_path names two folders, which containerd's transfer service takes for the path of one folder",
        "`hythe attach CLUSTER`",
    ),
    symptom(
        12,
        "containerd's configuration is right and has no effect",
        "containerd was not restarted after its configuration changed",
        "restart containerd: docker exec NODE systemctl restart containerd",
    ),
    symptom(
        13,
        "`not found` or `manifest unknown`, although the image was pushed",
        "the registry has no image of that name: the image was pushed to another registry, under another name, or \
         before the registry lost its data",
        "run `hythe doctor IMAGE`, then push the image again to localhost:PORT/...",
    ),
    symptom(
        14,
        "a push works on this machine and fails inside a Pod (Kaniko, BuildKit)",
        "inside a Pod, localhost is the Pod itself",
        "in the Pod, push to NAME:5000 over plain HTTP; NAME is the registry's name",
    ),
    symptom(
        15,
        "the first pull takes multiples of 30 seconds; `i/o timeout` at a mirror",
        "containerd asks a mirror that does not answer",
        "remove the mirror from the hosts.toml file, or give it a dial_timeout (containerd 2.1 and later)",
    ),
    symptom(
        16,
        "containerd never uses the mirror in `_default` for one registry",
        "an empty directory with that registry's name hides `_default`",
        "remove the directory, or run `hythe attach CLUSTER`",
    ),
    symptom(
        17,
        "``invalid `host` tree`` in containerd's log",
        "containerd before 1.7.32 ignores a hosts.toml file that has no [host] table",
        "run `hythe attach CLUSTER`, or add the line [host] to the file",
    ),
    symptom(
        18,
        "`toomanyrequests` or 429",
        "the upstream's rate limit is used up",
        "`hythe cache stat` shows the remaining budget; raise it with docker login, or wait; then run \
         `hythe cache warm IMAGE`",
    ),
    symptom(
        19,
        "`short read: expected 1 bytes but got 0: unexpected EOF` on Docker Desktop",
        "containerd used Docker Desktop's own mirror, which the `_default` directory names",
        "run `hythe attach CLUSTER`, which writes a hosts.toml file for each upstream; containerd prefers these files \
         to `_default`",
    ),
    symptom(
        20,
        "`no match for platform in manifest`, `no matching manifest for linux/arm64`, `exec format error`",
        "the image is not built for the node's architecture",
        "build the image for that architecture: docker buildx build --platform linux/ARCH --push",
    ),
    symptom(
        21,
        "pulls worked until a node or the cluster was recreated",
        "the hosts.toml files were written into the old node, and the new node does not have them",
        "run `hythe attach CLUSTER`; or run `hythe up --watch` once, which attaches new nodes from then on",
    ),
    symptom(
        22,
        "Tilt or Skaffold push to Docker Hub, or load images by `kind load`",
        "the ConfigMap local-registry-hosting is missing, is malformed, or names another registry",
        "`hythe attach CLUSTER`",
    ),
    symptom(
        23,
        "`docker push localhost:5001` does not reach the registry, and the engine is on another machine",
        "the registry's port is published on the engine's machine, not on this machine",
        "forward the port: ssh -L 5001:localhost:5001 HOST",
    ),
    symptom(
        24,
        "`foo.localhost:PORT` wants TLS since Docker 29",
        "with the containerd image store, Docker uses plain HTTP for localhost and loopback addresses only, not for \
         names that end in .localhost",
        "push to localhost:PORT, or add the name to insecure-registries in daemon.json",
    ),
    symptom(
        25,
        "`dial tcp [::1]:5001: connect: connection refused` on this machine",
        "localhost means ::1 first, and the registry's port is published on 127.0.0.1 only",
        "push to 127.0.0.1:PORT",
    ),
    symptom(
        26,
        "`x509: certificate signed by unknown authority` at a public registry",
        "a company's proxy replaces the registry's certificate, and the client does not trust the proxy's certificate \
         authority",
        "pull the image through hythe, which takes the authority's file as ca = [\"FILE\"] for each upstream; in a \
         node, set ca in the hosts.toml file",
    ),
    symptom(
        27,
        "`unauthorized`, `no basic auth credentials`, `401`, or `pull access denied` at a private registry",
        "the registry requires a login, and the client sent no credentials or wrong ones",
        "for a push, docker login HOST; for a Pod, kubectl create secret docker-registry, and name the secret in \
         imagePullSecrets in the Pod's own namespace",
    ),
    symptom(
        28,
        "`507 Insufficient Storage`, on a push or a pull",
        "the registry's disk is full",
        "free space with `hythe gc` and `hythe cache clear`; `hythe logs --tail 50` names the folder",
    ),
    symptom(
        29,
        "`no space left on device` while an image is pulled, unpacked or built",
        "the disk of the node, the builder or the engine is full; the registry's disk has its own message (`507`)",
        "remove unused data: docker system prune; docker builder prune; in a node, crictl rmi --prune",
    ),
    symptom(
        30,
        "`port is already allocated`, `address already in use`",
        "another program uses the port on which the registry should be published",
        "choose another port: `hythe up --port 5002`; or find the program with docker ps or ss -ltnp, and stop it",
    ),
    symptom(
        31,
        "`403 Forbidden` at localhost:5000, `Server: AirTunes`",
        "macOS's AirPlay Receiver listens on port 5000 and answers instead of the registry",
        "choose another port: `hythe up --port 5001`, and push to localhost:5001; or switch AirPlay Receiver off in \
         System Settings",
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
        "the image has several platforms, and Docker's containerd image store has the content of only one of them",
        "push the image to localhost:PORT instead of kind load; or docker save --platform linux/ARCH, then kind load \
         image-archive",
    ),
    symptom(
        34,
        "`manifest.v1+prettyjws is no longer supported`, `schema 1 support is disabled`",
        "the image has a schema 1 manifest, which containerd 2.1 and Docker 28.2 no longer accept",
        "rebuild the image; or convert it: skopeo copy --format v2s2 docker://OLD docker://localhost:PORT/NAME \
         --dest-tls-verify=false",
    ),
    symptom(
        35,
        "`Client sent an HTTP request to an HTTPS server`",
        "the registry speaks HTTPS, and the client uses http://",
        "write https:// in hosts.toml, or remove http = true, --plain-http or the insecure entry for this registry",
    ),
    symptom(
        36,
        "`lookup registry-1.docker.io: no such host`, `server misbehaving`, `lookup ... on ...:53: i/o timeout`",
        "the machine or node that asked cannot resolve internet names: it has no network, or its DNS server does not \
         answer",
        "run getent hosts registry-1.docker.io on this machine and in the node (docker exec NODE); repair DNS where \
         it fails, or restart the engine after a change of networks",
    ),
    symptom(
        37,
        "`proxyconnect tcp: dial tcp 127.0.0.1:7890: connect: connection refused`, \
         `407 Proxy Authentication Required`",
        "the machine, node or builder that asked cannot use the proxy that HTTP_PROXY or HTTPS_PROXY names; in a node \
         or a builder, 127.0.0.1 is that node or builder",
        "set the variable to an address of the proxy that containers can reach, or unset it; then recreate the \
         cluster or builder",
    ),
    symptom(
        38,
        "`413 Request Entity Too Large`",
        "a reverse proxy in front of the registry limits the size of a request's body",
        "raise the limit: in nginx, client_max_body_size 0; in ingress-nginx, the annotation proxy-body-size: \"0\"",
    ),
    symptom(
        39,
        "`x509: certificate has expired or is not yet valid`",
        "the registry's certificate has expired or is not valid yet, or the client's clock is wrong",
        "compare the client's date with the certificate's dates; renew the certificate, or set the clock",
    ),
    symptom(
        40,
        "`x509: certificate is valid for X, not Y`, `doesn't contain any IP SANs`",
        "the registry's certificate does not contain the name or address that the client used",
        "use a name that the certificate contains, or issue a certificate with this name or address as a SAN (subject \
         alternative name)",
    ),
    symptom(
        41,
        "`x509: certificate signed by unknown authority`, at a registry that is not public",
        "the client does not trust the certificate authority that signed the certificate: the registry's own, or that \
         of a proxy that opens TLS connections",
        "add the authority's file: /etc/docker/certs.d/HOST/ca.crt; in a node, ca in its hosts.toml; in hythe, ca = \
         [\"FILE\"] for the upstream",
    ),
    symptom(
        42,
        "`docker-credential-desktop: executable file not found in $PATH`, `error getting credentials`",
        "~/.docker/config.json names a credential helper (credsStore, credHelpers) that is not installed or fails",
        "install docker-credential-NAME, or remove credsStore and credHelpers from ~/.docker/config.json",
    ),
    symptom(
        43,
        "a build's push or pull: `dial tcp 127.0.0.1:5000: connect: connection refused`",
        "in a builder of the docker-container driver, localhost is the builder's container, not this machine",
        "create a builder on this machine's network: docker buildx create --driver-opt network=host --use; or on the \
         cluster's, with --driver-opt network=kind, and push to NAME:5000; if the driver is docker, the registry does \
         not run: `hythe up`",
    ),
    symptom(
        44,
        "a build's push or pull: `server gave HTTP response to HTTPS client`",
        "the builder uses plain HTTP for loopback addresses only",
        "put [registry.\"HOST:PORT\"] http = true into buildkitd.toml, and create the builder with docker buildx \
         create --buildkitd-config buildkitd.toml",
    ),
    symptom(
        45,
        "a build's push or pull: `lookup kind-registry: no such host`",
        "the builder is not on the network that knows this name",
        "connect the builder to it: docker network connect kind buildx_buildkit_BUILDER0; or create a builder there: \
         docker buildx create --driver-opt network=kind --use",
    ),
    symptom(
        46,
        "`dial tcp 127.0.0.1:5001: connect: connection refused` on a push from this machine",
        "nothing listens on that port of this machine: the registry does not run, or has another port",
        "start the registry: `hythe up`; `hythe status` shows its port",
    ),
    symptom(
        47,
        "`lookup kind-registry: no such host` on a push from this machine",
        "the name exists in the cluster's network, not on this machine",
        "push to localhost:PORT/...; manifests in the cluster can keep that name",
    ),
    symptom(
        48,
        "`dial tcp 127.0.0.1:5000: connect: connection refused` in a node with Docker or CRI-O",
        "localhost is the node itself, and Docker and CRI-O do not read the hosts.toml files that lead to the \
         registry",
        "recreate the cluster with containerd: minikube start --container-runtime=containerd, then \
         `hythe attach CLUSTER`",
    ),
    symptom(
        49,
        "`server gave HTTP response to HTTPS client` in a node with Docker or CRI-O",
        "the node's Docker or CRI-O uses HTTPS for every registry that is not at a loopback address",
        "recreate the cluster: minikube delete, then minikube start --insecure-registry=HOST:PORT; or start it with \
         --container-runtime=containerd, then `hythe attach CLUSTER`",
    ),
    symptom(
        50,
        "`connection refused` at a mirror: the URL's host is not the image's registry",
        "the mirror that the node or the engine is configured to use does not run",
        "if the mirror is hythe, `hythe up`; otherwise start it, or remove it from hosts.toml, registries.yaml or \
         daemon.json",
    ),
    symptom(
        51,
        "`dial tcp 192.168.1.10:5000: connect: connection refused`",
        "nothing listens at that address and port: the registry does not run there, has another port (a name without \
         a port means 443), or is published on 127.0.0.1 only",
        "start the registry; if it is hythe, name the image localhost:PORT/... and run `hythe attach CLUSTER`, or \
         publish the registry on every address: `hythe up --address 0.0.0.0`",
    ),
    symptom(
        52,
        "`pull access denied`, `push access denied`, `requested access to the resource is denied`, at Docker Hub",
        "a name without a registry means Docker Hub, which has no such repository for this user",
        "name the image localhost:PORT/..., and push it there; if you mean Docker Hub, docker login, and use the \
         repository's name there",
    ),
    symptom(
        53,
        "`not found` or `manifest unknown` at a public or company registry",
        "that registry has no such repository or tag",
        "correct the name or the tag; skopeo list-tags docker://NAME lists the tags",
    ),
    symptom(
        54,
        "`lookup registry.kube-system.svc.cluster.local: no such host`",
        "the name is that of a Kubernetes Service: only Pods use the cluster's DNS, nodes and this machine do not",
        "name the image localhost:PORT/..., and run `hythe attach CLUSTER`",
    ),
    symptom(
        55,
        "`lookup registry.corp.example: no such host`",
        "the DNS server does not know this name: the name is misspelt, needs a VPN that is off, or is in the hosts \
         file of another machine only",
        "check the name with getent hosts NAME on this machine and in the node (docker exec NODE)",
    ),
    symptom(
        56,
        "`i/o timeout`, `TLS handshake timeout` or `connection refused` at a public or company registry",
        "the machine or node that asked cannot reach the registry: no internet access, a firewall, a VPN that is off, \
         or a proxy that is not configured",
        "run curl -v https://HOST/v2/ on this machine and in the node (docker exec NODE); set HTTPS_PROXY if the \
         network needs a proxy",
    ),
    symptom(
        57,
        "`502 Bad Gateway`, `503 Service Unavailable` or `504 Gateway Timeout` from hythe",
        "the registry has no copy of the content and could not fetch it: for hythe, the upstream failed (502), hythe \
         pauses its requests to the upstream after a failure (503), or hythe is offline (504)",
        "`hythe logs --tail 50` has the upstream's own words, `hythe cache stat` its state; for another registry, \
         read that registry's log",
    ),
    symptom(
        58,
        "`500 Internal Server Error` from a local registry",
        "the error is in the registry, not in the request",
        "`hythe logs --tail 50` has the reason; for another registry, docker logs NAME",
    ),
    symptom(
        59,
        "`500`, `502`, `503` or `504` from another registry than hythe",
        "that registry, or the proxy or mirror in front of it, failed",
        "try again later; that registry's log or status page has the reason; meanwhile hythe serves the copies that \
         it has",
    ),
    symptom(
        60,
        "`invalid character '<' looking for beginning of value`, HTML instead of JSON",
        "a web page answered: another program uses the port, or a proxy is in front of the registry",
        "find out which program answers: curl -i http://HOST:PORT/v2/; `hythe doctor` checks hythe's own port",
    ),
    symptom(
        61,
        "`405 Method Not Allowed`, `The operation is unsupported` on a push",
        "the registry does not accept pushes: it is a pull-through cache (registry:2 with `proxy`), or read-only",
        "push to another registry; or let hythe replace this one, as hythe accepts pushes and caches upstreams: \
         `hythe up --adopt`",
    ),
    symptom(
        62,
        "`dial tcp 0.0.0.0:5000: connect: connection refused`",
        "0.0.0.0 is an address to listen on, not to connect to: a client that connects to it reaches its own machine, \
         and in a node that is the node",
        "name the image localhost:PORT/...",
    ),
    symptom(
        63,
        "`connection refused` at port 443 or 80, and the image's name has no port",
        "the image's name has no port, so the client tries ports 443 and 80",
        "add the port to the name: localhost:PORT/...",
    ),
    symptom(
        64,
        "podman: `pinging container registry localhost: ... dial tcp [::1]:443: connect: connection refused`",
        "localhost/NAME is Podman's name for an image that was built on this machine; no registry has that name",
        "build or load the image on this machine; or podman push NAME localhost:PORT/NAME --tls-verify=false, and \
         pull that name",
    ),
    symptom(
        65,
        "`short-name \"app\" did not resolve to an alias and no unqualified-search registries are defined`",
        "the image's name has no registry, and Podman and CRI-O do not guess one",
        "add the registry to the name: localhost:PORT/app, docker.io/library/redis",
    ),
    symptom(
        66,
        "`invalid reference format`, `InvalidImageName`, `repository name must be lowercase`",
        "the text is not an image's name: it has a capital letter, a scheme (http://) or a space, or a variable in it \
         is empty",
        "write the name as HOST:PORT/repository:tag, in lower case",
    ),
    symptom(
        67,
        "`An image does not exist locally with the tag: localhost:5001/app`",
        "the engine has no image of the name that should be pushed",
        "docker tag NAME localhost:PORT/NAME, then push that name; docker images lists the engine's images",
    ),
    symptom(
        68,
        "`unknown service runtime.v1.ImageService`, `CRI v1 image API is not implemented`",
        "containerd runs without its CRI plugin: disabled_plugins names the plugin, or the plugin refused its \
         configuration",
        "see the reason with journalctl -u containerd; remove cri from disabled_plugins, or run \
         `hythe attach CLUSTER`",
    ),
    symptom(
        69,
        "`failed to decode hosts.toml`",
        "containerd ignores the whole file, because it is not the TOML that containerd expects",
        "if hythe wrote the file, `hythe attach CLUSTER` writes it again; otherwise correct what the end of the \
         message names",
    ),
];
