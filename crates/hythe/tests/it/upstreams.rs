//! Which upstreams a configuration allows, and how they are asked.

use std::time::Duration;

use hythe::config::allowed;
use hythe_client::Credentials;
use hythe_upstream::{Share, Upstream};

use crate::world::World;

fn basic(username: &str, password: &str) -> Credentials {
    Credentials::Basic { username: username.to_owned(), password: password.to_owned() }
}

/// The endpoints of an upstream, or that it may not be asked.
fn endpoints(world: &World, name: &str) -> String {
    world.upstream(name).map_or_else(|| "no".to_owned(), |upstream| upstream.endpoints.join(" "))
}

#[test]
fn the_public_registries_may_be_asked_without_a_word() {
    let world = World::new();
    assert_eq!(endpoints(&world, "docker.io"), "https://registry-1.docker.io");
    assert_eq!(endpoints(&world, "ghcr.io"), "https://ghcr.io");
    assert_eq!(endpoints(&world, "registry.corp.example"), "no");
    assert_eq!(world.upstream("docker.io").unwrap().ttl, Duration::from_mins(1));
}

#[test]
fn without_them_only_what_the_configuration_names_may_be_asked() {
    let world = World::new().file(
        "h.toml",
        "upstream.enabled = false\nupstream.add = [\"registry.corp.example\"]\n[upstream.\"quay.io\"]\n",
    );
    assert_eq!(endpoints(&world, "docker.io"), "no");
    assert_eq!(endpoints(&world, "registry.corp.example"), "https://registry.corp.example");
    assert_eq!(endpoints(&world, "quay.io"), "https://quay.io");
}

#[test]
fn an_upstream_takes_pushes_only_where_its_table_says_so() {
    let world = World::new()
        .file("h.toml", "[upstream.\"registry.k8s.io\"]\npushable = true\n[upstream.\"quay.io\"]\n");
    assert!(world.upstream("registry.k8s.io").unwrap().pushable);
    assert!(!world.upstream("quay.io").unwrap().pushable && !world.upstream("docker.io").unwrap().pushable);
}

#[test]
fn an_upstream_is_added_in_one_line_in_each_layer() {
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
    // By any of Docker Hub's names, and by all of them afterwards.
    let world = World::new().flag("upstream.add", &["registry-1.docker.io=https://mirror.gcr.io"]);
    for name in ["docker.io", "index.docker.io", "registry-1.docker.io"] {
        assert_eq!(endpoints(&world, name), "https://mirror.gcr.io", "{name}");
    }
}

#[test]
fn a_table_says_how_its_upstream_is_asked() {
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
fn a_higher_layer_names_other_endpoints_and_the_table_keeps_the_rest() {
    let world = World::new()
        .file("h.toml", "[upstream.\"docker.io\"]\nendpoints = \"https://a.example\"\nusername = \"ada\"\npassword = \"hunter2\"\n")
        .flag("upstream.add", &["docker.io=http://127.0.0.1:5005"]);
    let upstream = world.upstream("docker.io").unwrap();
    assert_eq!(upstream.endpoints, ["http://127.0.0.1:5005"]);
    assert_eq!(upstream.credentials, basic("ada", "hunter2"));
}

#[test]
fn what_is_removed_is_not_asked_whoever_adds_it() {
    let world = World::new().variable("HYTHE_UPSTREAM_REMOVE", "index.docker.io, ghcr.io");
    for name in ["docker.io", "registry-1.docker.io", "ghcr.io"] {
        assert_eq!(endpoints(&world, name), "no", "{name}");
    }
    assert_eq!(endpoints(&world, "quay.io"), "https://quay.io");
    let world = World::new()
        .file("h.toml", "[upstream.\"docker.io\"]\naliases = [\"hub\"]\n")
        .variable("HYTHE_UPSTREAM_REMOVE", "hub");
    assert_eq!(endpoints(&world, "docker.io"), "no");
    assert_eq!(world.warnings(), "h.toml:1:11: `docker.io` is not asked: `upstream.remove` names it");
    // Its name is free for another.
    let world = World::new().file(
        "h.toml",
        "upstream.remove = [\"quay.io\"]\n[upstream.\"registry.corp.example\"]\naliases = [\"quay.io\"]\n",
    );
    assert_eq!(endpoints(&world, "quay.io"), "https://registry.corp.example");
}

#[test]
fn a_token_and_a_password_stand_for_who_asks() {
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
fn what_is_wrong_with_an_upstream_is_said_with_its_place() {
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
            "h.toml:1:11: a name with dots stands in quotes: write [upstream.\"docker.io\"]",
        ),
        ("[upstream.registry.corp.example]\nttl = \"1m\"", "write [upstream.\"registry.corp.example\"]"),
        (
            "[upstream.\"https://docker.io\"]",
            "h.toml:1:11: `https://docker.io` cannot be an upstream's name: a name must not have a scheme",
        ),
        (
            "[upstream.\"docker.io\"]\n[upstream.\"index.docker.io\"]",
            "h.toml:2:11: `index.docker.io` is another name of `docker.io`, which has a table already",
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
            "h.toml:2:13: `upstream.\"docker.io\".endpoints` cannot be []: name at least one",
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
            "h.toml:2:12: `username` needs `password` or `password-file` beside it",
        ),
        ("[upstream.\"docker.io\"]\npassword = \"x\"", "h.toml:2:12: `password` needs `username` beside it"),
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
            "h.toml:4:17: `docker-config` and `username` both say who asks: keep one of them",
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
            "h.toml:4:13: `upstream.add` (h.toml:2) names endpoints of `a.example` too: keep one of them",
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
fn a_mirror_listens_for_an_upstream_that_may_be_asked() {
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
        ("127.0.0.1:5001=docker.io", "--mirror: 127.0.0.1:5001 is listened on already"),
        (":5002=docker.io", "--mirror: :5002 is open to the network, and nobody has to authenticate"),
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
fn what_a_registry_2_file_opens_for_itself_is_not_open_for_a_mirror() {
    let file = || World::new().file("c.yml", "version: 0.1\nhttp:\n  addr: :5000\n");
    let error = file().flag("upstream.mirror", &["0.0.0.0:5002=docker.io"]).error();
    assert!(error.starts_with("--mirror: 0.0.0.0:5002 is open to the network"), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[test]
fn a_login_that_the_network_can_use_is_warned_of() {
    let open = |share: &str| {
        let text = format!("[upstream.\"docker.io\"]\nusername = \"ada\"\npassword = \"hunter2\"\n{share}");
        let world = World::new().file("h.toml", &text);
        assert_eq!(world.warnings(), "");
        world.flag("listen", &[":5000"]).flag("http.allow-anonymous-network", &["true"]).warnings()
    };
    assert_eq!(open("[upstream.\"a.example\"]\nshare = \"all\""), "");
    assert_eq!(
        open("share = \"all\""),
        "h.toml:2:12: who reaches :5000 can pull all that `docker.io` lets this login have: nobody has to authenticate"
    );
}

#[test]
fn who_gets_what_a_login_opens_is_said_for_all_and_for_one() {
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
fn any_public_registry_may_be_asked_where_that_is_said_but_those_that_are_removed() {
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
fn tags_are_believed_by_patterns_in_their_order() {
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
fn fetching_ahead_is_off_until_a_number_is_said() {
    assert_eq!(World::new().value("upstream.prefetch"), "0");
    assert_eq!(World::new().variable("HYTHE_UPSTREAM_PREFETCH", "3").value("upstream.prefetch"), "3");
}

#[test]
fn no_secret_leaves_by_an_error_or_by_debug() {
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

/// Of a certificate authority that signed nothing and whose key is gone.
const CERTIFICATE: &str = include_str!("authority.pem");
