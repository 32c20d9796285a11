//! hythe replaces a registry:2 in containers: by its image, by Compose, and by `hythe up --adopt`. Also `hythe up` in
//! difficult circumstances, such as a taken port or a lost network.

mod adoption;
mod compose;
mod image;
mod logins;
mod podman;
mod refusal;
mod script;
mod stock;
mod suggestions;
mod up;
mod upgrade;

use std::sync::Arc;
use std::time::{Duration, Instant};

use hythe_e2e::binary::tool;
use hythe_e2e::command::{Output, attempt, program};
use hythe_e2e::engine::Engine;
use hythe_e2e::home::Home;

/// Time limit for an answer. It is long because the machine may be busy with other suites.
const PATIENCE: Duration = Duration::from_mins(1);

/// An engine as users have it, and a user of it.
fn machine() -> (Arc<Engine>, Home) {
    let engine = Arc::new(Engine::docker_with_bridge());
    let home = Home::new(&engine);
    (engine, home)
}

/// Gives hythe's image the name that a Compose file uses.
fn tag_image(home: &Home) -> &'static str {
    let name = "hythe";
    home.docker(&["tag", &home.run(&["image"]), name]);
    name
}

/// Waits until the registry on the user's port answers.
fn answers(engine: &Engine, home: &Home, container: &str) {
    let begin = Instant::now();
    while !home.client().get("/v2/").is_ok_and(|response| response.status == 200) {
        let said = || {
            let state = attempt(&mut engine.call(&["inspect", container]));
            let log = attempt(&mut engine.call(&["logs", container]));
            let routes = attempt(&mut program(tool("ip"), ["route"]));
            format!("{}{}{}{}", log.stdout, log.stderr, state.stdout, routes.stdout)
        };
        assert!(begin.elapsed() < PATIENCE, "{container} does not answer: {}", said());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A field of a container's description, as `docker inspect --format` prints it.
fn inspect(home: &Home, container: &str, format: &str) -> String {
    home.docker(&["inspect", "--format", format, container])
}

fn expect(output: &Output, code: i32, words: &[&str]) {
    let said = format!("{}{}", output.stdout, output.stderr);
    assert_eq!(output.code, Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "`{word}` is not in:\n{said}");
    }
    println!("{said}");
}
