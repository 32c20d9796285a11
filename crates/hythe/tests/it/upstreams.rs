//! The upstreams that a configuration allows, and how hythe contacts them.

use std::time::Duration;

use hythe::config::allowed;
use hythe_client::Credentials;
use hythe_upstream::{Share, Upstream};

use crate::world::World;

fn basic(username: &str, password: &str) -> Credentials {
    Credentials::Basic { username: username.to_owned(), password: password.to_owned() }
}

/// The endpoints of an upstream, or `no` for an upstream that is not allowed.
fn endpoints(world: &World, name: &str) -> String {
    world.upstream(name).map_or_else(|| "no".to_owned(), |upstream| upstream.endpoints.join(" "))
}

#[test]
fn the_public_registries_are_allowed_by_default() {
    let world = World::new();
    assert_eq!(endpoints(&world, "docker.io"), "https://registry-1.docker.io");
    assert_eq!(endpoints(&world, "ghcr.io"), "https://ghcr.io");
    assert_eq!(endpoints(&world, "registry.corp.example"), "no");
    assert_eq!(world.upstream("docker.io").unwrap().ttl, Duration::from_mins(1));
}

#[test]
fn with_the_public_registries_off_only_the_configured_upstreams_are_allowed() {
    let world = World::new().file(
        "h.toml",
        "upstream.enabled = false\nupstream.add = [\"registry.corp.example\"]\n[upstream.\"quay.io\"]\n",
    );
    assert_eq!(endpoints(&world, "docker.io"), "no");
    assert_eq!(endpoints(&world, "registry.corp.example"), "https://registry.corp.example");
    assert_eq!(endpoints(&world, "quay.io"), "https://quay.io");
}

#[test]
fn an_upstream_accepts_pushes_only_if_its_table_sets_pushable() {
    let world = World::new()
        .file("h.toml", "[upstream.\"registry.k8s.io\"]\npushable = true\n[upstream.\"quay.io\"]\n");
    assert!(world.upstream("registry.k8s.io").unwrap().pushable);
    assert!(!world.upstream("quay.io").unwrap().pushable && !world.upstream("docker.io").unwrap().pushable);
}

#[test]
fn every_layer_can_add_an_upstream_in_one_line() {
    let hub = "https://mirror.gcr.io https://registry-1.docker.io";
    let line = "docker.io=https://mirror.gcr.io,https://registry-1.docker.io";
    let shown = format!("[{line:?},\"hub.local:5000=http://127.0.0.1:5005\"]");
    for world in [
        World::new().flag("upstream.add", &[line, "hub.local:5000=http://127.0.0.1:5005"]),
        World::new()
            .variable("HYTHE_UPSTREAM_ADD", &format!("{line}, hub.local:5000=http://127.0.0.1:5005/")),
        World::new().file(
            "h.toml",
            &format!("upstream.add = [\"{line}\", \"hub.local:5000=HTTP://127.0.0.1:5005\"]"),
        ),
        World::new()
            .file("h.toml", &format!("upstream.add = \"{line},hub.local:5000=http://127.0.0.1:5005\"")),
    ] {
        assert_eq!(endpoints(&world, "docker.io"), hub);
        assert_eq!(endpoints(&world, "hub.local:5000"), "http://127.0.0.1:5005");
        assert_eq!(world.value("upstream.add"), shown);
    }
    // Any of Docker Hub's names adds endpoints for all of its names.
    let world = World::new().flag("upstream.add", &["registry-1.docker.io=https://mirror.gcr.io"]);
    for name in ["docker.io", "index.docker.io", "registry-1.docker.io"] {
        assert_eq!(endpoints(&world, name), "https://mirror.gcr.io", "{name}");
    }
}

#[test]
fn a_table_sets_how_hythe_contacts_its_upstream() {
    let world = World::new().unnamed_file("password", "hunter2\n").unnamed_file("ca.pem", CERTIFICATE).file(
        "h.toml",
        "\
[upstream]
ttl = \"5m\"
[upstream.\"docker.io\"]
endpoints = [\"https://mirror.corp.example/hub/\", \"https://registry-1.docker.io\"]
aliases = [\"hub\"]
ttl = \"1h\"
username = \"ada\"
password-file = \"{folder}/password\"
ca = \"{folder}/ca.pem\"
private-hosts = [\"storage.corp.example\", \"10.0.0.7:9000\"]
[upstream.\"registry.corp.example:5000\"]
",
    );
    let expected = Upstream {
        credentials: basic("ada", "hunter2"),
        ca: vec![world.path("ca.pem")],
        private_hosts: vec!["storage.corp.example".parse().unwrap(), "10.0.0.7:9000".parse().unwrap()],
        ttl: Duration::from_hours(1),
        ..Upstream::new(
            "docker.io".parse().unwrap(),
            vec!["https://mirror.corp.example/hub".to_owned(), "https://registry-1.docker.io".to_owned()],
        )
    };
    assert_eq!(*world.upstream("hub").unwrap(), expected);
    assert_eq!(*world.upstream("index.docker.io").unwrap(), expected);
    let other = world.upstream("registry.corp.example:5000").unwrap();
    assert_eq!(
        (other.endpoints[0].as_str(), other.ttl),
        ("https://registry.corp.example:5000", Duration::from_mins(5))
    );
    assert_eq!(world.upstream("ghcr.io").unwrap().ttl, Duration::from_mins(5));
    assert_eq!(
        world.table("docker.io"),
        "\
endpoints = [\"https://mirror.corp.example/hub\",\"https://registry-1.docker.io\"] # h.toml:4
aliases = [\"hub\"] # h.toml:5
ttl = \"1h\" # h.toml:6
username = \"ada\" # h.toml:7
password-file = \"password\" # h.toml:8
ca = [\"ca.pem\"] # h.toml:9
private-hosts = [\"storage.corp.example\",\"10.0.0.7:9000\"] # h.toml:10
"
    );
}

#[test]
fn a_higher_layer_overrides_the_endpoints_and_keeps_the_other_fields() {
    let world = World::new()
        .file("h.toml", "[upstream.\"docker.io\"]\nendpoints = \"https://a.example\"\nusername = \"ada\"\npassword = \"hunter2\"\n")
        .flag("upstream.add", &["docker.io=http://127.0.0.1:5005"]);
    let upstream = world.upstream("docker.io").unwrap();
    assert_eq!(upstream.endpoints, ["http://127.0.0.1:5005"]);
    assert_eq!(upstream.credentials, basic("ada", "hunter2"));
}

#[test]
fn a_removed_upstream_is_not_allowed_even_if_another_layer_adds_it() {
    let world = World::new().variable("HYTHE_UPSTREAM_REMOVE", "index.docker.io, ghcr.io");
    for name in ["docker.io", "registry-1.docker.io", "ghcr.io"] {
        assert_eq!(endpoints(&world, name), "no", "{name}");
    }
    assert_eq!(endpoints(&world, "quay.io"), "https://quay.io");
    let world = World::new()
        .file("h.toml", "[upstream.\"docker.io\"]\naliases = [\"hub\"]\n")
        .variable("HYTHE_UPSTREAM_REMOVE", "hub");
    assert_eq!(endpoints(&world, "docker.io"), "no");
    assert_eq!(
        world.warnings(),
        "h.toml:1:11: hythe does not contact `docker.io`: `upstream.remove` names it"
    );
    // Another upstream can use the removed name.
    let world = World::new().file(
        "h.toml",
        "upstream.remove = [\"quay.io\"]\n[upstream.\"registry.corp.example\"]\naliases = [\"quay.io\"]\n",
    );
    assert_eq!(endpoints(&world, "quay.io"), "https://registry.corp.example");
}

#[test]
fn a_token_or_a_password_becomes_the_upstream_s_credentials() {
    let world = World::new().unnamed_file("token", "eyJ\n").file(
        "h.toml",
        "\
[upstream.\"registry.corp.example\"]
identity-token-file = \"{folder}/token\"
[upstream.\"docker.io\"]
username = \"ada\"
password = \"hunter2\"
",
    );
    let credentials = |name: &str| world.upstream(name).unwrap().credentials.clone();
    assert_eq!(credentials("registry.corp.example"), Credentials::IdentityToken("eyJ".to_owned()));
    assert_eq!(credentials("docker.io"), basic("ada", "hunter2"));
    assert_eq!(credentials("ghcr.io"), Credentials::Anonymous);
}

#[test]
fn an_error_about_an_upstream_has_its_place() {
    for (text, wanted) in [
        (
            "upstream.add = [\"docker.io=registry-1.docker.io\"]",
            "h.toml:1:16: `upstream.add` cannot be [\"docker.io=registry-1.docker.io\"]: `docker.io=registry-1.docker.io`: an endpoint must begin with https://",
        ),
        (
            "upstream.add = \"https://a.example\"",
            "a name must not have a scheme: write registry.example, or NAME=https://",
        ),
        (
            "upstream.add = [\"local\"]",
            "h.toml:1:16: `local` cannot be an upstream's name: it is reserved for repositories that clients push",
        ),
        (
            "upstream.add = [\"docker.io\", \"index.docker.io\"]",
            "h.toml:1:16: `index.docker.io` is added twice",
        ),
        (
            "upstream.remove = [\"dokcer.io\"]",
            "h.toml:1:19: there is no upstream `dokcer.io` to remove; did you mean `docker.io`?",
        ),
        (
            "upstream.enabled = \"no\"",
            "h.toml:1:20: `upstream.enabled` cannot be \"no\": write true or false",
        ),
        ("upstream.ttl = 60", "h.toml:1:16: `upstream.ttl` cannot be 60: write a duration with its unit"),
        (
            "upstream.ofline = true",
            "h.toml:1:10: there is no key `upstream.ofline`; did you mean `upstream.offline`?",
        ),
        ("upstream = true", "h.toml:1:1: `upstream` is a section"),
        (
            "upstream.\"docker.io\" = true",
            "h.toml:1:10: `docker.io` is an upstream: write [upstream.\"docker.io\"]",
        ),
        (
            "[upstream.docker.io]\nusername = \"ada\"",
            "h.toml:1:11: a name with dots needs quotes: write [upstream.\"docker.io\"]",
        ),
        ("[upstream.registry.corp.example]\nttl = \"1m\"", "write [upstream.\"registry.corp.example\"]"),
        (
            "[upstream.\"https://docker.io\"]",
            "h.toml:1:11: `https://docker.io` cannot be an upstream's name: a name must not have a scheme",
        ),
        (
            "[upstream.\"docker.io\"]\n[upstream.\"index.docker.io\"]",
            "h.toml:2:11: `index.docker.io` is another name of `docker.io`, which already has a table",
        ),
        (
            "[upstream.\"docker.io\"]\nendpoint = \"https://a\"",
            "h.toml:2:1: there is no key `upstream.\"docker.io\".endpoint`; did you mean `endpoints`?",
        ),
        (
            "[upstream.\"docker.io\"]\nmirrors = {}",
            "h.toml:2:1: there is no key `upstream.\"docker.io\".mirrors`",
        ),
        (
            "[upstream.\"docker.io\"]\nendpoints = []",
            "h.toml:2:13: `upstream.\"docker.io\".endpoints` cannot be []: write at least one",
        ),
        (
            "[upstream.\"docker.io\"]\nendpoints = [\"ftp://a\"]",
            "h.toml:2:13: `upstream.\"docker.io\".endpoints` cannot be [\"ftp://a\"]",
        ),
        ("[upstream.\"docker.io\"]\nttl = 1", "h.toml:2:7: `upstream.\"docker.io\".ttl` cannot be 1"),
        (
            "[upstream.\"docker.io\"]\nusername = \"a:b\"\npassword = \"x\"",
            "h.toml:2:12: `upstream.\"docker.io\".username` cannot be \"a:b\": a user name must not be empty or contain a colon",
        ),
        (
            "[upstream.\"docker.io\"]\nusername = \"ada\"",
            "h.toml:2:12: `username` also needs `password` or `password-file`",
        ),
        ("[upstream.\"docker.io\"]\npassword = \"x\"", "h.toml:2:12: `password` also needs `username`"),
        (
            "[upstream.\"docker.io\"]\npassword = 1234",
            "h.toml:2:12: `upstream.\"docker.io\".password` cannot be this: write a text, in quotes",
        ),
        (
            "[upstream.\"docker.io\"]\npassword = \"(secret)\"",
            "this is a placeholder for a hidden secret: write the secret itself",
        ),
        (
            "[upstream.\"docker.io\"]\nusername = \"ada\"\npassword-file = \"/nowhere/password\"",
            "h.toml:3:17: `upstream.\"docker.io\".password-file` cannot be \"/nowhere/password\": cannot read the file: ",
        ),
        (
            "[upstream.\"docker.io\"]\nusername = \"ada\"\npassword = \"x\"\ndocker-config = true",
            "h.toml:4:17: `docker-config` and `username` are two different logins: keep only one",
        ),
        (
            "[upstream.\"docker.io\"]\ndocker-config = \"yes\"",
            "h.toml:2:17: `upstream.\"docker.io\".docker-config` cannot be \"yes\": write true or false",
        ),
        (
            "[upstream.\"docker.io\"]\nca = [\"/nowhere/ca.pem\"]",
            "h.toml:2:6: certificate authorities cannot be read from /nowhere/ca.pem: ",
        ),
        (
            "[upstream.\"docker.io\"]\naliases = [\"ghcr.io\"]",
            "h.toml:2:11: `ghcr.io` already names upstream `ghcr.io`; an alias can name only one",
        ),
        ("[upstream.\"[::1]:5000\"]", "h.toml:1:11: `[::1]:5000` cannot be an upstream's name: "),
        (
            "[upstream]\nadd = \"a.example=https://b\"\n[upstream.\"a.example\"]\nendpoints = \"https://c\"",
            "h.toml:4:13: `upstream.add` (h.toml:2) also sets endpoints of `a.example`: keep only one of them",
        ),
        (
            "upstream.share = \"everybody\"",
            "h.toml:1:18: `upstream.share` cannot be \"everybody\": allowed: \"loopback\", \"all\"",
        ),
        (
            "[upstream.\"docker.io\"]\nshare = true",
            "h.toml:2:9: `upstream.\"docker.io\".share` cannot be true: allowed: \"loopback\", \"all\"",
        ),
        (
            "[upstream.\"docker.io\"]\nttl-by-tag = [\"*:latest=5m\", \"redis\"]",
            "h.toml:2:14: `upstream.\"docker.io\".ttl-by-tag` cannot be [\"*:latest=5m\", \"redis\"]: `redis`: write PATTERN=DURATION",
        ),
        (
            "[upstream.\"docker.io\"]\nttl-by-tag = [\":7=5m\"]",
            "h.toml:2:14: `upstream.\"docker.io\".ttl-by-tag` cannot be [\":7=5m\"]: `:7=5m`: `:7` is not a pattern",
        ),
        (
            "upstream.prefetch = 65",
            "h.toml:1:21: `upstream.prefetch` cannot be 65: write a number from 0 to 64",
        ),
        (
            "upstream.fallback = \"dokcer.io\"",
            "h.toml:1:21: there is no upstream `dokcer.io`; did you mean `docker.io`?",
        ),
    ] {
        let error = World::new().file("h.toml", text).error();
        assert!(error.contains(wanted), "{text}\n  said {error}\n  not  {wanted}");
        assert_eq!(error.lines().count(), 1, "{text}\n  said {error}");
    }
}

#[test]
fn a_mirror_needs_an_allowed_upstream_and_its_own_address() {
    let mirror = |value: &str| World::new().flag("upstream.mirror", &[value]);
    assert_eq!(
        mirror("localhost:5002=docker.io").value("upstream.mirror"),
        r#"["127.0.0.1:5002=docker.io"]"#
    );
    for (value, wanted) in [
        ("127.0.0.1:5002", "write ADDRESS:PORT=NAME"),
        ("5002=docker.io", "a port alone does not say who may connect"),
        ("127.0.0.1:5002=dokcer.io", "--mirror: there is no upstream `dokcer.io`; did you mean `docker.io`?"),
        ("127.0.0.1:5002=other.example", "--mirror: there is no upstream `other.example`"),
        ("127.0.0.1:5001=docker.io", "--mirror: 127.0.0.1:5001 is already an address of this server"),
        (":5002=docker.io", "--mirror: :5002 is open to the network, and clients need no login"),
    ] {
        let error = mirror(value).error();
        assert!(error.contains(wanted), "{value}\n  said {error}\n  not  {wanted}");
    }
    let asked = mirror("0.0.0.0:5002=docker.io").flag("http.allow-anonymous-network", &["true"]);
    assert_eq!(asked.value("upstream.mirror"), r#"["0.0.0.0:5002=docker.io"]"#);
    let removed = mirror("127.0.0.1:5002=docker.io").variable("HYTHE_UPSTREAM_REMOVE", "docker.io").error();
    assert_eq!(removed, "--mirror: there is no upstream `docker.io`: `upstream.remove` names it");
}

#[test]
fn a_registry_2_file_with_an_open_address_does_not_allow_an_open_mirror() {
    let file = || World::new().file("c.yml", "version: 0.1\nhttp:\n  addr: :5000\n");
    let error = file().flag("upstream.mirror", &["0.0.0.0:5002=docker.io"]).error();
    assert!(error.starts_with("--mirror: 0.0.0.0:5002 is open to the network"), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[test]
fn a_warning_says_that_the_network_can_use_a_login() {
    let open = |share: &str| {
        let text = format!("[upstream.\"docker.io\"]\nusername = \"ada\"\npassword = \"hunter2\"\n{share}");
        let world = World::new().file("h.toml", &text);
        assert_eq!(world.warnings(), "");
        world.flag("listen", &[":5000"]).flag("http.allow-anonymous-network", &["true"]).warnings()
    };
    assert_eq!(open("[upstream.\"a.example\"]\nshare = \"all\""), "");
    assert_eq!(
        open("share = \"all\""),
        "h.toml:2:12: anyone who can reach :5000 can pull all content that `docker.io` gives to this login: clients need no login (auth.users, auth.htpasswd)"
    );
}

#[test]
fn share_is_set_for_all_upstreams_and_for_one() {
    let share = |world: &World, name: &str| world.upstream(name).unwrap().share;
    let world = World::new();
    assert_eq!(
        (share(&world, "docker.io"), world.value("upstream.share")),
        (Share::Loopback, "\"loopback\"".to_owned())
    );
    let world = World::new().file(
        "h.toml",
        "[upstream]\nshare = \"all\"\n[upstream.\"docker.io\"]\nshare = \"loopback\"\n[upstream.\"a.example\"]\n",
    );
    for (name, expected) in
        [("docker.io", Share::Loopback), ("a.example", Share::All), ("ghcr.io", Share::All)]
    {
        assert_eq!(share(&world, name), expected, "{name}");
    }
    assert_eq!(world.table("docker.io"), "share = \"loopback\" # h.toml:4\n");
    let world = World::new().variable("HYTHE_UPSTREAM_SHARE", "all");
    assert_eq!(share(&world, "quay.io"), Share::All);
}

#[test]
fn upstream_any_allows_every_public_registry_but_the_removed_ones() {
    let find = |world: &World, name: &str| {
        let settings = world.load().unwrap().settings;
        allowed(&settings).find(&name.parse().unwrap()).map(|upstream| (upstream.unlisted, upstream.ttl))
    };
    assert_eq!(find(&World::new(), "unlisted.example"), None);
    let any = || World::new().variable("HYTHE_UPSTREAM_ANY", "true").variable("HYTHE_UPSTREAM_TTL", "5m");
    assert_eq!(find(&any(), "unlisted.example"), Some((true, Duration::from_mins(5))));
    assert_eq!(find(&any(), "ghcr.io"), Some((false, Duration::from_mins(5))));
    assert_eq!(find(&any(), "localhost"), None);
    let removed = any().file("h.toml", "upstream.remove = [\"index.docker.io\", \"hub\", \"unlisted.example\"]\n[upstream.\"a.example\"]\naliases = [\"hub\"]\n");
    for name in ["docker.io", "registry-1.docker.io", "a.example", "unlisted.example"] {
        assert_eq!(find(&removed, name), None, "{name}");
    }
    assert_eq!(find(&removed, "other.example"), Some((true, Duration::from_mins(5))));
}

#[test]
fn the_first_pattern_that_matches_a_tag_sets_its_ttl() {
    let world = World::new().file(
        "h.toml",
        "[upstream.\"docker.io\"]\nttl-by-tag = [\"library/redis:7*=1d\", \"*:latest=5m\"]\n",
    );
    let upstream = world.upstream("docker.io").unwrap();
    let ttl = |name: &str, tag: &str| upstream.ttl_of(&name.parse().unwrap(), &tag.parse().unwrap());
    assert_eq!(ttl("library/redis", "7.2"), Duration::from_hours(24));
    assert_eq!(ttl("library/redis", "latest"), Duration::from_mins(5));
    assert_eq!(ttl("library/redis", "6"), Duration::from_mins(1));
    assert_eq!(
        world.table("docker.io"),
        "ttl-by-tag = [\"library/redis:7*=1d\",\"*:latest=5m\"] # h.toml:2\n"
    );
}

#[test]
fn prefetching_is_off_by_default() {
    assert_eq!(World::new().value("upstream.prefetch"), "0");
    assert_eq!(World::new().variable("HYTHE_UPSTREAM_PREFETCH", "3").value("upstream.prefetch"), "3");
}

#[test]
fn errors_and_debug_output_show_no_secret() {
    for text in [
        "upstream.add = [\"docker.io=https://ada:hunter2@a.example\"]",
        "upstream.add = \"quay.io,ada:hunter2@a.example\"",
        "upstream.mirror = \"127.0.0.1:5002=ada:hunter2@a.example\"",
        "upstream.remove = [\"https://ada:hunter2@a.example\"]",
        "[upstream.\"docker.io\"]\nendpoints = [\"https://b\", \"https://ada:hunter2@a.example\"]",
        "[upstream.\"https://ada:hunter2@a.example\"]",
        "[upstream.\"docker.io\"]\nusername = \"ada\"\npassword = [\"hunter2\"]",
        "[upstream.\"docker.io\"]\nusername = \"ada\"\npassword = \"hunter2\"\npassword-file = \"/p\"",
    ] {
        let error = World::new().file("h.toml", text).error();
        assert!(!error.contains("hunter2"), "{text}\n  said {error}");
    }
    let world = World::new().unnamed_file("token", "hunter2").file(
        "h.toml",
        "[upstream.\"a.example\"]\nidentity-token-file = \"{folder}/token\"\n[upstream.\"docker.io\"]\nusername = \"ada\"\npassword = \"hunter2\"\n",
    );
    let loaded = world.load().unwrap();
    assert!(!format!("{loaded:?} {:?}", hythe::config::allowed(&loaded.settings)).contains("hunter2"));
    assert_eq!(
        world.table("docker.io"),
        "username = \"ada\" # h.toml:4\npassword = \"(secret)\" # h.toml:5\n"
    );
}

/// The certificate of a certificate authority that signed nothing; its key is deleted.
const CERTIFICATE: &str = include_str!("authority.pem");
