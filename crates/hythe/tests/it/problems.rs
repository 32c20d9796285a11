//! The errors and warnings about a configuration.

use crate::world::World;

#[test]
fn an_error_in_a_file_has_line_column_and_what_to_write() {
    for (text, wanted) in [
        ("lisen = []", "h.toml:1:1: there is no key `lisen`; did you mean `listen`?"),
        (
            "\n[http]\n  idle-timout = \"3m\"",
            "h.toml:3:3: there is no key `http.idle-timout`; did you mean `http.idle-timeout`?",
        ),
        ("[manifest]\nsize = 1", "h.toml:2:1: there is no key `manifest.size`"),
        (
            "max-header-size = 1",
            "h.toml:1:1: there is no key `max-header-size`; did you mean `http.max-header-size`?",
        ),
        ("[htp]\nsendfile = true", "h.toml:1:2: there is no key `htp`; did you mean `http`?"),
        ("http = 1", "h.toml:1:1: `http` is a section: write [http] and its keys below it"),
        (
            "delete.enabled = \"true\"",
            "h.toml:1:18: `delete.enabled` cannot be \"true\": write true or false, without quotes",
        ),
        ("collect.grace = 5", "h.toml:1:17: `collect.grace` cannot be 5: write a duration with its unit"),
        (
            "collect.grace = \"5 days\"",
            "h.toml:1:17: `collect.grace` cannot be \"5 days\": write a duration such as",
        ),
        ("http.idle-timeout = \"0s\"", "`http.idle-timeout` cannot be \"0s\": it must be 1s at least"),
        ("manifest.max-size = \"4 megs\"", "`manifest.max-size` cannot be \"4 megs\": write a size such as"),
        (
            "http.max-header-size = 100",
            "`http.max-header-size` cannot be 100: it must be from 8KiB to 256KiB",
        ),
        ("http.max-connections = 0", "`http.max-connections` cannot be 0: write a number from 1 to 1000000"),
        ("http.max-connections = \"5\"", "without quotes"),
        ("storage = \"s3\"", "h.toml:1:11: `storage` cannot be \"s3\": allowed: \"fs\", \"memory\""),
        ("log.level = \"verbose\"", "allowed: \"error\", \"warn\", \"info\", \"debug\", \"trace\""),
        ("listen = [\"5000\"]", "a port alone does not say who may connect: write 127.0.0.1:5000"),
        ("listen = []", "`listen` cannot be []: write at least one"),
        (
            "listen = [5000]",
            "`listen` cannot be a list of other values than strings: write a list of strings",
        ),
        ("data = \"~/hythe\"", "hythe does not expand `~`"),
        ("backup.destination = \"gs://bucket\"", "write the path of a folder, or s3://BUCKET/PREFIX"),
        ("backup.keep = 0", "`backup.keep` cannot be 0: write `all`, a number of backups such as 30"),
        (
            "data = \"/srv/hythe\"\nbackup.destination = \"/srv/hythe/x/../backups\"",
            "/srv/hythe/x/../backups is in the data folder /srv/hythe",
        ),
        ("http.hosts = [\"https://a\"]", "write a host name without scheme and port"),
        ("http.cors-origins = [\"a.example\"]", "write an origin as browsers send it"),
        ("listen = [\"a\"", "h.toml:1:14: this is not TOML: "),
        ("storage = \"fs\"\nstorage = \"fs\"", "h.toml:2:1: this is not TOML: duplicate key"),
    ] {
        let error = World::new().file("h.toml", text).error();
        assert!(error.contains(wanted), "{text}\n  said {error}\n  not  {wanted}");
    }
}

#[test]
fn columns_count_characters() {
    let error = World::new().file("h.toml", "data = \"/é\" \u{9}\n# é\nlog = { \"é\" = 1 }\n").error();
    assert!(error.starts_with("h.toml:3:9: there is no key `log.é`"), "{error}");
}

#[test]
fn all_errors_are_reported_at_once() {
    let world = World::new()
        .file("h.toml", "x = 1\ny = 2\n")
        .variable("HYTHE_LOG_LEVEL", "loud")
        .variable("REGISTRY_LOG_FORMATTER", "xml")
        .flag("storage", &["tape"]);
    let error = world.error();
    let places: Vec<&str> =
        error.lines().filter_map(|line| line.split_once(": ")).map(|(place, _)| place).collect();
    assert_eq!(
        places,
        ["h.toml:1:1", "h.toml:2:1", "REGISTRY_LOG_FORMATTER", "HYTHE_LOG_LEVEL", "--storage"]
    );
}

#[test]
fn a_file_that_cannot_be_read_or_has_an_unknown_extension_is_an_error() {
    let missing = World::new().variable("HYTHE_CONFIG", "/nowhere/hythe.toml").error();
    assert!(missing.starts_with("/nowhere/hythe.toml: cannot read the configuration file"), "{missing}");
    let other = World::new().file("hythe.json", "{}").error();
    assert!(other.contains(".toml") && other.contains(".yml"), "{other}");
}

#[test]
fn a_warning_about_an_unknown_variable_suggests_the_nearest_one() {
    assert_eq!(
        World::new().variable("HYTHE_LISTENS", "x").warnings(),
        "HYTHE_LISTENS: there is no such setting; did you mean `HYTHE_LISTEN`?"
    );
}

#[test]
fn variables_that_kubernetes_sets_for_a_service_with_the_program_s_name_are_not_configuration() {
    let mut world = World::new();
    for program in ["HYTHE", "REGISTRY"] {
        for link in [
            "PORT",
            "SERVICE_HOST",
            "SERVICE_PORT",
            "SERVICE_PORT_HTTP",
            "PORT_5001_TCP",
            "PORT_5001_TCP_ADDR",
        ] {
            world = world.variable(&format!("{program}_{link}"), "tcp://10.0.0.7:5001");
        }
    }
    assert_eq!(world.warnings(), "");
}

#[test]
fn an_address_open_to_the_network_must_be_allowed_explicitly() {
    for address in ["0.0.0.0:5000", ":5000", "[::]:5000", "192.168.1.4:5000"] {
        let world = || World::new().flag("listen", &["127.0.0.1:5001", address]);
        let error = world().error();
        assert!(error.starts_with("--listen: ") && error.contains("--allow-anonymous-network"), "{error}");
        assert!(world().flag("http.allow-anonymous-network", &["true"]).load().is_ok());
        assert!(world().variable("HYTHE_HTTP_ALLOW_ANONYMOUS_NETWORK", "true").load().is_ok());
    }
    for address in ["localhost:5000", "127.0.0.2:5000", "[::1]:5000"] {
        assert!(World::new().flag("listen", &[address]).load().is_ok());
    }
}
