//! `registry:2` configurations of real life, and their variables.

use hythe_client::Credentials;
use hythe_upstream::Share;

use crate::world::World;

/// What the images `registry:2` and Debian's package bring, but for the folder.
fn stock(folder: &str) -> String {
    format!(
        "\
version: 0.1
log:
  fields:
    service: registry
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: {folder}
http:
  addr: :5000
  headers:
    X-Content-Type-Options: [nosniff]
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
"
    )
}

#[test]
fn the_images_own_file_opens_port_5000_keeps_its_folder_and_refuses_deletes() {
    let world = World::new().file("config.yml", &stock("/var/lib/registry"));
    assert_eq!(world.value("listen"), r#"[":5000"]"#);
    assert_eq!(world.source("listen"), "registry:2 config.yml:11");
    assert_eq!(world.value("data"), r#""/var/lib/registry""#);
    assert_eq!(world.value("delete.enabled"), "false");
    assert_eq!(world.source("delete.enabled"), "registry:2's default (config.yml)");
    assert_eq!(world.value("http.allow-anonymous-network"), "true");
    let warnings = world.warnings();
    for wanted in [
        "config.yml:3:3: registry:2's `log.fields` has no effect here",
        "config.yml:6:3: registry:2's `storage.cache` has no effect here",
        "config.yml:14:1: registry:2's `health` has no effect here",
        ":5000 is open to the network, as registry:2 has it",
    ] {
        assert!(warnings.contains(wanted), "{warnings}\n  lack {wanted}");
    }
    assert_eq!(warnings.lines().count(), 4, "{warnings}");
}

#[test]
fn debians_file_with_deletes_is_understood() {
    let text = stock("/var/lib/docker-registry").replace("http:\n", "  delete:\n    enabled: true\nhttp:\n");
    let world = World::new().file("config.yml", &text);
    assert_eq!(world.value("data"), r#""/var/lib/docker-registry""#);
    assert_eq!(world.value("delete.enabled"), "true");
    assert_eq!(world.source("delete.enabled"), "registry:2 config.yml:11");
}

#[test]
fn the_twuni_charts_file_and_variables_are_understood() {
    let world = World::new()
        .file(
            "config.yml",
            "\
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
http:
  addr: :5000
  debug:
    addr: :5001
    prometheus:
      enabled: false
      path: /metrics
  headers:
    X-Content-Type-Options:
    - nosniff
log:
  fields:
    service: registry
storage:
  cache:
    blobdescriptor: inmemory
version: 0.1
",
        )
        .variable("REGISTRY_HTTP_SECRET", "not to be shown")
        .variable("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", "/var/lib/registry")
        .variable("REGISTRY_STORAGE_DELETE_ENABLED", "true");
    assert_eq!(world.value("data"), r#""/var/lib/registry""#);
    assert_eq!(world.source("data"), "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY");
    assert_eq!(world.value("delete.enabled"), "true");
    let warnings = world.warnings();
    assert!(
        warnings.contains("REGISTRY_HTTP_SECRET: registry:2's `http.secret` has no effect here"),
        "{warnings}"
    );
    assert!(warnings.contains("config.yml:8:3: registry:2's `http.debug` has no effect here"), "{warnings}");
    assert!(!warnings.contains("not to be shown"));
}

#[test]
fn kinds_registry_has_variables_at_most() {
    // kind's script starts the image without any; its users add deletes.
    let world = World::new()
        .file("config.yml", &stock("/var/lib/registry"))
        .variable("REGISTRY_STORAGE_DELETE_ENABLED", "true");
    assert_eq!(world.value("delete.enabled"), "true");
    assert_eq!(world.source("delete.enabled"), "REGISTRY_STORAGE_DELETE_ENABLED");
}

#[test]
fn k3ds_registry_is_understood_and_its_proxy_is_behind_what_was_pushed() {
    let world = World::new()
        .variable("REGISTRY_HTTP_ADDR", "0.0.0.0:5000")
        .variable("REGISTRY_STORAGE_DELETE_ENABLED", "true")
        .variable("REGISTRY_PROXY_REMOTEURL", "https://registry-1.docker.io")
        .variable("REGISTRY_PROXY_USERNAME", "ada")
        .variable("REGISTRY_PROXY_PASSWORD", "p: @ *x");
    assert_eq!(world.value("listen"), r#"["0.0.0.0:5000"]"#);
    assert_eq!(world.source("http.allow-anonymous-network"), "REGISTRY_HTTP_ADDR");
    assert_eq!(world.value("upstream.fallback"), r#""docker.io""#);
    assert_eq!(world.source("upstream.fallback"), "REGISTRY_PROXY_REMOTEURL");
    assert_eq!(
        world.table("docker.io"),
        "share = \"all\" # REGISTRY_PROXY_USERNAME\nusername = \"ada\" # REGISTRY_PROXY_USERNAME\npassword = \"(secret)\" # REGISTRY_PROXY_PASSWORD\n"
    );
    let upstream = world.upstream("docker.io").unwrap();
    assert_eq!(upstream.endpoints, ["https://registry-1.docker.io"]);
    let password = "p: @ *x".to_owned();
    assert_eq!(upstream.credentials, Credentials::Basic { username: "ada".to_owned(), password });
    assert!(!world.warnings().contains("*x"));
}

#[test]
fn what_a_proxys_login_opens_is_everybodys_as_registry_2_has_it_unless_another_layer_says_otherwise() {
    let file = "version: 0.1\nhttp: {addr: \"localhost:5000\"}\nproxy:\n  remoteurl: https://a.example\n  username: ada\n  password: hunter2\n";
    let world = || World::new().file("c.yml", file);
    assert_eq!(world().upstream("a.example").unwrap().share, Share::All);
    assert_eq!(
        world().warnings(),
        "c.yml:5:13: whoever reaches this registry gets what `a.example` gives to this login, as registry:2 has it. Set HYTHE_UPSTREAM_SHARE=loopback to keep it on this machine"
    );
    assert_eq!(
        world().upstream("ghcr.io").unwrap().share,
        Share::Loopback,
        "its file opens no more than its own"
    );
    let kept = world().variable("HYTHE_UPSTREAM_SHARE", "loopback");
    assert_eq!(
        (kept.upstream("a.example").unwrap().share, kept.warnings()),
        (Share::Loopback, String::new())
    );
}

#[test]
fn half_a_login_or_one_for_nobody_is_named_and_has_no_effect() {
    let half = World::new()
        .variable("REGISTRY_PROXY_REMOTEURL", "https://registry-1.docker.io")
        .variable("REGISTRY_PROXY_USERNAME", "")
        .variable("REGISTRY_PROXY_PASSWORD", "hunter2");
    assert_eq!(
        half.warnings(),
        "REGISTRY_PROXY_PASSWORD: registry:2's `proxy.password` has no effect here: there is no `proxy.username` beside it, so nobody in particular asks the upstream"
    );
    assert_eq!(half.upstream("docker.io").unwrap().credentials, Credentials::Anonymous);
    let nobody = World::new().variable("REGISTRY_PROXY_USERNAME", "ada");
    assert_eq!(
        nobody.warnings(),
        "REGISTRY_PROXY_USERNAME: registry:2's `proxy.username` has no effect here: there is no `proxy.remoteurl` that it could be for"
    );
    assert_eq!(nobody.value("upstream.fallback"), r#""""#);
}

#[test]
fn a_proxy_is_of_the_upstream_that_its_url_names() {
    for (url, name, endpoints) in [
        ("https://registry-1.docker.io", "docker.io", "https://registry-1.docker.io"),
        ("https://index.docker.io/", "docker.io", "https://registry-1.docker.io"),
        ("https://docker.io", "docker.io", "https://registry-1.docker.io"),
        ("https://ghcr.io", "ghcr.io", "https://ghcr.io"),
        (
            "https://registry.corp.example:8443/hub/",
            "registry.corp.example:8443",
            "https://registry.corp.example:8443/hub",
        ),
        ("http://hub.local:5000", "hub.local:5000", "http://hub.local:5000"),
    ] {
        let text = format!("version: 0.1\nhttp: {{addr: localhost:5000}}\nproxy:\n  remoteurl: {url}\n");
        let world = World::new().file("c.yml", &text);
        assert_eq!(world.value("upstream.fallback"), format!("{name:?}"), "{url}");
        assert_eq!(world.source("upstream.fallback"), "registry:2 c.yml:4");
        assert_eq!(world.upstream(name).unwrap().endpoints.join(" "), endpoints, "{url}");
        assert_eq!(world.warnings(), "", "{url}");
        // The file names it, so that it may be asked even where no other may.
        let alone = world.variable("HYTHE_UPSTREAM_ENABLED", "false");
        assert!(alone.upstream(name).is_some() && alone.upstream("quay.io").is_none());
    }
}

#[test]
fn a_proxy_that_cannot_be_one_is_refused_with_its_place() {
    for (text, wanted) in [
        (
            "remoteurl: registry-1.docker.io",
            "c.yml:3:14: `proxy.remoteurl`: an endpoint begins with https://",
        ),
        (
            "remoteurl: https://ada:hunter2@a.example",
            "`proxy.remoteurl`: an endpoint has no user and password",
        ),
        ("remoteurl: [https://a.example]", "`proxy.remoteurl`: one value is expected, not several"),
        (
            "remoteurl: https://a.example\n  username: {}\n  password: {a: b}",
            "c.yml:5:13: `proxy.password`: one value",
        ),
        ("remoteurl: http://[::1]:5000", "c.yml:3:14: `[::1]:5000` cannot be an upstream's name"),
        (
            "remoteurl: https://a.example\n  exec: {command: helper}",
            "c.yml:4:3: registry:2's `proxy.exec` is not supported yet",
        ),
    ] {
        let error = World::new().file("c.yml", &format!("version: 0.1\nproxy:\n  {text}\n")).error();
        assert!(error.contains(wanted), "{text}\n  said {error}\n  not  {wanted}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    let removed = World::new()
        .variable("REGISTRY_PROXY_REMOTEURL", "https://registry-1.docker.io")
        .variable("HYTHE_UPSTREAM_REMOVE", "docker.io");
    assert_eq!(
        removed.error(),
        "REGISTRY_PROXY_REMOTEURL: there is no upstream `docker.io`: `upstream.remove` names it"
    );
}

#[test]
fn how_long_a_proxy_keeps_content_is_not_its_files_to_say() {
    let ttl = |ttl: &str| {
        World::new()
            .variable("REGISTRY_PROXY_REMOTEURL", "https://registry-1.docker.io")
            .variable("REGISTRY_PROXY_TTL", ttl)
            .warnings()
    };
    assert!(ttl("168h").starts_with("REGISTRY_PROXY_TTL: registry:2's `proxy.ttl` has no effect here: what was fetched is kept as long as there is space"));
    assert_eq!(ttl("0"), "");
}

#[test]
fn without_a_file_the_variables_do_not_bring_registry_2s_defaults() {
    let world = World::new().variable("REGISTRY_LOG_LEVEL", "warn");
    assert_eq!(world.value("delete.enabled"), "true");
    assert_eq!(world.source("data"), "default");
}

#[test]
fn every_key_that_has_a_meaning_here_is_taken() {
    let world = World::new().file(
        "config.yml",
        "\
version: 0.1
loglevel: warn
log: {level: Debug, formatter: logstash, accesslog: {disabled: yes}}
storage:
  inmemory:
  delete: {enabled: true}
  redirect: {disable: true}
  maintenance: {uploadpurging: {enabled: true, age: 48h}, readonly: {enabled: No}}
http:
  addr: localhost:5000
  net: tcp
  host: https://Registry.example:8443/
  draintimeout: 1m30s
  tls: {certificate: \"\"}
  headers:
    Access-Control-Allow-Origin: [\"https://ui.example/\", 'http://localhost:8080']
  http2: {disabled: true}
catalog: {maxentries: 50}
tags: {maxtags: -1}
auth: {}
",
    );
    for (key, value) in [
        ("log.level", r#""debug""#),
        ("log.format", r#""json""#),
        ("log.requests", "false"),
        ("storage", r#""memory""#),
        ("delete.enabled", "true"),
        ("upload.expire", r#""2d""#),
        ("listen", r#"["127.0.0.1:5000"]"#),
        ("http.hosts", r#"["registry.example"]"#),
        ("http.drain-timeout", r#""90s""#),
        ("http.cors-origins", r#"["https://ui.example","http://localhost:8080"]"#),
        ("catalog.max-page", "50"),
        ("tags.max-page", "10000"),
        ("http.allow-anonymous-network", "false"),
    ] {
        assert_eq!(world.value(key), value, "{key}");
    }
    assert_eq!(world.warnings(), "");
}

#[test]
fn what_would_make_the_registry_less_safe_or_another_one_stops_the_start() {
    for (text, wanted) in [
        (
            "auth:\n  htpasswd:\n    realm: r\n    path: /p",
            "c.yml:2:1: registry:2's `auth` is not supported yet",
        ),
        ("auth: {htpasswd: }", "`auth`"),
        ("auth: silly", "`auth`"),
        ("AUTH: {token: {realm: x}}", "`auth`"),
        ("http: {tls: {certificate: /c, key: /k}}", "`http.tls` is not supported yet"),
        ("http: {tls: {letsencrypt: {hosts: [a]}}}", "`http.tls`"),
        ("http: {net: unix}", "`http.net`"),
        ("http: {prefix: /registry/}", "`http.prefix`"),
        ("storage: {s3: {bucket: b}}", "`storage.s3` is not supported yet"),
        ("storage: {azure: }", "`storage.azure`"),
        ("storage: gcs", "`storage.gcs`"),
        ("storage: {maintenance: {readonly: {enabled: true}}}", "`storage.maintenance.readonly.enabled`"),
        ("storage: {filesystem: {}, inmemory: {}}", "both `filesystem` and `inmemory`"),
        ("storage: {filesystem: {}, rados: {}}", "both `filesystem` and `rados`"),
        ("storage: {cos: {bucket: b}}", "`storage.cos` is not supported yet"),
        ("storage: {filesytem: }", "`storage.filesytem` is not supported yet"),
        ("auth: {none: , htpasswd: {path: /p}}", "`auth`"),
    ] {
        let error = World::new().file("c.yml", &format!("version: 0.1\n{text}\n")).error();
        assert!(error.contains(wanted), "{text}\n  said {error}");
    }
    for (name, value, wanted) in [
        ("REGISTRY_AUTH", "htpasswd", "REGISTRY_AUTH: registry:2's `auth`"),
        ("REGISTRY_AUTH_HTPASSWD_PATH", "/auth/htpasswd", "`auth`"),
        ("REGISTRY_HTTP_TLS_CERTIFICATE", "/certs/domain.crt", "`http.tls`"),
        ("REGISTRY_STORAGE_S3_BUCKET", "b", "`storage.s3`"),
        (
            "REGISTRY_STORAGE_MAINTENANCE_READONLY",
            "{\"enabled\":true}",
            "`storage.maintenance.readonly.enabled`",
        ),
    ] {
        let error = World::new().variable(name, value).error();
        assert!(error.contains(wanted), "{name}={value}\n  said {error}");
    }
}

#[test]
fn the_docs_example_of_distribution_3_without_what_needs_more_than_one_machine_is_understood() {
    let world = World::new().file(
        "config.yml",
        "\
version: 0.1
log:
  accesslog: {disabled: true}
  level: debug
  formatter: text
  fields: {service: registry, environment: staging}
storage:
  filesystem: {rootdirectory: /var/lib/registry, maxthreads: 100}
  delete: {enabled: false}
  redirect: {disable: false}
  cache: {blobdescriptor: redis, blobdescriptorsize: 10000}
  maintenance:
    uploadpurging: {enabled: true, age: 1.5h, interval: 24h, dryrun: false}
    readonly: {enabled: false}
  tag: {concurrencylimit: 5}
auth: {none: }
http:
  addr: LOCALHOST:5000
  net: tcp
  prefix: /
  host: https://myregistryaddress.org:5000
  secret: asecretforlocaldevelopment
  relativeurls: false
  draintimeout: 60s
  debug: {addr: 'localhost:5001', prometheus: {enabled: true, path: /metrics}}
  headers: {X-Content-Type-Options: [nosniff]}
  http2: {disabled: false}
  h2c: {enabled: false}
notifications: {events: {includereferences: true}, endpoints: []}
redis:
  addrs: ['localhost:6379']
  pool: {maxidleconns: 16}
health:
  storagedriver: {enabled: true, interval: 10s, threshold: 3}
  file: [{file: /path/to/checked/file, interval: 10s}]
validation: {manifests: {indexes: {platforms: List}}}
catalog: {maxentries: 1000}
",
    );
    assert_eq!(world.value("listen"), r#"["127.0.0.1:5000"]"#);
    assert_eq!(world.value("upload.expire"), r#""90m""#);
    assert_eq!(world.value("http.drain-timeout"), r#""1m""#);
    let warnings = world.warnings();
    for quiet in ["auth", "x-content-type-options", "http.addr", "is not known here"] {
        assert!(!warnings.contains(quiet), "{quiet} is in {warnings}");
    }
}

/// distribution 3 names the choice that `registry:2` leaves out.
#[test]
fn an_authentication_of_none_is_none() {
    for text in ["auth: {none: }", "auth: {none: {}}", "auth: none", "auth: ", "auth: {}"] {
        let world =
            World::new().file("c.yml", &format!("version: 0.1\nhttp: {{addr: 'localhost:5000'}}\n{text}\n"));
        assert_eq!(world.warnings(), "", "{text}");
    }
    assert_eq!(World::new().variable("REGISTRY_AUTH", "none").warnings(), "");
}

/// `registry:2` deletes only where this is a YAML boolean. A text is none, though people write it.
#[test]
fn deletes_stay_refused_where_registry_2_refuses_them() {
    let file = |value: &str| {
        let text = format!(
            "version: 0.1\nhttp: {{addr: 'localhost:5000'}}\nstorage: {{delete: {{enabled: {value}}}}}\n"
        );
        World::new().file("c.yml", &text)
    };
    for value in ["true", "yes", "True", "ON"] {
        assert_eq!(
            (file(value).value("delete.enabled").as_str(), file(value).warnings().as_str()),
            ("true", "")
        );
    }
    for value in ["\"true\"", "'true'", "1", "maybe"] {
        assert_eq!(file(value).value("delete.enabled"), "false", "{value}");
        let warnings = file(value).warnings();
        let wanted = "c.yml:3:20: registry:2's `storage.delete.enabled` has no effect here: it is neither true nor false";
        assert!(warnings.starts_with(wanted), "{value}: {warnings}");
    }
    // A variable has no quotes of its own.
    let variable = World::new().variable("REGISTRY_STORAGE_DELETE_ENABLED", "true");
    assert_eq!(variable.value("delete.enabled"), "true");
    let quoted = World::new().file("c.yml", "version: 0.1\nhttp: {addr: ':5000'}\n");
    let quoted = quoted.variable("REGISTRY_STORAGE_DELETE_ENABLED", "\"true\"");
    assert_eq!(quoted.value("delete.enabled"), "false");
}

/// `registry:2` has no upstreams but its proxy's, and takes pushes under every name.
#[test]
fn no_path_names_an_upstream_but_that_of_the_proxy() {
    let meant = |world: &World, namespace: Option<&str>, name: &str| {
        let allowed = hythe::config::allowed(&world.load().unwrap().settings);
        match allowed.resolve(namespace, &name.parse().unwrap()) {
            hythe_upstream::Resolved::Upstream(upstream, there) => format!("{} {there}", upstream.name),
            hythe_upstream::Resolved::Local(name) => name.to_string(),
            hythe_upstream::Resolved::NotAllowed => "no".to_owned(),
        }
    };
    let plain = "version: 0.1\nhttp: {addr: 'localhost:5000'}\n";
    for world in [
        World::new().in_place(),
        World::new().file("c.yml", plain),
        World::new().file("c.yml", plain).in_place(),
    ] {
        assert_eq!(meant(&world, None, "registry.k8s.io/pause"), "registry.k8s.io/pause");
        assert_eq!(meant(&world, Some("registry.k8s.io"), "pause"), "registry.k8s.io pause");
        assert!(world.source("upstream.by-path").starts_with("registry:2's default"));
        let changed = world.variable("HYTHE_UPSTREAM_BY_PATH", "true");
        assert_eq!(meant(&changed, None, "registry.k8s.io/pause"), "registry.k8s.io pause");
    }
    let proxy = format!("{plain}proxy: {{remoteurl: 'https://registry-1.docker.io'}}\n");
    let proxy = World::new().file("c.yml", &proxy).in_place();
    assert_eq!(meant(&proxy, None, "docker.io/library/redis"), "docker.io library/redis");
    assert_eq!(meant(&proxy, None, "registry.k8s.io/pause"), "registry.k8s.io/pause");
    assert_eq!(meant(&World::new(), None, "registry.k8s.io/pause"), "registry.k8s.io pause");
}

#[test]
fn a_file_that_nobody_named_is_named_with_the_way_to_name_another() {
    let debians = "version: 0.1\nstorage: {filesystem: {rootdirectory: /var/lib/docker-registry}}\nhttp: {addr: ':5000'}\nauth:\n  htpasswd: {realm: basic-realm, path: /etc/docker/registry}\n";
    let found =
        World::new().unnamed_file("etc/docker/registry/config.yml", debians).system_folder("etc").in_place();
    let error = found.error();
    assert!(
        error.contains("etc/docker/registry/config.yml:4:1: registry:2's `auth` is not supported yet"),
        "{error}"
    );
    let wanted = "etc/docker/registry/config.yml: no configuration was named, so this file was read";
    assert!(error.contains(wanted) && error.contains("`registry serve CONFIG`"), "{error}");
    assert!(error.contains("REGISTRY_CONFIGURATION_PATH"), "{error}");
    let named = World::new().file("c.yml", debians).in_place().error();
    assert!(!named.contains("no configuration was named"), "{named}");
}

#[test]
fn a_variable_deeper_than_any_setting_is_named_and_not_walked() {
    let warnings = World::new().variable(&format!("REGISTRY{}", "_A".repeat(50_000)), "x").warnings();
    assert!(warnings.ends_with("no setting of registry:2 is so deep; it has no effect"));
}

#[test]
fn a_clients_own_variable_is_not_the_servers() {
    assert_eq!(
        World::new().variable("REGISTRY_AUTH_FILE", "/run/user/1000/containers/auth.json").warnings(),
        ""
    );
}

#[test]
fn errors_in_the_file_have_line_and_column() {
    for (text, wanted) in [
        (
            "version: 0.1\nhttp:\n  addr: nowhere\n",
            "c.yml:3:9: `http.addr` cannot be \"nowhere\": write ADDRESS:PORT",
        ),
        ("version: 0.1\nlog:\n  level: loud\n", "c.yml:3:10: `log.level` cannot be \"loud\": allowed"),
        (
            "version: 0.1\nhttp:\n  addr: registry.invalid:5000\n",
            "c.yml:3:9: `http.addr`: the host of `registry.invalid:5000` cannot be resolved",
        ),
        ("version: 0.1\ncatalog:\n  maxentries: many\n", "c.yml:3:15: `catalog.maxentries` cannot be"),
        ("version: 0.1\nhttp:\n  draintimeout: soon\n", "c.yml:3:17: `http.draintimeout`: `soon` is not a"),
        ("version: 0.1\nhttp: x\n", "c.yml:2:1: `http` is a section"),
        ("version: 0.2\n", "c.yml:1:1: `version` must be 0.1"),
        ("version: 0.1\nhttp: {addr: [a, b]}\n", "`http.addr`: one value is expected"),
        ("version: 0.1\nlog: {accesslog: {disabled: maybe}}\n", "`maybe` is neither true nor false"),
        ("http:\n  addr: :5000\n", "it has no `version: 0.1`"),
        ("version: 0.1\nhttp: {\n", "this is not YAML"),
        ("version: 0.1\nhttp: {}\nhttp: {}\n", "c.yml:3:1: `http` is there twice"),
        ("", "it is not a mapping that begins with `version: 0.1`"),
        ("- version: 0.1", "it is not a mapping"),
    ] {
        let error = World::new().file("c.yml", text).error();
        assert!(error.contains(wanted), "{text}\n  said {error}\n  not  {wanted}");
    }
}

#[test]
fn an_unknown_key_is_named_with_the_nearest_one() {
    let world = World::new()
        .file("c.yml", "version: 0.1\nhttp:\n  adr: :5000\n")
        .variable("REGISTRY_URL", "https://x");
    assert_eq!(
        world.warnings(),
        "c.yml:3:3: registry:2's `http.adr` is not known here and has no effect; did you mean `http.addr`?\n\
         REGISTRY_URL: registry:2's `url` is not known here and has no effect"
    );
}

#[test]
fn variables_replace_what_the_file_says_as_registry_2_has_it() {
    let file = || World::new().file("c.yml", &stock("/var/lib/registry"));
    assert_eq!(
        file().variable("REGISTRY_HTTP_ADDR", "127.0.0.1:6000").value("listen"),
        r#"["127.0.0.1:6000"]"#
    );
    assert_eq!(file().variable("REGISTRY_STORAGE", "inmemory").value("storage"), r#""memory""#);
    let origins = file().variable("REGISTRY_HTTP_HEADERS_Access-Control-Allow-Origin", "['*']");
    assert_eq!(origins.value("http.cors-origins"), r#"["*"]"#);
    let hosts = World::new().variable("REGISTRY_STORAGE", "filesystem");
    assert_eq!(hosts.value("data"), r#""/var/lib/registry""#);
    // `REGISTRY_STORAGE` replaces the section, and what is below it comes after.
    let both =
        file().variable("REGISTRY_STORAGE", "inmemory").variable("REGISTRY_STORAGE_DELETE_ENABLED", "true");
    assert_eq!(
        (both.value("storage").as_str(), both.value("delete.enabled").as_str()),
        (r#""memory""#, "true")
    );
}

#[test]
fn an_open_address_of_another_layer_is_not_allowed_by_a_registry_2_file() {
    let world = || World::new().file("c.yml", &stock("/d")).flag("listen", &["0.0.0.0:9000"]);
    assert!(world().error().starts_with("--listen: 0.0.0.0:9000 is open to the network"));
    let refused =
        World::new().file("c.yml", &stock("/d")).variable("HYTHE_HTTP_ALLOW_ANONYMOUS_NETWORK", "false");
    assert!(refused.error().contains("open to the network"));
}

#[test]
fn in_its_place_its_defaults_hold_whatever_its_file_is_called() {
    let world = World::new().in_place().file("configuration", "version: 0.1\nlog:\n  level: debug\n");
    assert_eq!(
        (world.value("listen"), world.value("data")),
        (r#"[":5000"]"#.into(), r#""/var/lib/registry""#.into())
    );
    assert_eq!(
        (world.value("delete.enabled"), world.value("log.level")),
        ("false".into(), r#""debug""#.into())
    );
    // Who calls it by that name asks for it.
    assert_eq!(world.value("http.allow-anonymous-network"), "true");
    assert!(world.warnings().contains(":5000 is open to the network, as registry:2 has it"));
    let world =
        world.variable("HYTHE_LISTEN", "127.0.0.1:5000").variable("REGISTRY_STORAGE_DELETE_ENABLED", "true");
    assert_eq!(world.value("http.allow-anonymous-network"), "false");
    assert_eq!(world.value("delete.enabled"), "true");
}

#[test]
fn in_its_place_the_file_is_named_as_it_was_and_what_is_not_there_is_an_error() {
    let text = "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: /srv/registry\n";
    let world = World::new().in_place().unnamed_file("named.yml", text);
    let world = world.variable("REGISTRY_CONFIGURATION_PATH", "{folder}/named.yml");
    assert_eq!(world.value("data"), r#""/srv/registry""#);
    assert!(!world.warnings().contains("REGISTRY_CONFIGURATION_PATH"));
    let world = World::new().in_place().variable("REGISTRY_CONFIGURATION_PATH", "/nowhere.yml");
    assert!(world.error().contains("cannot be read"), "{}", world.error());
}
