//! hythe in the place of a registry:2, in containers: by its image, by Compose, by `hythe up --adopt`; and `hythe up`
//! where things are not as they should be.

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

/// How long anything may take to answer: the machine may be busy with other suites.
const PATIENCE: Duration = Duration::from_mins(1);

/// An engine as people have it, and a user of it.
fn machine() -> (Arc<Engine>, Home) {
    let engine = Arc::new(Engine::docker_with_bridge());
    let home = Home::new(&engine);
    (engine, home)
}

/// Has hythe's image known to the engine by the name that a Compose file would have.
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

/// What a container's inspection says.
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
