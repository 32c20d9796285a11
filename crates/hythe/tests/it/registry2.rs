//! Real `registry:2` configurations and their variables.

use hythe_client::Credentials;
use hythe_upstream::Share;

use crate::world::World;

/// The configuration of the `registry:2` images and of Debian's package, with a different data folder.
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
        ":5000 is open to the network, as in registry:2",
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
fn kinds_registry_with_deletes_enabled_by_a_variable_is_understood() {
    // kind's script starts the image without variables. Its users add the one that enables deletes.
    let world = World::new()
        .file("config.yml", &stock("/var/lib/registry"))
        .variable("REGISTRY_STORAGE_DELETE_ENABLED", "true");
    assert_eq!(world.value("delete.enabled"), "true");
    assert_eq!(world.source("delete.enabled"), "REGISTRY_STORAGE_DELETE_ENABLED");
}

#[test]
fn k3ds_registry_is_understood_and_its_proxy_becomes_the_fallback() {
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
fn content_of_a_proxys_login_is_shared_with_all_clients_as_in_registry_2_unless_another_layer_sets_share() {
    let file = "version: 0.1\nhttp: {addr: \"localhost:5000\"}\nproxy:\n  remoteurl: https://a.example\n  username: ada\n  password: hunter2\n";
    let world = || World::new().file("c.yml", file);
    assert_eq!(world().upstream("a.example").unwrap().share, Share::All);
    assert_eq!(
        world().warnings(),
        "c.yml:5:13: anyone who can reach this registry can pull all content that `a.example` gives to this login, as in registry:2. Set HYTHE_UPSTREAM_SHARE=loopback to share it with this machine only"
    );
    assert_eq!(
        world().upstream("ghcr.io").unwrap().share,
        Share::Loopback,
        "the file shares only the content of its own upstream"
    );
    let kept = world().variable("HYTHE_UPSTREAM_SHARE", "loopback");
    assert_eq!(
        (kept.upstream("a.example").unwrap().share, kept.warnings()),
        (Share::Loopback, String::new())
    );
}

#[test]
fn half_a_login_or_a_login_without_an_upstream_has_no_effect_and_a_warning() {
    let half = World::new()
        .variable("REGISTRY_PROXY_REMOTEURL", "https://registry-1.docker.io")
        .variable("REGISTRY_PROXY_USERNAME", "")
        .variable("REGISTRY_PROXY_PASSWORD", "hunter2");
    assert_eq!(
        half.warnings(),
        "REGISTRY_PROXY_PASSWORD: registry:2's `proxy.password` has no effect here: `proxy.username` is not set, so hythe pulls from the upstream anonymously"
    );
    assert_eq!(half.upstream("docker.io").unwrap().credentials, Credentials::Anonymous);
    let alone = World::new().variable("REGISTRY_PROXY_USERNAME", "ada");
    assert_eq!(
        alone.warnings(),
        "REGISTRY_PROXY_USERNAME: registry:2's `proxy.username` has no effect here: `proxy.remoteurl` is not set, so no upstream needs it"
    );
    assert_eq!(alone.value("upstream.fallback"), r#""""#);
}

#[test]
fn a_proxy_s_url_names_its_upstream() {
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
        // The file names the upstream, so hythe may contact it even if the known public registries are turned off.
        let alone = world.variable("HYTHE_UPSTREAM_ENABLED", "false");
        assert!(alone.upstream(name).is_some() && alone.upstream("quay.io").is_none());
    }
}

#[test]
fn an_invalid_proxy_is_refused_with_its_place() {
    for (text, wanted) in [
        (
            "remoteurl: registry-1.docker.io",
            "c.yml:3:14: `proxy.remoteurl`: an endpoint must begin with https://",
        ),
        (
            "remoteurl: https://ada:hunter2@a.example",
            "`proxy.remoteurl`: an endpoint must not contain user and password",
        ),
        ("remoteurl: [https://a.example]", "`proxy.remoteurl`: write one value, not several"),
        (
            "remoteurl: https://a.example\n  username: {}\n  password: {a: b}",
            "c.yml:5:13: `proxy.password`: write one value",
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
fn a_proxys_ttl_has_no_effect() {
    let ttl = |ttl: &str| {
        World::new()
            .variable("REGISTRY_PROXY_REMOTEURL", "https://registry-1.docker.io")
            .variable("REGISTRY_PROXY_TTL", ttl)
            .warnings()
    };
    assert!(ttl("168h").starts_with("REGISTRY_PROXY_TTL: registry:2's `proxy.ttl` has no effect here: hythe keeps fetched content while there is space"));
    assert_eq!(ttl("0"), "");
}

#[test]
fn without_a_file_the_variables_do_not_bring_registry_2s_defaults() {
    let world = World::new().variable("REGISTRY_LOG_LEVEL", "warn");
    assert_eq!(world.value("delete.enabled"), "true");
    assert_eq!(world.source("data"), "default");
}

#[test]
fn every_key_with_a_meaning_in_hythe_is_applied() {
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
  http2: {disabled: false}
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
fn a_key_that_hythe_cannot_ignore_safely_stops_the_start() {
    for (text, wanted) in [
        ("auth:\n  htpasswd:\n    realm: r", "c.yml:4:5: `auth.htpasswd` has no `path`"),
        ("auth: {htpasswd: }", "`auth.htpasswd` has no `path`"),
        ("auth: silly", "`auth.silly` is not supported yet"),
        ("AUTH: {token: {realm: x}}", "`auth.token` is not supported yet"),
        ("http: {tls: {letsencrypt: {hosts: [a]}}}", "`http.tls.letsencrypt` is not supported yet"),
        ("http: {tls: {certificate: /c}}", "the certificate needs its private key: set `tls.key`"),
        ("http: {tls: {clientcas: [/ca]}}", "set `tls.certificate` and `tls.key`"),
        ("http: {tls: {certificate: /c, key: /k, minimumtls: ssl3}}", "`http.tls.minimumtls`: `ssl3`"),
        (
            "http: {tls: {certificate: /c, key: /k, clientcas: [/ca], clientauth: request-client-cert}}",
            "`http.tls.clientauth`: hythe does not support `request-client-cert`",
        ),
        ("http: {net: unix}", "`http.net`"),
        ("http: {prefix: /registry/}", "`http.prefix`"),
        ("storage: {s3: {bucket: b}}", "`storage.s3` is not supported yet"),
        ("storage: {azure: }", "`storage.azure`"),
        ("storage: gcs", "`storage.gcs`"),
        ("storage: {maintenance: {readonly: {enabled: true}}}", "`storage.maintenance.readonly.enabled`"),
        ("storage: {filesystem: {}, inmemory: {}}", "two drivers, `filesystem` and `inmemory`"),
        ("storage: {filesystem: {}, rados: {}}", "two drivers, `filesystem` and `rados`"),
        ("storage: {cos: {bucket: b}}", "`storage.cos` is not supported yet"),
        ("storage: {filesytem: }", "`storage.filesytem` is not supported yet"),
    ] {
        let error = World::new().file("c.yml", &format!("version: 0.1\n{text}\n")).error();
        assert!(error.contains(wanted), "{text}\n  said {error}");
    }
    for (name, value, wanted) in [
        ("REGISTRY_AUTH", "htpasswd", "REGISTRY_AUTH: `auth.htpasswd` has no `path`"),
        ("REGISTRY_AUTH_HTPASSWD_REALM", "r", "`auth.htpasswd` has no `path`"),
        ("REGISTRY_HTTP_TLS_CERTIFICATE", "/certs/domain.crt", "`tls.key`"),
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
fn the_example_in_distribution_3s_docs_without_keys_for_several_machines_is_understood() {
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
    for quiet in ["auth", "x-content-type-options", "http.addr", "hythe does not know"] {
        assert!(!warnings.contains(quiet), "{quiet} is in {warnings}");
    }
}

#[test]
fn tls_is_read_from_the_file_and_from_variables() {
    let text = "\
version: 0.1
http:
  addr: localhost:5000
  tls: {certificate: /c.pem, key: /k.pem, clientcas: [/a.pem, /b.pem], clientauth: verify-client-cert-if-given, minimumtls: tls1.3}
";
    let world = World::new().file("c.yml", text);
    for (key, value) in [
        ("tls.certificate", r#""/c.pem""#),
        ("tls.key", r#""/k.pem""#),
        ("tls.client-ca", r#"["/a.pem","/b.pem"]"#),
        ("tls.client-auth", r#""request""#),
        ("tls.min-version", r#""1.3""#),
    ] {
        assert_eq!(world.value(key), value, "{key}");
    }
    assert_eq!(world.warnings(), "");
    let variables = World::new()
        .variable("REGISTRY_HTTP_TLS_CERTIFICATE", "/c.pem")
        .variable("REGISTRY_HTTP_TLS_KEY", "/k.pem")
        .variable("REGISTRY_HTTP_TLS_CLIENTCAS", "[/a.pem]")
        .variable("REGISTRY_HTTP_TLS_MINIMUMTLS", "tls1.0");
    assert_eq!(variables.value("tls.certificate"), r#""/c.pem""#);
    assert_eq!(variables.value("tls.client-ca"), r#"["/a.pem"]"#);
    assert_eq!(variables.value("tls.client-auth"), r#""require""#);
    assert_eq!(variables.value("tls.min-version"), r#""1.2""#);
}

/// distribution 3 writes `none`, where `registry:2` leaves `auth` out.
#[test]
fn auth_none_means_no_authentication() {
    for text in ["auth: {none: }", "auth: {none: {}}", "auth: none", "auth: ", "auth: {}"] {
        let world =
            World::new().file("c.yml", &format!("version: 0.1\nhttp: {{addr: 'localhost:5000'}}\n{text}\n"));
        assert_eq!(world.warnings(), "", "{text}");
    }
    assert_eq!(World::new().variable("REGISTRY_AUTH", "none").warnings(), "");
}

#[test]
fn the_password_file_of_registry_2_is_used() {
    let text = "version: 0.1\nhttp: {addr: ':5000'}\nauth: {htpasswd: {realm: r, path: /auth/htpasswd}}\n";
    let by_variables = World::new()
        .variable("REGISTRY_AUTH", "htpasswd")
        .variable("REGISTRY_AUTH_HTPASSWD_REALM", "Registry Realm")
        .variable("REGISTRY_AUTH_HTPASSWD_PATH", "/auth/htpasswd")
        .variable("REGISTRY_HTTP_ADDR", ":5000");
    for world in [World::new().file("c.yml", text), by_variables] {
        assert_eq!(world.value("auth.htpasswd"), r#""/auth/htpasswd""#);
        // Clients must log in, so the network needs no flag.
        assert_eq!(world.value("http.allow-anonymous-network"), "false");
        assert_eq!(world.warnings(), "");
    }
}

/// `registry:2` enables deletes only for a YAML boolean. A text in quotes is not a boolean, although people write it.
#[test]
fn deletes_are_refused_for_the_values_for_which_registry_2_refuses_them() {
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
        let wanted = "c.yml:3:20: registry:2's `storage.delete.enabled` has no effect here: the value is neither true nor false";
        assert!(warnings.starts_with(wanted), "{value}: {warnings}");
    }
    // The quotes in a variable's value are quotes in YAML.
    let variable = World::new().variable("REGISTRY_STORAGE_DELETE_ENABLED", "true");
    assert_eq!(variable.value("delete.enabled"), "true");
    let quoted = World::new().file("c.yml", "version: 0.1\nhttp: {addr: ':5000'}\n");
    let quoted = quoted.variable("REGISTRY_STORAGE_DELETE_ENABLED", "\"true\"");
    assert_eq!(quoted.value("delete.enabled"), "false");
}

/// The only upstream of `registry:2` is its proxy's, and it accepts pushes under every name.
#[test]
fn a_path_names_no_upstream_but_the_proxys() {
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
fn an_error_in_a_default_file_says_how_to_name_another_file() {
    let debians = "version: 0.1\nstorage: {filesystem: {rootdirectory: /var/lib/docker-registry}}\nhttp: {addr: ':5000'}\nauth:\n  token: {realm: 'https://auth.example/token'}\n";
    let found =
        World::new().unnamed_file("etc/docker/registry/config.yml", debians).system_folder("etc").in_place();
    let error = found.error();
    assert!(
        error.contains("etc/docker/registry/config.yml:5:3: registry:2's `auth.token` is not supported yet"),
        "{error}"
    );
    let wanted = "etc/docker/registry/config.yml: no configuration was named, so hythe read this file";
    assert!(error.contains(wanted) && error.contains("`registry serve CONFIG`"), "{error}");
    assert!(error.contains("REGISTRY_CONFIGURATION_PATH"), "{error}");
    let named = World::new().file("c.yml", debians).in_place().error();
    assert!(!named.contains("no configuration was named"), "{named}");
}

#[test]
fn a_variable_with_too_many_levels_gives_a_warning_and_no_deep_recursion() {
    let warnings = World::new().variable(&format!("REGISTRY{}", "_A".repeat(50_000)), "x").warnings();
    assert!(warnings.ends_with("no registry:2 setting has so many levels; it has no effect"));
}

#[test]
fn a_variable_of_clients_is_not_a_setting_of_the_server() {
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
            "c.yml:3:9: `http.addr`: cannot resolve the host of `registry.invalid:5000`",
        ),
        ("version: 0.1\ncatalog:\n  maxentries: many\n", "c.yml:3:15: `catalog.maxentries` cannot be"),
        ("version: 0.1\nhttp:\n  draintimeout: soon\n", "c.yml:3:17: `http.draintimeout`: `soon` is not a"),
        ("version: 0.1\nhttp: x\n", "c.yml:2:1: `http` is a section"),
        ("version: 0.2\n", "c.yml:1:1: `version` must be 0.1"),
        ("version: 0.1\nhttp: {addr: [a, b]}\n", "`http.addr`: write one value"),
        ("version: 0.1\nlog: {accesslog: {disabled: maybe}}\n", "`maybe` is neither true nor false"),
        ("http:\n  addr: :5000\n", "it has no `version: 0.1`"),
        ("version: 0.1\nhttp: {\n", "this is not YAML"),
        ("version: 0.1\nhttp: {}\nhttp: {}\n", "c.yml:3:1: `http` appears twice"),
        ("", "it is not a mapping that begins with `version: 0.1`"),
        ("- version: 0.1", "it is not a mapping"),
    ] {
        let error = World::new().file("c.yml", text).error();
        assert!(error.contains(wanted), "{text}\n  said {error}\n  not  {wanted}");
    }
}

#[test]
fn a_warning_about_an_unknown_key_suggests_the_nearest_one() {
    let world = World::new()
        .file("c.yml", "version: 0.1\nhttp:\n  adr: :5000\n")
        .variable("REGISTRY_URL", "https://x");
    assert_eq!(
        world.warnings(),
        "c.yml:3:3: hythe does not know registry:2's `http.adr`; it has no effect; did you mean `http.addr`?\n\
         REGISTRY_URL: hythe does not know registry:2's `url`; it has no effect"
    );
}

#[test]
fn variables_override_the_file_as_in_registry_2() {
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
    // `REGISTRY_STORAGE` replaces the section; variables of keys below it apply afterwards.
    let both =
        file().variable("REGISTRY_STORAGE", "inmemory").variable("REGISTRY_STORAGE_DELETE_ENABLED", "true");
    assert_eq!(
        (both.value("storage").as_str(), both.value("delete.enabled").as_str()),
        (r#""memory""#, "true")
    );
}

#[test]
fn a_registry_2_file_does_not_allow_an_open_address_of_another_layer() {
    let world = || World::new().file("c.yml", &stock("/d")).flag("listen", &["0.0.0.0:9000"]);
    assert!(world().error().starts_with("--listen: 0.0.0.0:9000 is open to the network"));
    let refused =
        World::new().file("c.yml", &stock("/d")).variable("HYTHE_HTTP_ALLOW_ANONYMOUS_NETWORK", "false");
    assert!(refused.error().contains("open to the network"));
}

#[test]
fn called_as_registry_the_defaults_of_registry_2_apply_to_a_file_of_any_name() {
    let world = World::new().in_place().file("configuration", "version: 0.1\nlog:\n  level: debug\n");
    assert_eq!(
        (world.value("listen"), world.value("data")),
        (r#"[":5000"]"#.into(), r#""/var/lib/registry""#.into())
    );
    assert_eq!(
        (world.value("delete.enabled"), world.value("log.level")),
        ("false".into(), r#""debug""#.into())
    );
    // Calling the program as `registry` allows the open address.
    assert_eq!(world.value("http.allow-anonymous-network"), "true");
    assert!(world.warnings().contains(":5000 is open to the network, as in registry:2"));
    let world =
        world.variable("HYTHE_LISTEN", "127.0.0.1:5000").variable("REGISTRY_STORAGE_DELETE_ENABLED", "true");
    assert_eq!(world.value("http.allow-anonymous-network"), "false");
    assert_eq!(world.value("delete.enabled"), "true");
}

#[test]
fn called_as_registry_the_variable_of_registry_2_names_the_file_and_a_missing_file_is_an_error() {
    let text = "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: /srv/registry\n";
    let world = World::new().in_place().unnamed_file("named.yml", text);
    let world = world.variable("REGISTRY_CONFIGURATION_PATH", "{folder}/named.yml");
    assert_eq!(world.value("data"), r#""/srv/registry""#);
    assert!(!world.warnings().contains("REGISTRY_CONFIGURATION_PATH"));
    let world = World::new().in_place().variable("REGISTRY_CONFIGURATION_PATH", "/nowhere.yml");
    assert!(world.error().contains("cannot read the configuration file"), "{}", world.error());
}
