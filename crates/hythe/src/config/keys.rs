//! Every setting that hythe knows.

use std::time::Duration;

use super::key::{Key, Kind, Slot};

/// The place of a field: the two ways to reach it, written once.
macro_rules! at {
    ($($field:ident).+) => {
        Slot { get: |settings| &settings.$($field).+, get_mut: |settings| &mut settings.$($field).+ }
    };
}

const SECOND: Duration = Duration::from_secs(1);
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Every setting, in the order of the documentation.
pub static KEYS: &[Key] = &[
    Key {
        name: "listen",
        doc: "The addresses to listen on. An address that other machines reach needs `http.allow-anonymous-network`.",
        kind: Kind::Listen(at!(listen)),
        flag: Some("listen"),
        reload: false,
    },
    Key {
        name: "data",
        doc: "The folder of all that is kept: blobs, and the database of what names them. One server per folder, on a local file system.",
        kind: Kind::Folder(at!(data)),
        flag: Some("data"),
        reload: false,
    },
    Key {
        name: "storage",
        doc: "Where blobs are kept: `fs` is the data folder, `memory` ends with the process.",
        kind: Kind::Word(&at!(storage)),
        flag: Some("storage"),
        reload: false,
    },
    Key {
        name: "stay-root",
        doc: "Whether `registry serve` stays root where root starts it. Otherwise it becomes user and group 1000 before it listens, and gives them what hythe keeps in the data folder.",
        kind: Kind::Switch(at!(stay_root)),
        flag: None,
        reload: false,
    },
    Key {
        name: "log.format",
        doc: "How a log line looks: `text` for people, `json` for collectors.",
        kind: Kind::Word(&at!(log.format)),
        flag: Some("log-format"),
        reload: false,
    },
    Key {
        name: "log.level",
        doc: "The least severe log line that is written.",
        kind: Kind::Word(&at!(log.level)),
        flag: Some("log-level"),
        reload: true,
    },
    Key {
        name: "log.requests",
        doc: "Whether each request is logged in one line.",
        kind: Kind::Switch(at!(log.requests)),
        flag: None,
        reload: true,
    },
    Key {
        name: "http.allow-anonymous-network",
        doc: "Whether an address that other machines reach may be listened on although nobody has to authenticate: who reaches it can push and delete.",
        kind: Kind::Switch(at!(http.allow_anonymous_network)),
        flag: Some("allow-anonymous-network"),
        reload: false,
    },
    Key {
        name: "http.hosts",
        doc: "Further names of this registry: accepted as `Host` on anonymous loopback listeners, and taken for this registry in `?ns=`.",
        kind: Kind::Hosts(at!(http.hosts)),
        flag: None,
        reload: true,
    },
    Key {
        name: "http.published-on-loopback",
        doc: "Whether the ports of the container that it runs in are published on its host's loopback only, as `hythe up` does. `Host` is checked then as on a loopback listener; addresses, names of one label and those in `.internal`, by which containers and nodes call it, are taken too.",
        kind: Kind::Switch(at!(http.published_on_loopback)),
        flag: None,
        reload: true,
    },
    Key {
        name: "http.cors-origins",
        doc: "The web origins whose scripts may read answers, and push and delete. `*` lets every website that a user visits read.",
        kind: Kind::Origins(at!(http.cors_origins)),
        flag: None,
        reload: true,
    },
    Key {
        name: "http.header-timeout",
        doc: "How long a client may take to send a request's head.",
        kind: Kind::Duration(at!(http.header_timeout), SECOND),
        flag: None,
        reload: false,
    },
    Key {
        name: "http.idle-timeout",
        doc: "How long a connection without a request is kept open.",
        kind: Kind::Duration(at!(http.idle_timeout), SECOND),
        flag: None,
        reload: false,
    },
    Key {
        name: "http.progress-timeout",
        doc: "How long a body may make no progress, in either direction, before it is ended. One that comes in must also bring 512 bytes a second, measured over three times as long. Only the time counts in which the registry waits for it.",
        kind: Kind::Duration(at!(http.progress_timeout), SECOND),
        flag: None,
        reload: false,
    },
    Key {
        name: "http.drain-timeout",
        doc: "How long requests that are under way may take to end when the server is asked to stop.",
        kind: Kind::Duration(at!(http.drain_timeout), Duration::ZERO),
        flag: None,
        reload: false,
    },
    Key {
        name: "http.max-header-size",
        doc: "The largest head of a request.",
        // A connection never reads more at once.
        kind: Kind::Size(at!(http.max_header_size), 8 * KIB, 256 * KIB),
        flag: None,
        reload: false,
    },
    Key {
        name: "http.max-connections",
        doc: "How many connections are served at once; more of them wait. Where the system allows few open files, fewer are served.",
        kind: Kind::Count(at!(http.max_connections), 1, 1_000_000),
        flag: None,
        reload: false,
    },
    Key {
        name: "http.sendfile",
        doc: "Whether blobs leave by `sendfile` where the system has it. Off is slower, and a way to look for the cause of a fault.",
        kind: Kind::Switch(at!(http.sendfile)),
        flag: None,
        reload: false,
    },
    Key {
        name: "upload.max-concurrent",
        doc: "How many uploads are received at once; a further one is asked to come back.",
        kind: Kind::Count(at!(upload.max_concurrent), 1, 1_000_000),
        flag: None,
        reload: false,
    },
    Key {
        name: "upload.memory",
        doc: "The memory that the buffers of all uploads share. What of it was needed once stays.",
        kind: Kind::Size(at!(upload.memory), MIB, 1024 * GIB),
        flag: None,
        reload: false,
    },
    Key {
        name: "upload.direct",
        doc: "When uploads are written past the page cache, which takes less CPU; the first pull then reads from the disk. \
              `auto` does so where the disk is found to be fast.",
        kind: Kind::Word(&at!(upload.direct)),
        flag: None,
        reload: false,
    },
    Key {
        name: "upload.expire",
        doc: "How long an upload that nobody continues is kept.",
        kind: Kind::Duration(at!(upload.expire), Duration::from_mins(1)),
        flag: None,
        reload: true,
    },
    Key {
        name: "manifest.max-size",
        doc: "The largest manifest that is accepted.",
        kind: Kind::Size(at!(manifest.max_size), 64 * KIB, 64 * MIB),
        flag: None,
        reload: false,
    },
    Key {
        name: "manifest.require-blobs",
        doc: "Whether a manifest is refused while its repository lacks a blob that it is made of. Otherwise it is stored, with a `Warning` in the answer and in the log: partial copies are legal in OCI.",
        kind: Kind::Switch(at!(manifest.require_blobs)),
        flag: None,
        reload: true,
    },
    Key {
        name: "delete.enabled",
        doc: "Whether clients may delete manifests, tags and blobs.",
        kind: Kind::Switch(at!(delete.enabled)),
        flag: None,
        reload: true,
    },
    Key {
        name: "collect.grace",
        doc: "How long a blob that no manifest references is kept after its last use. It must outlast the longest push.",
        kind: Kind::Duration(at!(collect.grace), SECOND),
        flag: None,
        reload: true,
    },
    Key {
        name: "collect.interval",
        doc: "How often the collector looks for blobs that nobody needs.",
        kind: Kind::Duration(at!(collect.interval), SECOND),
        flag: None,
        reload: true,
    },
    Key {
        name: "catalog.max-page",
        doc: "The most repositories in one answer of the catalog.",
        kind: Kind::Count(at!(catalog.max_page), 1, 100_000),
        flag: None,
        reload: true,
    },
    Key {
        name: "tags.max-page",
        doc: "The most tags in one answer of a tag list.",
        kind: Kind::Count(at!(tags.max_page), 1, 100_000),
        flag: None,
        reload: true,
    },
    Key {
        name: "upstream.enabled",
        doc: "Whether the public registries that hythe knows may be asked for what is not here. Otherwise only the upstreams that the configuration names are.",
        kind: Kind::Switch(at!(upstream.enabled)),
        flag: None,
        reload: true,
    },
    Key {
        name: "upstream.offline",
        doc: "Whether no upstream is asked for anything: what was fetched before is all there is of them.",
        kind: Kind::Switch(at!(upstream.offline)),
        flag: Some("offline"),
        reload: true,
    },
    Key {
        name: "upstream.ttl",
        doc: "How long what a tag of an upstream names is believed before the upstream is asked again. Content by digest never changes, and is not asked for again.",
        kind: Kind::Duration(at!(upstream.ttl), Duration::ZERO),
        flag: None,
        reload: true,
    },
    Key {
        name: "upstream.share",
        doc: "Who gets what an upstream gave to credentials: `loopback` is who asks over a loopback address of this machine, `all` whoever reaches the registry. What was fetched with credentials stays marked so until it is cleared from the cache, whatever becomes of the credentials.",
        kind: Kind::Word(&at!(upstream.share)),
        flag: None,
        reload: true,
    },
    Key {
        name: "upstream.any",
        doc: "Whether any public registry may be asked that a client names by its host in `?ns=`, as containerd does. It is asked by HTTPS, without credentials, and at public addresses only. `upstream.remove` keeps one from being asked.",
        kind: Kind::Switch(at!(upstream.any)),
        flag: None,
        reload: true,
    },
    Key {
        name: "upstream.by-path",
        doc: "Whether an upstream is meant by a path that begins with its name, as in `localhost:5001/docker.io/library/redis`. Otherwise only `?ns=`, mirrors and `upstream.fallback` mean one, and such names are as good for pushes as any. With a `registry:2` configuration it is off, unless something else is said; a name that begins with that of its proxy's upstream means it all the same.",
        kind: Kind::Switch(at!(upstream.by_path)),
        flag: None,
        reload: true,
    },
    Key {
        name: "upstream.prefetch",
        doc: "How many blobs of an image are fetched at a time before they are asked for, once a client has got its manifest and that had to be fetched; 0 leaves all to the client's requests.",
        kind: Kind::Count(at!(upstream.prefetch), 0, 64),
        flag: None,
        reload: true,
    },
    Key {
        name: "upstream.add",
        doc: "Upstreams that may be asked, or other endpoints for one that already may: `NAME` is asked by HTTPS at that host, `NAME=ENDPOINT,ENDPOINT` at these addresses in this order.",
        kind: Kind::Additions(at!(upstream.add)),
        flag: Some("upstream"),
        reload: true,
    },
    Key {
        name: "upstream.remove",
        doc: "Upstreams that may not be asked, by their names or aliases. It wins over everything that adds one.",
        kind: Kind::Names(at!(upstream.remove)),
        flag: None,
        reload: true,
    },
    Key {
        name: "upstream.mirror",
        doc: "Further addresses to listen on, each for one upstream: for clients that cannot say which one they mean, as Docker's `registry-mirrors`. Nothing can be pushed there, unless its upstream is `pushable`.",
        kind: Kind::Mirrors(at!(upstream.mirror)),
        flag: Some("mirror"),
        reload: false,
    },
    Key {
        name: "upstream.fallback",
        doc: "The upstream that the addresses of `listen` answer for where nothing was pushed under a name, as a `registry:2` with `proxy.remoteurl` does. A path that begins with another upstream's name means that one, unless `upstream.by-path` is off.",
        kind: Kind::Name(at!(upstream.fallback)),
        flag: None,
        reload: false,
    },
];

/// The key of a name.
pub fn key(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}
