//! Logins for upstreams from Docker's configuration.

use hythe_client::Credentials;
use hythe_upstream::Share;

use crate::world::World;

/// A configuration in which `upstream` uses the login in Docker's configuration.
fn world(upstream: &str, config: &str) -> World {
    World::new()
        .unnamed_file("docker/config.json", config)
        .variable("DOCKER_CONFIG", "{folder}/docker")
        .file("h.toml", &format!("[upstream.\"{upstream}\"]\ndocker-config = true\n"))
}

fn credentials(world: &World, upstream: &str) -> Credentials {
    world.upstream(upstream).unwrap().credentials.clone()
}

fn basic(username: &str, password: &str) -> Credentials {
    Credentials::Basic { username: username.to_owned(), password: password.to_owned() }
}

#[test]
fn a_login_is_found_in_every_format_of_dockers_configuration() {
    let ada = || basic("ada", "hun:ter2");
    for (upstream, config, wanted) in [
        ("docker.io", r#"{"auths": {"https://index.docker.io/v1/": {"auth": "YWRhOmh1bjp0ZXIy"}}}"#, ada()),
        ("docker.io", r#"{"auths": {"docker.io": {"auth": "YWRhOmh1bjp0ZXIy"}}}"#, ada()),
        ("ghcr.io", r#"{"auths": {"ghcr.io": {"auth": "YWRhOmh1bjp0ZXIy"}}}"#, ada()),
        ("ghcr.io", r#"{"auths": {"https://ghcr.io": {"auth": "YWRhOmh1bjp0ZXIy"}}}"#, ada()),
        ("ghcr.io", r#"{"auths": {"https://ghcr.io/v1/": {"auth": "YWRhOmh1bjp0ZXIyAA=="}}}"#, ada()),
        (
            "hub.local:5000",
            r#"{"auths": {"hub.local:5000": {"username": "ada", "password": "hun:ter2"}}}"#,
            ada(),
        ),
        (
            "corp.azurecr.io",
            r#"{"auths": {"corp.azurecr.io": {"auth": "MDAwMDA6", "identitytoken": "eyJ"}}}"#,
            Credentials::IdentityToken("eyJ".to_owned()),
        ),
        // Entries for another registry, for a part of the registry, and without a login are skipped.
        (
            "quay.io",
            r#"{"auths": {"ghcr.io": {"auth": "eDp5"}, "quay.io/team": {"auth": "eDp5"}, "quay.io": {}, "https://quay.io": {"auth": "YWRhOmh1bjp0ZXIy"}}}"#,
            ada(),
        ),
    ] {
        assert_eq!(credentials(&world(upstream, config), upstream), wanted, "{config}");
    }
}

#[test]
fn dockers_configuration_is_in_the_users_home_unless_a_variable_names_its_folder() {
    let config = r#"{"auths": {"ghcr.io": {"auth": "YWRhOmh1bnRlcjI="}}}"#;
    let world = World::new()
        .unnamed_file("home/.docker/config.json", config)
        .variable("HOME", "{folder}/home")
        .file("h.toml", "[upstream.\"ghcr.io\"]\ndocker-config = true\n");
    assert_eq!(credentials(&world, "ghcr.io"), basic("ada", "hunter2"));
}

#[test]
fn a_login_is_also_looked_up_by_the_host_of_an_endpoint() {
    let config = r#"{"auths": {"registry.corp.example": {"auth": "YWRhOmh1bnRlcjI="}}}"#;
    let world = World::new()
        .unnamed_file("docker/config.json", config)
        .variable("DOCKER_CONFIG", "{folder}/docker")
        .file(
            "h.toml",
            "[upstream.corp]\nendpoints = \"https://registry.corp.example/mirror\"\ndocker-config = true\n",
        );
    assert_eq!(credentials(&world, "corp"), basic("ada", "hunter2"));
}

#[test]
fn a_login_is_not_used_for_another_upstream() {
    let config =
        r#"{"auths": {"ghcr.io": {"auth": "YWRhOmh1bnRlcjI="}, "quay.io": {"auth": "YWRhOmh1bnRlcjI="}}}"#;
    assert_eq!(credentials(&world("ghcr.io", config), "quay.io"), Credentials::Anonymous);
}

#[test]
fn a_credential_helper_is_asked_with_dockers_protocol() {
    // The answer depends on the server in the question.
    let script = r#"[ "$1" = get ] || exit 3
server=$(cat)
case $server in
    ghcr.io) echo '{"ServerURL": "ghcr.io", "Username": "ada", "Secret": "hunter2"}' ;;
    https://index.docker.io/v1/) echo '{"Username": "hub", "Secret": "hunter3"}' ;;
    corp.azurecr.io) echo '{"Username": "<token>", "Secret": "eyJ"}' ;;
    https://old.example) echo '{"Username": "old", "Secret": "hunter4"}' ;;
    *) echo 'credentials not found in native keychain'; exit 1 ;;
esac"#;
    let store = r#"{"credsStore": "fake", "auths": {"https://old.example": {}, "quay.io": {"auth": "YWRhOmh1bnRlcjU="}}}"#;
    let own = r#"{"credHelpers": {"ghcr.io": "fake"}, "credsStore": "absent"}"#;
    for (upstream, config, wanted) in [
        ("ghcr.io", store, basic("ada", "hunter2")),
        ("ghcr.io", own, basic("ada", "hunter2")),
        ("docker.io", store, basic("hub", "hunter3")),
        ("corp.azurecr.io", store, Credentials::IdentityToken("eyJ".to_owned())),
        ("old.example", store, basic("old", "hunter4")),
        // The helper has no login, and the file has one.
        ("quay.io", store, basic("ada", "hunter5")),
    ] {
        let world = world(upstream, config).program("docker-credential-fake", script);
        assert_eq!(credentials(&world, upstream), wanted, "{upstream} {config}");
    }
}

#[test]
fn the_server_does_not_start_without_the_login_and_says_why() {
    for (config, wanted) in [
        (
            "{}",
            "h.toml:2:17: docker/config.json has no login for `ghcr.io`: run `docker login ghcr.io` first",
        ),
        ("{", "h.toml:2:17: docker/config.json is not JSON: "),
        ("[]", "has no login for `ghcr.io`"),
        (
            r#"{"auths": {"ghcr.io": {"auth": "aHVudGVyMg=="}}}"#,
            "the login of `ghcr.io`: `auth` is not the BASE64 of `user:password`",
        ),
        (r#"{"auths": {"ghcr.io": {"auth": "hunter2"}}}"#, "`auth` is not the BASE64 of `user:password`"),
        (r#"{"credsStore": "absent"}"#, "`docker-credential-absent` is not in PATH"),
        (r#"{"credsStore": "../evil"}"#, "`../evil` is not the name of a credential helper"),
        (
            r#"{"credsStore": "locked"}"#,
            "`docker-credential-locked` gave no login for `ghcr.io`: the keychain is locked",
        ),
        (r#"{"credsStore": "half"}"#, "`docker-credential-half` gave no login for `ghcr.io`: exit status: 4"),
        (r#"{"credsStore": "chatty"}"#, "`docker-credential-chatty` did not answer with JSON"),
        (r#"{"credsStore": "empty"}"#, "has no login for `ghcr.io`"),
    ] {
        let error = world("ghcr.io", config)
            .program("docker-credential-locked", "echo the keychain is locked; echo more; exit 1")
            .program("docker-credential-half", "echo '{\"Secret\": \"hunter2\"}'; exit 4")
            .program("docker-credential-chatty", "echo hunter2")
            .program("docker-credential-empty", "echo '{\"Username\": \"\", \"Secret\": \"\"}'")
            .login_error();
        assert!(error.contains(wanted), "{config}\n  said {error}\n  not  {wanted}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    let nowhere = World::new().without_home().variable("HYTHE_DATA", "/d");
    let nowhere = nowhere.file("h.toml", "[upstream.\"ghcr.io\"]\ndocker-config = true\n");
    assert!(nowhere.login_error().contains("DOCKER_CONFIG"));
    let missing = nowhere.variable("DOCKER_CONFIG", "{folder}/none");
    assert!(missing.login_error().contains("none/config.json does not exist, so `ghcr.io` has no login"));
}

#[test]
fn loading_the_configuration_runs_no_credential_helper() {
    let world =
        world("ghcr.io", r#"{"credsStore": "fake"}"#).program("docker-credential-fake", "touch {folder}/ran");
    assert!(world.load().is_ok() && !world.path("ran").exists());
    assert!(world.login_error().contains("has no login") || world.path("ran").exists());
}

#[test]
fn logins_that_are_looked_up_on_one_machine_are_handed_over_to_a_server_on_another() {
    let host = world(
        "corp.azurecr.io",
        r#"{"auths": {"corp.azurecr.io": {"identitytoken": "eyJ"}, "other.example": {"auth": "eDp5"}}, "credHelpers": {"ghcr.io": "fake"}}"#,
    )
    .program("docker-credential-fake", r#"echo '{"Username": "ada", "Secret": "hunter2"}'"#)
    .file(
        "h.toml",
        "[upstream.\"corp.azurecr.io\"]\ndocker-config = true\n[upstream.\"ghcr.io\"]\ndocker-config = true\n[upstream.\"quay.io\"]\nttl = \"1h\"\n",
    );
    let loaded = host.log_in().unwrap();
    let (names, logins) = loaded.docker_logins();
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["corp.azurecr.io", "ghcr.io"]);

    let server = || {
        let world = World::new().without_home().variable("HYTHE_DATA", "/d");
        let config = "[upstream.\"corp.azurecr.io\"]\ndocker-config = true\n[upstream.\"ghcr.io\"]\ndocker-config = true\n";
        world.file("h.toml", config).variable("HYTHE_LOGINS", "{folder}/logins")
    };
    // Before the logins are handed over, the server starts and pulls anonymously.
    let early = server();
    assert_eq!(credentials(&early, "ghcr.io"), Credentials::Anonymous);
    let warnings = early.log_in().unwrap().warnings.iter().map(ToString::to_string).collect::<String>();
    assert!(warnings.contains("`ghcr.io` was not handed over yet"), "{warnings}");
    let late = server().unnamed_file("logins/config.json", &logins);
    assert_eq!(credentials(&late, "ghcr.io"), basic("ada", "hunter2"));
    assert_eq!(credentials(&late, "corp.azurecr.io"), Credentials::IdentityToken("eyJ".to_owned()));
    assert!(late.log_in().unwrap().warnings.is_empty());
}

#[test]
fn logins_for_which_no_layer_sets_share_are_listed() {
    let unshared = |text: &str| -> Vec<String> {
        let loaded = World::new().file("h.toml", text).load().unwrap();
        loaded.unshared_logins().iter().map(ToString::to_string).collect()
    };
    let own = "[upstream.\"ghcr.io\"]\ndocker-config = true\n";
    assert_eq!(unshared(own), ["ghcr.io"]);
    assert_eq!(unshared(&format!("{own}share = \"loopback\"\n")), Vec::<String>::new());
    assert_eq!(unshared(&format!("[upstream]\nshare = \"loopback\"\n{own}")), Vec::<String>::new());
    assert_eq!(unshared("[upstream.\"ghcr.io\"]\nttl = \"1h\"\n"), Vec::<String>::new());
}

#[test]
fn a_server_in_a_container_shares_content_of_handed_over_logins_unless_its_configuration_sets_share() {
    let share = |text: &str| {
        let world = World::new().file("h.toml", text).variable("HYTHE_LOGINS_SHARED", "true");
        let world = world.variable("HYTHE_LOGINS", "{folder}/logins");
        world.upstream("ghcr.io").unwrap().share
    };
    let own = "[upstream.\"ghcr.io\"]\ndocker-config = true\n";
    assert_eq!(share(own), Share::All);
    assert_eq!(share(&format!("{own}share = \"loopback\"\n")), Share::Loopback);
    assert_eq!(share(&format!("[upstream]\nshare = \"loopback\"\n{own}")), Share::Loopback);
    // A password in the file is not a handed-over login.
    let password = "[upstream.\"ghcr.io\"]\nusername = \"a\"\npassword = \"b\"\n";
    assert_eq!(share(password), Share::Loopback);
}
