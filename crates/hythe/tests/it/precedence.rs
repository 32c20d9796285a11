//! The precedence of configuration layers, and the reported source of each value.

use hythe::config::{KEYS, Raw, ValueSource, load, reload};
use hythe::{Settings, values::Listen};

use crate::world::World;

#[test]
fn without_any_configuration_the_defaults_apply_and_data_is_in_the_users_folder() {
    let world = World::new();
    let loaded = world.load().unwrap();
    let data = if cfg!(target_os = "macos") {
        "/home/ada/Library/Application Support/hythe"
    } else {
        "/home/ada/.local/share/hythe"
    };
    assert_eq!(loaded.settings, Settings { data: data.into(), ..Settings::default() });
    assert_eq!(loaded.settings.listen, ["127.0.0.1:5001".parse::<Listen>().unwrap()]);
    assert!(loaded.provenance.iter().all(|(_, source)| *source == ValueSource::Default));
    assert!(loaded.warnings.is_empty() && loaded.file.is_none());
}

#[test]
fn the_data_folder_follows_the_platform() {
    assert_eq!(World::new().root().value("data"), r#""/var/lib/hythe""#);
    if cfg!(target_os = "linux") {
        assert_eq!(World::new().variable("XDG_DATA_HOME", "/data").value("data"), r#""/data/hythe""#);
        assert_eq!(
            World::new().variable("XDG_DATA_HOME", "data").value("data"),
            r#""/home/ada/.local/share/hythe""#
        );
    }
}

#[test]
fn without_a_home_folder_the_data_folder_must_be_named_unless_storage_is_memory() {
    let error = World::new().without_home().error();
    assert!(error.contains("--data FOLDER"), "{error}");
    assert_eq!(World::new().without_home().variable("HYTHE_DATA", "/d").value("data"), r#""/d""#);
    assert_eq!(World::new().without_home().flag("storage", &["memory"]).value("storage"), r#""memory""#);
}

#[test]
fn each_layer_overrides_the_layers_below_it() {
    let file = || World::new().file("hythe.toml", "\n[log]\nlevel = \"warn\"\n");
    let variables = || file().variable("REGISTRY_LOG_LEVEL", "error");
    let ours = || variables().variable("HYTHE_LOG_LEVEL", "debug");
    let flags = || ours().flag("log.level", &["trace"]);
    for (world, value, source) in [
        (World::new(), "info", "default"),
        (file(), "warn", "hythe.toml:3"),
        (variables(), "error", "REGISTRY_LOG_LEVEL"),
        (ours(), "debug", "HYTHE_LOG_LEVEL"),
        (flags(), "trace", "--log-level"),
    ] {
        assert_eq!(world.value("log.level"), format!("{value:?}"));
        assert_eq!(world.source("log.level"), source);
    }
}

#[test]
fn a_registry_2_file_has_the_precedence_of_a_toml_file() {
    let file = || World::new().file("config.yml", "version: 0.1\nlog:\n  level: warn\n");
    assert_eq!(file().source("log.level"), "registry:2 config.yml:3");
    assert_eq!(file().variable("REGISTRY_LOG_LEVEL", "error").value("log.level"), r#""error""#);
    assert_eq!(file().variable("HYTHE_LOG_LEVEL", "debug").value("log.level"), r#""debug""#);
}

#[test]
fn the_named_file_counts_before_the_variables_file_the_users_and_the_machines() {
    let text = |level: &str| format!("log.level = \"{level}\"");
    let machine = || World::new().unnamed_file("etc/hythe/hythe.toml", &text("error")).system_folder("etc");
    let user = || {
        machine()
            .unnamed_file("xdg/hythe/hythe.toml", &text("warn"))
            .variable("XDG_CONFIG_HOME", "{folder}/xdg")
    };
    let variable =
        || user().unnamed_file("other.toml", &text("debug")).variable("HYTHE_CONFIG", "{folder}/other.toml");
    let named = || variable().file("named.toml", &text("trace"));
    for (world, source) in [
        (machine(), "etc/hythe/hythe.toml:1"),
        (user(), "xdg/hythe/hythe.toml:1"),
        (variable(), "other.toml:1"),
        (named(), "named.toml:1"),
    ] {
        assert_eq!(world.source("log.level"), source);
    }
}

#[test]
fn lists_are_separated_by_commas_in_variables_and_repeated_in_flags() {
    let both = r#"["127.0.0.1:5000","[::1]:5001"]"#;
    assert_eq!(World::new().variable("HYTHE_LISTEN", "127.0.0.1:5000, [::1]:5001").value("listen"), both);
    assert_eq!(World::new().flag("listen", &["127.0.0.1:5000", "[::1]:5001"]).value("listen"), both);
    assert_eq!(
        World::new().file("h.toml", "listen = [\"127.0.0.1:5000\", \"[::1]:5001\"]").value("listen"),
        both
    );
}

#[test]
fn an_empty_variable_counts_as_unset() {
    assert_eq!(World::new().variable("HYTHE_LISTEN", "").source("listen"), "default");
    assert_eq!(World::new().variable("HYTHE_CONFIG", "").source("listen"), "default");
}

#[test]
fn every_key_accepts_its_shown_value_from_the_file_and_the_variable() {
    for key in KEYS {
        let shown = key.kind.show(&Settings::default());
        let world = World::new().file("hythe.toml", &format!("{} = {shown}\n", key.name));
        assert_eq!(world.source(key.name), "hythe.toml:1");
        assert_eq!(world.value(key.name), shown.to_string());

        let text = match &shown {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Array(items) => {
                items.iter().map(|item| item.as_str().unwrap()).collect::<Vec<_>>().join(",")
            }
            other => other.to_string(),
        };
        let world = World::new().variable(&key.variable(), &text);
        assert_eq!(
            world.source(key.name),
            if text.is_empty() { "default".to_owned() } else { key.variable() }
        );
        assert_eq!(world.value(key.name), shown.to_string());
    }
}

#[test]
fn a_reload_applies_some_keys_and_names_those_that_need_a_restart() {
    let running = World::new().load().unwrap().settings;
    let fresh = World::new()
        .file("h.toml", "listen = \"127.0.0.1:9\"\nlog.level = \"debug\"\n")
        .load()
        .unwrap()
        .settings;
    let reloaded = reload(&running, &fresh);
    let names = |keys: &[&hythe::config::Key]| keys.iter().map(|key| key.name).collect::<Vec<_>>();
    assert_eq!(names(&reloaded.applied), ["log.level"]);
    assert_eq!(names(&reloaded.waiting), ["listen"]);
    assert_eq!(reloaded.settings, Settings { log: fresh.log, ..running });
}

#[test]
fn a_reload_applies_upstreams_and_names_those_with_changed_tables() {
    let text = |password: &str, mirror: &str| {
        format!(
            "upstream.offline = true\n{mirror}[upstream.\"docker.io\"]\nusername = \"ada\"\npassword = \"{password}\"\n"
        )
    };
    let settings = |text: &str| World::new().file("h.toml", text).load().unwrap().settings;
    let running = settings("[upstream.\"gone.example\"]\n[upstream.\"same.example\"]\n");
    let mirror = "upstream.mirror = \"127.0.0.1:5002=docker.io\"\n";
    let fresh = settings(&format!("{}[upstream.\"same.example\"]\n", text("hunter2", mirror)));
    let reloaded = reload(&running, &fresh);
    let names = |keys: &[&hythe::config::Key]| keys.iter().map(|key| key.name).collect::<Vec<_>>();
    assert_eq!(names(&reloaded.applied), ["upstream.offline"]);
    assert_eq!(names(&reloaded.waiting), ["upstream.mirror"]);
    assert_eq!(reloaded.tables, ["upstream.\"docker.io\"", "upstream.\"gone.example\""]);
    assert_eq!(reloaded.settings.upstream.tables, fresh.upstream.tables);
    // Only the secret differs.
    let again = reload(&settings(&text("hunter2", "")), &settings(&text("hunter3", "")));
    assert_eq!((again.applied.len(), again.waiting.len(), again.tables.len()), (0, 0, 1));
}

#[test]
fn names_of_keys_variables_and_flags_are_unique() {
    for (index, key) in KEYS.iter().enumerate() {
        for other in &KEYS[..index] {
            assert!(key.name != other.name && key.variable() != other.variable());
            assert!(key.flag.is_none() || key.flag != other.flag);
        }
        let mut settings = Settings::default();
        assert!(key.kind.read(&mut settings, &Raw::Other("datetime")).is_err(), "{}", key.name);
        assert_eq!(settings, Settings::default(), "a refused value changes nothing");
    }
    assert!(
        load(
            &hythe::config::Inputs::default(),
            &hythe::config::Environment { root: true, ..Default::default() }
        )
        .is_ok()
    );
}

#[test]
fn an_incomplete_configuration_of_tls_is_refused() {
    for (keys, wanted) in [
        (&[("tls.certificate", "/c.pem")][..], "set `tls.key`"),
        (&[("tls.key", "/k.pem")], "a private key without a certificate has no effect"),
        (&[("tls.client-ca", "/ca.pem")], "clients show certificates in TLS only"),
        (&[("listen", "https://127.0.0.1:5001")], "https://127.0.0.1:5001 needs a certificate"),
        (
            &[("tls.certificate", "/c.pem"), ("tls.key", "/k.pem"), ("tls.client-auth", "request")],
            "set `tls.client-ca`",
        ),
    ] {
        let world = keys.iter().fold(World::new(), |world, (key, value)| world.flag(key, &[value]));
        let error = world.error();
        assert!(error.contains(wanted), "{wanted}\n  said {error}");
    }
    let whole = World::new().flag("tls.certificate", &["/c.pem"]).flag("tls.key", &["/k.pem"]);
    let settings =
        whole.flag("listen", &["127.0.0.1:5001", "http://127.0.0.1:5002"]).load().unwrap().settings;
    let tls: Vec<bool> = settings.listen.iter().map(|listen| settings.has_tls(listen)).collect();
    assert_eq!(tls, [true, false]);
}

#[test]
fn an_address_whose_clients_need_a_certificate_may_be_open_to_the_network() {
    let world = || {
        let tls = World::new().flag("tls.certificate", &["/c.pem"]).flag("tls.key", &["/k.pem"]);
        tls.flag("tls.client-ca", &["/ca.pem"])
    };
    world().flag("listen", &[":5443", "http://127.0.0.1:5001"]).load().unwrap();
    for world in [
        world().flag("listen", &["http://:5443"]),
        world().flag("listen", &[":5443"]).flag("tls.client-auth", &["request"]),
    ] {
        let error = world.error();
        assert!(error.contains("is open to the network"), "{error}");
    }
}
