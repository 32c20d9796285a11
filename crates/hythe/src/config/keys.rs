//! The table of all settings.

use std::time::Duration;

use super::key::{Key, Kind, Slot};

/// The [`Slot`] of a field of `Settings`: both accessors, from one path.
macro_rules! at {
    ($($field:ident).+) => {
        Slot { get: |settings| &settings.$($field).+, get_mut: |settings| &mut settings.$($field).+ }
    };
}

mod tls;

const SECOND: Duration = Duration::from_secs(1);
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// The largest value of `manifest.max-size`, in bytes.
pub(crate) const LARGEST_MANIFEST: usize = 64 << 20;

/// Every setting, in the order of the documentation.
pub static KEYS: &[Key] = &[
    Key {
        name: "listen",
        doc: "The addresses to listen on. If `tls.certificate` is set, the server speaks TLS on each of them, except on those written `http://ADDRESS:PORT`. An address that other machines can reach also needs `http.allow-anonymous-network`.",
        kind: Kind::Listen(at!(listen)),
        flag: Some("listen"),
        reload: false,
    },
    Key {
        name: "data",
        doc: "The folder for all data: the blobs and the catalog database. Only one server can use a folder. It must be on a local file system.",
        kind: Kind::Folder(at!(data)),
        flag: Some("data"),
        reload: false,
    },
    Key {
        name: "storage",
        doc: "Where blobs are stored: `fs` is the data folder; `memory` loses all data when the process ends.",
        kind: Kind::Word(&at!(storage)),
        flag: Some("storage"),
        reload: false,
    },
    Key {
        name: "stay-root",
        doc: "Whether `registry serve` keeps running as root when root starts it. Otherwise it switches to user and group 1000 before it listens, and makes them the owner of hythe's files in the data folder.",
        kind: Kind::Switch(at!(stay_root)),
        flag: None,
        reload: false,
    },
    Key {
        name: "log.format",
        doc: "The format of log lines: `text` for people, `json` for log collectors.",
        kind: Kind::Word(&at!(log.format)),
        flag: Some("log-format"),
        reload: false,
    },
    Key {
        name: "log.level",
        doc: "The lowest severity that the server logs.",
        kind: Kind::Word(&at!(log.level)),
        flag: Some("log-level"),
        reload: true,
    },
    Key {
        name: "log.requests",
        doc: "Whether the server logs one line per request.",
        kind: Kind::Switch(at!(log.requests)),
        flag: None,
        reload: true,
    },
    Key {
        name: "http.allow-anonymous-network",
        doc: "Whether the server may listen on an address that other machines can reach. Anyone who can connect can then push and delete. A server whose clients must log in needs no permission.",
        kind: Kind::Switch(at!(http.allow_anonymous_network)),
        flag: Some("allow-anonymous-network"),
        reload: false,
    },
    Key {
        name: "http.hosts",
        doc: "Additional host names of this registry. Loopback listeners accept them in the `Host` header, and `?ns=` with such a name means this registry.",
        kind: Kind::Hosts(at!(http.hosts)),
        flag: None,
        reload: true,
    },
    Key {
        name: "http.published-on-loopback",
        doc: "Whether the registry runs in a container whose ports are published only on the host's loopback address, as `hythe up` does. The server then checks `Host` as on a loopback listener. It also accepts IP addresses, names of one label and names in `.internal`, because containers and nodes use these.",
        kind: Kind::Switch(at!(http.published_on_loopback)),
        flag: None,
        reload: true,
    },
    Key {
        name: "http.cors-origins",
        doc: "The web origins whose scripts may read responses, push and delete. `*` lets the scripts of every website read, but not write.",
        kind: Kind::Origins(at!(http.cors_origins)),
        flag: None,
        reload: true,
    },
    Key {
        name: "http.header-timeout",
        doc: "The time in which a client must send the head of a request.",
        kind: Kind::Duration(at!(http.header_timeout), SECOND),
        flag: None,
        reload: false,
    },
    Key {
        name: "http.idle-timeout",
        doc: "How long the server keeps a connection open that has no request.",
        kind: Kind::Duration(at!(http.idle_timeout), SECOND),
        flag: None,
        reload: false,
    },
    Key {
        name: "http.progress-timeout",
        doc: "How long a request or response body may make no progress before the server ends it. A request body must also bring at least 512 bytes per second, measured over three times this duration. Only time in which the server waits for the client counts.",
        kind: Kind::Duration(at!(http.progress_timeout), SECOND),
        flag: None,
        reload: false,
    },
    Key {
        name: "http.drain-timeout",
        doc: "How long the server waits for requests in progress when it is asked to stop.",
        kind: Kind::Duration(at!(http.drain_timeout), Duration::ZERO),
        flag: None,
        reload: false,
    },
    Key {
        name: "http.max-header-size",
        doc: "The maximum size of a request's head.",
        // The maximum is what a connection reads at once.
        kind: Kind::Size(at!(http.max_header_size), 8 * KIB, 256 * KIB),
        flag: None,
        reload: false,
    },
    Key {
        name: "http.max-connections",
        doc: "The maximum number of connections that the server handles at the same time; further connections wait. The number is lower if the system's limit of open files does not allow so many.",
        kind: Kind::Count(at!(http.max_connections), 1, 1_000_000),
        flag: None,
        reload: false,
    },
    Key {
        name: "http.sendfile",
        doc: "Whether the server sends blobs with `sendfile`, if the system has it. Without `sendfile` the server is slower; turn it off only to find the cause of a fault.",
        kind: Kind::Switch(at!(http.sendfile)),
        flag: None,
        reload: false,
    },
    tls::CERTIFICATE,
    tls::KEY,
    tls::CLIENT_CA,
    tls::CLIENT_AUTH,
    tls::MIN_VERSION,
    Key {
        name: "auth.users",
        doc: "Whether the registry has users of its own, such as `hythe user add alice` creates, and tokens, such as `hythe token create robot:ci` creates. Clients must then log in. The first start creates the user `admin` and prints the password.",
        kind: Kind::Switch(at!(auth.users)),
        flag: Some("users"),
        reload: true,
    },
    Key {
        name: "auth.htpasswd",
        doc: "A file of users and their passwords, with a line `NAME:HASH` per user and hashes of bcrypt, as `htpasswd -B` makes it. With this file, with `auth.users` or with a rule, clients must log in. hythe reads the file again when it changes.",
        kind: Kind::File(at!(auth.htpasswd)),
        flag: None,
        reload: true,
    },
    Key {
        name: "auth.challenge",
        doc: "How the registry asks clients for credentials: `basic` asks for a name and a password with each request, `token` for a token of the registry's own token server at `/token`, which clients fetch with a name and a password, or without. `auto` is `token` if a rule allows something to anonymous clients, because Docker then needs it, and otherwise `basic`. The registry accepts both kinds of credentials in any case.",
        kind: Kind::Word(&at!(auth.challenge)),
        flag: None,
        reload: true,
    },
    Key {
        name: "upload.max-concurrent",
        doc: "The maximum number of uploads that the server receives at the same time. When one more begins, the server stops the slowest upload, if that one is slow; its client can continue it. If no upload is slow, the server asks the client of the new one to retry.",
        kind: Kind::Count(at!(upload.max_concurrent), 1, 1_000_000),
        flag: None,
        reload: false,
    },
    Key {
        name: "upload.memory",
        doc: "The maximum memory for the buffers of all uploads together. The server allocates buffers on demand and does not free them.",
        kind: Kind::Size(at!(upload.memory), MIB, 1024 * GIB),
        flag: None,
        reload: false,
    },
    Key {
        name: "upload.direct",
        doc: "When the server writes uploads past the page cache. This takes less CPU, but the first pull then reads from \
              the disk. `auto` does so if it finds the disk to be fast.",
        kind: Kind::Word(&at!(upload.direct)),
        flag: None,
        reload: false,
    },
    Key {
        name: "upload.expire",
        doc: "How long the server keeps an unfinished upload that no client continues.",
        kind: Kind::Duration(at!(upload.expire), Duration::from_mins(1)),
        flag: None,
        reload: true,
    },
    Key {
        name: "manifest.max-size",
        doc: "The maximum size of a manifest.",
        kind: Kind::Size(at!(manifest.max_size), 64 * KIB, LARGEST_MANIFEST as u64),
        flag: None,
        reload: false,
    },
    Key {
        name: "manifest.require-blobs",
        doc: "Whether the server refuses a manifest that references a blob missing from the repository. Otherwise it stores the manifest, and warns in the response's `Warning` header and in the log: OCI allows partial copies.",
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
        doc: "How long garbage collection keeps an unreferenced blob after its last use. It must be longer than the longest push.",
        kind: Kind::Duration(at!(collect.grace), SECOND),
        flag: None,
        reload: true,
    },
    Key {
        name: "collect.interval",
        doc: "How often garbage collection looks for unreferenced blobs.",
        kind: Kind::Duration(at!(collect.interval), SECOND),
        flag: None,
        reload: true,
    },
    Key {
        name: "verify.interval",
        doc: "How often the server verifies all stored content in the background. The first round begins an hour after the start.",
        kind: Kind::Duration(at!(verify.interval), SECOND),
        flag: None,
        reload: true,
    },
    Key {
        name: "verify.rate",
        doc: "How many bytes per second the background verification reads, on average. `0` turns it off; `hythe verify` works all the same.",
        kind: Kind::Size(at!(verify.rate), 0, u64::MAX),
        flag: None,
        reload: true,
    },
    Key {
        name: "retain.interval",
        doc: "How often the server deletes what the retention rules let go, if there are rules. The first run begins five minutes after the start.",
        kind: Kind::Duration(at!(retain.interval), SECOND),
        flag: None,
        reload: true,
    },
    Key {
        name: "retain.max-images",
        doc: "How many images a run of retention may delete. A run that would delete more stops, deletes nothing, and waits for `hythe retain --yes PLAN`.",
        kind: Kind::Count(at!(retain.max_images), 0, 1_000_000_000),
        flag: None,
        reload: true,
    },
    Key {
        name: "retain.max-percent",
        doc: "Which part of the images that rules select a run of retention may delete, in percent. A run that would delete more stops, as with `retain.max-images`. A small registry needs a higher value: one image of five is 20 percent.",
        kind: Kind::Count(at!(retain.max_percent), 0, 100),
        flag: None,
        reload: true,
    },
    Key {
        name: "backup.destination",
        doc: "Where the server backs itself up: a folder outside of the data folder, or a bucket of an S3 server. Without a destination there are no scheduled backups. `hythe backup list DEST` and the other commands for backups read the same place.",
        kind: Kind::BackupPlace(at!(backup.destination)),
        flag: None,
        reload: true,
    },
    Key {
        name: "backup.interval",
        doc: "How often the server makes a backup. The time counts from the newest backup at the destination, also after a restart.",
        kind: Kind::Duration(at!(backup.interval), SECOND),
        flag: None,
        reload: true,
    },
    Key {
        name: "backup.keep",
        doc: "Which backups stay when the server has made another one: `all`, the newest ones (`30`), or those of the last time (`90d`). The newest always stays.",
        kind: Kind::Keep(at!(backup.keep)),
        flag: None,
        reload: true,
    },
    Key {
        name: "backup.grace",
        doc: "How long a blob stays at the destination after no backup needs it any more.",
        kind: Kind::Duration(at!(backup.grace), Duration::ZERO),
        flag: None,
        reload: true,
    },
    Key {
        name: "backup.endpoint",
        doc: "The URL of the S3 server. Without one, `AWS_ENDPOINT_URL` names it, or else it is Amazon's for the region.",
        kind: Kind::Text(at!(backup.endpoint), "a URL, or an empty string"),
        flag: None,
        reload: true,
    },
    Key {
        name: "backup.region",
        doc: "The region of the bucket. Without one, `AWS_REGION` names it, or else it is `us-east-1`.",
        kind: Kind::Text(at!(backup.region), "a name such as eu-central-1, or an empty string"),
        flag: None,
        reload: true,
    },
    Key {
        name: "backup.access-key-id",
        doc: "The access key for the bucket. Without one, the server takes `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`, or the role of its container or machine.",
        kind: Kind::Text(at!(backup.access_key_id), "a key's id, or an empty string"),
        flag: None,
        reload: true,
    },
    Key {
        name: "backup.secret-access-key-file",
        doc: "The file with the secret of `backup.access-key-id`. Each backup reads the file again.",
        kind: Kind::File(at!(backup.secret_access_key_file)),
        flag: None,
        reload: true,
    },
    Key {
        name: "disk.budget",
        doc: "How much the registry may store. Above it, the server removes cached images, the least recently used first. `auto` is 80% of the file system and only removes cached images. With a size or a share, the server also refuses pushes with 507 when it stores more and has no cached image left that it may remove.",
        kind: Kind::Budget(at!(disk.budget)),
        flag: None,
        reload: true,
    },
    Key {
        name: "disk.floor",
        doc: "How much of the file system with the data folder stays free. With less, the server removes cached images, and then refuses pushes with 507. Pulls and deletes go on.",
        kind: Kind::Amount(at!(disk.floor)),
        flag: None,
        reload: true,
    },
    Key {
        name: "disk.keep-running",
        doc: "How long the server keeps the images that an attached cluster runs after the cluster was last asked. `hythe attach --watch` asks every 5 minutes.",
        kind: Kind::Duration(at!(disk.keep_running), Duration::ZERO),
        flag: None,
        reload: true,
    },
    Key {
        name: "catalog.max-page",
        doc: "The maximum number of repositories in one response of the catalog API.",
        kind: Kind::Count(at!(catalog.max_page), 1, 100_000),
        flag: None,
        reload: true,
    },
    Key {
        name: "tags.max-page",
        doc: "The maximum number of tags in one response of the tag list API.",
        kind: Kind::Count(at!(tags.max_page), 1, 100_000),
        flag: None,
        reload: true,
    },
    Key {
        name: "upstream.enabled",
        doc: "Whether the public registries that hythe knows are upstreams. Otherwise only the upstreams that the configuration names are.",
        kind: Kind::Switch(at!(upstream.enabled)),
        flag: None,
        reload: true,
    },
    Key {
        name: "upstream.offline",
        doc: "Whether hythe contacts no upstream and serves only cached content.",
        kind: Kind::Switch(at!(upstream.offline)),
        flag: Some("offline"),
        reload: true,
    },
    Key {
        name: "upstream.ttl",
        doc: "How long hythe uses a cached tag of an upstream before it asks the upstream again. Content by digest never changes, so hythe does not ask again for it.",
        kind: Kind::Duration(at!(upstream.ttl), Duration::ZERO),
        flag: None,
        reload: true,
    },
    Key {
        name: "upstream.share",
        doc: "Which clients may pull content that hythe fetched with credentials: `loopback` allows clients that connect over a loopback address of this machine, `all` allows every client that can reach the registry. The restriction stays until the content is cleared from the cache, even if the credentials are removed.",
        kind: Kind::Word(&at!(upstream.share)),
        flag: None,
        reload: true,
    },
    Key {
        name: "upstream.load",
        doc: "Which clients may load content of upstreams into the cache, as `hythe bundle load FILE` does: `loopback` allows clients that connect over a loopback address of this machine, `all` allows every client that can reach the registry. hythe serves loaded content under the upstream's names, so a client that may load decides what nodes run.",
        kind: Kind::Word(&at!(upstream.load)),
        flag: None,
        reload: true,
    },
    Key {
        name: "upstream.any",
        doc: "Whether any public registry is an upstream if a client names its host in `?ns=`, as containerd does. hythe connects to it by HTTPS, without credentials, and at public addresses only. `upstream.remove` excludes a registry.",
        kind: Kind::Switch(at!(upstream.any)),
        flag: None,
        reload: true,
    },
    Key {
        name: "upstream.by-path",
        doc: "Whether a path that begins with an upstream's name means that upstream, as in `localhost:5001/docker.io/library/redis`. Otherwise clients reach upstreams only through `?ns=`, mirrors and `upstream.fallback`, and such a path is an ordinary repository name that can be pushed to. The default is false with a `registry:2` configuration; a path that begins with the name of its proxy's upstream still means that upstream.",
        kind: Kind::Switch(at!(upstream.by_path)),
        flag: None,
        reload: true,
    },
    Key {
        name: "upstream.prefetch",
        doc: "How many blobs of an image hythe fetches at the same time before the client asks for them. Prefetching starts when a client pulls a manifest that hythe had to fetch; 0 turns it off.",
        kind: Kind::Count(at!(upstream.prefetch), 0, 64),
        flag: None,
        reload: true,
    },
    Key {
        name: "upstream.add",
        doc: "Upstreams to add, or other endpoints for a known upstream. hythe connects to `NAME` by HTTPS at that host, and to `NAME=ENDPOINT,ENDPOINT` at these endpoints in this order.",
        kind: Kind::Additions(at!(upstream.add)),
        flag: Some("upstream"),
        reload: true,
    },
    Key {
        name: "upstream.remove",
        doc: "Upstreams that hythe must not contact, by their names or aliases. This key overrides every setting that adds an upstream.",
        kind: Kind::Names(at!(upstream.remove)),
        flag: None,
        reload: true,
    },
    Key {
        name: "upstream.mirror",
        doc: "Additional addresses to listen on, each for one upstream. They are for clients that cannot name an upstream, such as dockerd with `registry-mirrors`. Clients cannot push to such an address, unless its upstream is `pushable`.",
        kind: Kind::Mirrors(at!(upstream.mirror)),
        flag: Some("mirror"),
        reload: false,
    },
    Key {
        name: "upstream.fallback",
        doc: "The upstream from which the addresses of `listen` serve repositories that were not pushed to this registry, like a `registry:2` with `proxy.remoteurl`. A path that begins with another upstream's name means that upstream, unless `upstream.by-path` is off.",
        kind: Kind::Name(at!(upstream.fallback)),
        flag: None,
        reload: false,
    },
];

/// The key with this name.
pub fn key(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}
