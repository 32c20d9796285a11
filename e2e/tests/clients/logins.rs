//! Every client logs in by name and password, where the registry asks for passwords, and where it asks for tokens.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use hythe_e2e::binary::{built_tool, hythe, tool};
use hythe_e2e::command::{Output, attempt, digest_in, program, run};
use hythe_e2e::engine::Engine;
use hythe_e2e::image::{TAG, debian};
use hythe_e2e::server::{Server, without_settings};
use hythe_e2e::store::Store;
use hythe_e2e::user::{HASH, PASSWORD, USER};
use tempfile::TempDir;

use crate::reference;

/// The ways in which the registry asks for credentials.
const CHALLENGES: [&str; 2] = ["basic", "token"];

/// A registry that asks for logins: the user may do everything below `private/`, and everyone may pull below `public/`.
fn server(challenge: &str, folder: &Path) -> Server {
    let users = folder.join("users");
    std::fs::write(&users, format!("{USER}:{HASH}\n")).expect("the folder is ours");
    let rules = format!(
        "[auth]\nhtpasswd = \"{}\"\nchallenge = \"{challenge}\"\n\
         [rule.everyone]\nsubjects = [\"anonymous\"]\nactions = [\"pull\"]\nrepositories = [\"public/*\"]\n\
         [rule.ada]\nsubjects = [\"user:{USER}\"]\nactions = [\"pull\", \"push\", \"retag\", \"delete\"]\n\
         repositories = [\"private/*\", \"public/*\"]\n",
        users.display()
    );
    let mut server = Server::new().with_configuration(&rules);
    server.run();
    server
}

/// Runs a command of a client that reads the password from stdin.
#[track_caller]
fn log_in(command: &mut Command) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the client runs");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(PASSWORD.as_bytes()).expect("the client reads the password");
    drop(stdin);
    let output = child.wait_with_output().expect("it is our child");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[track_caller]
fn refused(command: &mut Command) {
    let Output { code, stdout, stderr } = attempt(command);
    assert_ne!(code, Some(0), "{command:?} succeeded: {stdout}{stderr}");
}

/// Runs a check with each way to ask for credentials, in a folder of its own.
fn each(check: impl Fn(&Server, &TempDir)) {
    for challenge in CHALLENGES {
        let folder = tempfile::tempdir().expect("a temporary folder");
        check(&server(challenge, folder.path()), &folder);
    }
}

#[test]
fn crane_and_hythe_with_a_login_of_docker() {
    each(|server, folder| {
        let command = |binary: &Path, arguments: &[&str]| {
            let mut command = program(binary, arguments);
            without_settings(&mut command);
            command.env("DOCKER_CONFIG", folder.path());
            command
        };
        let crane = |arguments: &[&str]| command(&built_tool("crane"), arguments);
        let own = |arguments: &[&str]| command(&hythe(), arguments);
        let (name, address) = (reference(server, "private/app", "v1"), server.address().to_string());
        let layout = debian().layout().display().to_string();
        refused(&mut crane(&["push", &layout, &name]));
        log_in(&mut crane(&["auth", "login", &address, "-u", USER, "--password-stdin"]));
        let pushed = run(&mut crane(&["push", &layout, &name]));
        assert_eq!(digest_in(&pushed), debian().manifest);
        run(&mut crane(&["validate", "--remote", &name]));
        refused(&mut crane(&["push", &layout, &reference(server, "other/app", "v1")]));
        let listed = run(&mut crane(&["catalog", "--insecure", &address]));
        assert_eq!(listed, "private/app");
        // hythe's own commands use the login that another client stored.
        let copy = reference(server, "public/app", "v2");
        run(&mut own(&["copy", &name, &copy]));
        assert_eq!(run(&mut own(&["ls", &address])).lines().count(), 2);
        run(&mut own(&["rm", &name]));
        // An admin page names what is missing.
        let refused = attempt(&mut own(&["gc", "--registry", &address]));
        assert_ne!(refused.code, Some(0));
        assert!(
            refused.stderr.contains("no rule lets user:ada administer the registry"),
            "{}",
            refused.stderr
        );
    });
}

#[test]
fn skopeo() {
    each(|server, folder| {
        let skopeo = |arguments: &[&str]| {
            let mut command = program(tool("skopeo"), arguments);
            command.env("REGISTRY_AUTH_FILE", folder.path().join("auth.json"));
            command
        };
        let name = format!("docker://{}", reference(server, "private/app", "v1"));
        let layout = format!("oci:{}:{TAG}", debian().layout().display());
        let push = ["copy", "--dest-tls-verify=false", &layout, &name];
        refused(&mut skopeo(&push));
        log_in(&mut skopeo(&[
            "login",
            "--tls-verify=false",
            "-u",
            USER,
            "--password-stdin",
            &server.address().to_string(),
        ]));
        run(&mut skopeo(&push));
        let found = run(&mut skopeo(&["inspect", "--tls-verify=false", "--format", "{{.Digest}}", &name]));
        assert_eq!(digest_in(&found), debian().manifest);
    });
}

/// Pushes with Podman or Buildah, logs out, and pulls what is public.
fn store(kind: &'static str) {
    each(|server, folder| {
        let store = Store::new(kind);
        // Podman refuses a file that does not exist.
        std::fs::write(folder.path().join("auth.json"), "{}").expect("the folder is ours");
        let call = |arguments: &[&str]| {
            let mut command = store.call(arguments);
            command.env("REGISTRY_AUTH_FILE", folder.path().join("auth.json"));
            command
        };
        let (name, address) = (reference(server, "public/app", "v1"), server.address().to_string());
        let id = run(&mut call(&["pull", "--quiet", &format!("oci:{}:{TAG}", debian().layout().display())]));
        refused(&mut call(&["push", "--tls-verify=false", &id, &name]));
        log_in(&mut call(&["login", "--tls-verify=false", "-u", USER, "--password-stdin", &address]));
        run(&mut call(&["push", "--tls-verify=false", &id, &name]));
        let private = reference(server, "private/app", "v1");
        run(&mut call(&["push", "--tls-verify=false", &id, &private]));
        run(&mut call(&["logout", &address]));
        run(&mut call(&["rmi", "--all", "--force"]));
        refused(&mut call(&["pull", "--quiet", "--tls-verify=false", &private]));
        assert_eq!(run(&mut call(&["pull", "--quiet", "--tls-verify=false", &name])), id);
    });
}

#[test]
fn podman() {
    store("podman");
}

#[test]
fn buildah() {
    store("buildah");
}

#[test]
fn docker() {
    let docker = Engine::docker();
    each(|server, folder| {
        let call = |arguments: &[&str]| {
            let mut command = docker.call(arguments);
            command.env("DOCKER_CONFIG", folder.path());
            command
        };
        let (name, address) = (reference(server, "public/app", "v1"), server.address().to_string());
        let archive = docker.folder().join("archive.tar");
        let _ = std::fs::remove_file(&archive);
        let mut convert = program(tool("skopeo"), ["copy"]);
        convert.arg(format!("oci:{}:{TAG}", debian().layout().display()));
        run(convert.arg(format!("docker-archive:{}:{name}", archive.display())));
        run(call(&["load", "--input"]).arg(&archive));
        refused(&mut call(&["push", &name]));
        log_in(&mut call(&["login", "-u", USER, "--password-stdin", &address]));
        run(&mut call(&["push", &name]));
        let private = reference(server, "private/app", "v1");
        run(&mut call(&["tag", &name, &private]));
        run(&mut call(&["push", &private]));
        run(&mut call(&["image", "rm", &name, &private]));
        run(&mut call(&["pull", &private]));
        run(&mut call(&["logout", &address]));
        run(&mut call(&["image", "rm", &private]));
        refused(&mut call(&["pull", &private]));
        // Docker pulls without a login only from a registry that asks for tokens.
        let asks_for_tokens = server.client().get("/v2/").expect("the server answers");
        let asks_for_tokens =
            asks_for_tokens.header("www-authenticate").is_some_and(|it| it.starts_with("Bearer"));
        if asks_for_tokens {
            run(&mut call(&["pull", &name]));
            run(&mut call(&["image", "rm", &name]));
        } else {
            refused(&mut call(&["pull", &name]));
        }
    });
}

#[test]
fn containerd() {
    let containerd = Engine::containerd_2();
    each(|server, _| {
        let name = reference(server, "private/app", "v1");
        let base = name.trim_end_matches(":v1");
        run(containerd.call(&["images", "import", "--base-name", base]).arg(debian().archive()));
        refused(&mut containerd.call(&["images", "push", "--plain-http", &name]));
        let user = format!("{USER}:{PASSWORD}");
        run(&mut containerd.call(&["images", "push", "--plain-http", "--user", &user, &name]));
        run(&mut containerd.call(&["images", "rm", "--sync", &name]));
        refused(&mut containerd.call(&["images", "pull", "--plain-http", &name]));
        run(&mut containerd.call(&["images", "pull", "--plain-http", "--user", &user, &name]));
        run(&mut containerd.call(&["images", "rm", "--sync", &name]));
    });
}

#[test]
fn regctl() {
    each(|server, folder| {
        let regctl = |arguments: &[&str]| {
            let mut command = program(built_tool("regctl"), arguments);
            command.env("REGCTL_CONFIG", folder.path().join("config.json"));
            command
        };
        let address = server.address().to_string();
        run(&mut regctl(&["registry", "set", "--skip-check", "--tls=disabled", &address]));
        let name = reference(server, "private/app", "v1");
        let push = ["image", "copy", &format!("ocidir://{}:{TAG}", debian().layout().display()), &name];
        refused(&mut regctl(&push));
        log_in(&mut regctl(&["registry", "login", "--user", USER, "--pass-stdin", &address]));
        run(&mut regctl(&push));
        assert_eq!(digest_in(&run(&mut regctl(&["image", "digest", &name]))), debian().manifest);
    });
}

#[test]
fn helm() {
    each(|server, folder| {
        let helm = |arguments: &[&str]| {
            let mut command = program(built_tool("helm"), arguments);
            for name in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
                command.env(name, folder.path().join(name));
            }
            command.current_dir(folder.path());
            command
        };
        crate::helm::write_chart(&folder.path().join("landing"));
        run(&mut helm(&["package", "landing"]));
        let charts = format!("oci://{}/private", server.address());
        let push = ["push", "--plain-http", "landing-0.1.0+build.7.tgz", &charts];
        refused(&mut helm(&push));
        log_in(&mut helm(&[
            "registry",
            "login",
            "--plain-http",
            "-u",
            USER,
            "--password-stdin",
            &server.address().to_string(),
        ]));
        run(&mut helm(&push));
        run(&mut helm(&[
            "show",
            "chart",
            &format!("{charts}/landing"),
            "--version",
            "0.1.0+build.7",
            "--plain-http",
        ]));
    });
}

/// From nothing: the first start prints a password, with which an administrator creates users and tokens.
#[test]
fn users_and_robots_of_the_registry() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::new().with_configuration(
        "[auth]\nusers = true\n\
         [rule.admins]\nsubjects = [\"user:admin\"]\nactions = [\"pull\", \"push\", \"delete\", \"admin\"]\nrepositories = [\"*\"]\n\
         [rule.ci]\nsubjects = [\"robot:ci\"]\nactions = [\"pull\", \"push\"]\nrepositories = [\"ci/*\"]\n",
    );
    server.run();
    let log = server.log();
    let (_, rest) =
        log.split_once("created the user admin with the password ").expect("the start prints the password");
    let password = rest.split(';').next().expect("a text has a first part").to_owned();
    let address = server.address().to_string();
    let command = |binary: &Path, arguments: &[&str]| {
        let mut command = program(binary, arguments);
        without_settings(&mut command);
        command.env("DOCKER_CONFIG", folder.path()).env("HYTHE_REGISTRY", &address);
        command
    };
    let own = |arguments: &[&str]| command(&hythe(), arguments);
    let log_in = |name: &str, password: &str| {
        run(&mut command(&built_tool("crane"), &["auth", "login", &address, "-u", name, "-p", password]));
    };
    let layout = debian().layout().display().to_string();
    let push =
        |name: &str| command(&built_tool("crane"), &["push", &layout, &reference(&server, name, "v1")]);

    log_in("admin", &password);
    let made = run(&mut own(&["user", "add", "alice"]));
    assert!(run(&mut own(&["user", "ls"])).contains("alice"));
    let token = run(&mut own(&["token", "create", "robot:ci", "--note", "nightly", "--valid", "1h"]));
    let listed = run(&mut own(&["token", "ls"]));
    assert!(
        listed.contains("robot:ci") && listed.contains("nightly") && listed.contains("never"),
        "{listed}"
    );

    log_in("robot", &token);
    run(&mut push("ci/app"));
    refused(&mut push("other/app"));
    log_in("alice", &made);
    refused(&mut push("ci/app"));
    refused(&mut own(&["user", "ls"]));

    log_in("admin", &password);
    let id = token.split('_').nth(1).expect("a token has an id");
    run(&mut own(&["token", "rm", id]));
    run(&mut own(&["user", "rm", "alice"]));
    log_in("robot", &token);
    refused(&mut push("ci/app"));
    // The next start finds a user and makes none.
    server.terminate(Duration::from_secs(30));
    server.run();
    assert_eq!(server.log().matches("created the user admin").count(), 1);
}
