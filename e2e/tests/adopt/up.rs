//! `hythe up`, `down` and `status` in difficult circumstances: folders of other users, a taken port, lost containers
//! and networks.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use hythe_e2e::command::attempt;
use hythe_e2e::home::Home;

use super::stock::Stock;
use super::{expect, inspect, machine};

const NAME: &str = "kind-registry";

fn owner(path: &Path) -> u32 {
    fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).uid()
}

fn user(home: &Home) -> String {
    inspect(home, NAME, "{{.Config.User}}")
}

#[test]
fn a_folder_for_the_data_is_served_as_the_user_who_may_write_there() {
    let (_docker, home) = machine();
    // A folder of an ordinary user, an empty folder of root, and a missing folder.
    let of_user = home.folder().join("of-user");
    fs::create_dir(&of_user).expect("the folder is ours");
    chown(&of_user, Some(1234), Some(1235)).expect("we are root");
    fs::create_dir(home.folder().join("empty")).expect("the folder is ours");
    for (folder, expected) in [("of-user", "1234:1235"), ("empty", "1000:1000"), ("new/deep", "1000:1000")] {
        let up = home.up(&["--yes", "--data", &format!("./{folder}")]);
        expect(&up, 0, &[folder]);
        assert_eq!(user(&home), expected, "{folder}");
        Stock::push(&mut home.client()).expect(&mut home.client());
        let uid: u32 = expected.split(':').next().and_then(|text| text.parse().ok()).expect("a number");
        assert_eq!(owner(&home.folder().join(folder).join("catalog.sqlite")), uid);
    }
    // A folder of root that is not empty: the registry runs as root.
    let of_root = home.folder().join("of-root");
    fs::create_dir(&of_root).expect("the folder is ours");
    fs::write(of_root.join("note"), "root's").expect("the folder is ours");
    // With other data the images would seem to be lost, so hythe asks first and changes nothing.
    expect(&home.up(&["--data", "of-root"]), 2, &["the images in", "add --yes"]);
    expect(&home.up(&["--data", "of-root", "--yes"]), 0, &["recreated"]);
    assert_eq!((user(&home).as_str(), owner(&of_root), owner(&of_root.join("note"))), ("0:0", 0, 0));
    Stock::push(&mut home.client()).expect(&mut home.client());

    let down = home.attempt(&["down"]);
    expect(&down, 0, &[&of_root.display().to_string(), "`hythe up` brings it back as it was"]);
    assert!(of_root.join("catalog.sqlite").exists());
}

#[test]
fn a_folder_of_the_system_is_refused_before_anything_is_done() {
    let (_docker, home) = machine();
    std::os::unix::fs::symlink("/etc", home.folder().join("link")).expect("the folder is ours");
    for folder in ["/etc", "/usr/share/registry", "link", "."] {
        let mut command = home.command(&["up", "--data", folder]);
        let up = attempt(command.env("HOME", home.folder()));
        expect(&up, 2, &["--data", folder]);
    }
    assert_eq!(home.docker(&["ps", "--all", "--quiet"]), "");
    assert!(!Path::new("/etc/catalog.sqlite").exists());
}

#[test]
fn the_options_of_up_are_remembered_without_the_container() {
    let (_docker, home) = machine();
    let set = ["--data", "kept", "--alias", "registry.local", "--set", "upstream.offline=true"];
    expect(&home.up(&set), 0, &["created"]);
    let stock = Stock::push(&mut home.client());
    let asked = home.json(&["status"])["registry"]["settings"].clone();
    let losses: [&dyn Fn(); 3] = [
        &|| expect(&home.attempt(&["down"]), 0, &["`hythe up` brings it back as it was"]),
        &|| drop(home.docker(&["rm", "--force", NAME])),
        &|| drop(home.docker(&["rm", "--force", NAME])),
    ];
    let returns: [&[&str]; 3] = [&["up"], &["up"], &["doctor", "--fix"]];
    for (lose, back) in losses.into_iter().zip(returns) {
        lose();
        let port = home.port().to_string();
        expect(&home.attempt(&["status"]), 0, &[&port, "kept", "to bring it back as it was: `hythe up`"]);
        let said = home.attempt(back);
        println!("{}{}", said.stdout, said.stderr);
        assert_eq!(home.json(&["status"])["registry"]["settings"], asked, "{back:?}");
        stock.expect(&mut home.client());
    }
    // The data can be deleted although nothing runs. Afterwards nothing is remembered.
    home.run(&["down"]);
    expect(&home.attempt(&["down", "--delete-data", "--yes"]), 0, &["its data in"]);
    assert!(!home.folder().join("kept/catalog.sqlite").exists());
    assert_eq!(home.docker(&["volume", "ls", "--quiet"]), "");
    expect(&home.attempt(&["down", "--delete-data", "--yes"]), 1, &["no registry kind-registry"]);
    expect(&home.up(&[]), 0, &["the volume kind-registry-data"]);
    // A volume can be deleted in the same way.
    home.run(&["down"]);
    expect(
        &home.attempt(&["down", "--delete-data", "--yes"]),
        0,
        &["and the volume kind-registry-data are deleted"],
    );
    assert_eq!(home.docker(&["volume", "ls", "--quiet"]), "");
}

#[test]
fn an_up_that_fails_leaves_nothing_behind() {
    let (_docker, home) = machine();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let port = listener.local_addr().expect("it is bound").port().to_string();
    expect(&home.attempt(&["up", "--port", &port]), 1, &["is taken"]);
    assert_eq!(home.docker(&["ps", "--all", "--quiet"]), "");
    assert_eq!(home.docker(&["volume", "ls", "--quiet"]), "");
}

#[test]
fn an_error_names_the_taken_port_and_the_container_that_has_it() {
    let (_docker, home) = machine();
    let other = Home::new(home.engine()).with_name("other");
    expect(&other.up(&[]), 0, &["created"]);
    let port = other.port().to_string();
    let up = home.attempt(&["up", "--port", &port]);
    expect(&up, 1, &[&format!("port {port} of 127.0.0.1 is taken by the container other")]);
    // hythe's own registry is not adopted.
    expect(&home.attempt(&["up", "--adopt", "--port", &port]), 1, &["is taken by the container other"]);
    expect(&home.attempt(&["status"]), 0, &["no registry kind-registry is in Docker", "hythe up"]);
    expect(&home.attempt(&["down"]), 1, &["the registry other does: add --name other"]);

    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let port = listener.local_addr().expect("it is bound").port().to_string();
    expect(
        &home.attempt(&["up", "--port", &port]),
        1,
        &[&format!("port {port} of 127.0.0.1 is taken. Stop the program")],
    );
    // A running registry keeps its old port.
    let stock = Stock::push(&mut other.client());
    expect(
        &other.attempt(&["up", "--port", &port]),
        1,
        &["is taken", "The previous container is restored, with its data"],
    );
    stock.expect(&mut other.client());
}

#[test]
fn a_registry_that_was_stopped_or_lost_a_network_is_started_again() {
    let (_docker, home) = machine();
    expect(&home.up(&[]), 0, &["created on 127.0.0.1", "the volume kind-registry-data", "try it:"]);
    let stock = Stock::push(&mut home.client());
    expect(&home.attempt(&["up"]), 0, &["already running with these settings", "nothing had to be changed"]);
    home.docker(&["stop", NAME]);
    expect(&home.attempt(&["status"]), 0, &["kind-registry is stopped"]);
    expect(&home.attempt(&["up"]), 0, &["started"]);
    stock.expect(&mut home.client());

    // A cluster and its network are removed while the registry is stopped.
    home.docker(&["network", "create", "k3d-dev"]);
    home.docker(&["network", "create", "kind"]);
    home.docker(&["network", "connect", "k3d-dev", NAME]);
    home.docker(&["network", "connect", "kind", NAME]);
    home.docker(&["stop", NAME]);
    home.docker(&["network", "rm", "k3d-dev"]);
    expect(&home.attempt(&["up"]), 0, &["kind-registry"]);
    stock.expect(&mut home.client());
    assert_ne!(inspect(&home, NAME, "{{json .NetworkSettings.Networks.kind}}"), "null");

    // `status` and `logs` show the registry.
    let status = home.json(&["status"]);
    assert_eq!(status["registry"]["running"], true, "{status:#}");
    assert_eq!(status["registry"]["settings"]["port"], home.port(), "{status:#}");
    assert_eq!(status["clusters"], serde_json::json!([]), "{status:#}");
    let text = home.attempt(&["status"]);
    let on = format!("on this machine  127.0.0.1:{}", home.port());
    expect(&text, 0, &["kind-registry runs in Docker", &on, "the volume kind-registry-data"]);
    expect(&home.attempt(&["logs", "--tail", "5"]), 0, &["PUT /v2/later/manifests/v1"]);
    assert!(home.attempt(&["logs", "--tail", "2"]).stdout.lines().count() <= 2);

    // `down` removes the container, and the data only with confirmation.
    expect(&home.attempt(&["down", "--delete-data"]), 2, &["add --yes"]);
    stock.expect(&mut home.client());
    expect(&home.attempt(&["down"]), 0, &["the volume kind-registry-data stays: `hythe up` brings it back"]);
    expect(&home.up(&[]), 0, &["created"]);
    stock.expect(&mut home.client());
    let gone = home.json(&["down", "--delete-data", "--yes"]);
    assert_eq!(gone["data_deleted"], true, "{gone:#}");
    assert_eq!(home.docker(&["volume", "ls", "--quiet"]), "");
    expect(
        &home.attempt(&["down"]),
        1,
        &["no registry kind-registry runs in Docker", "start it: `hythe up`"],
    );
    expect(&home.attempt(&["logs"]), 1, &["no registry kind-registry"]);
}
